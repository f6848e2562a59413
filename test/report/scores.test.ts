import { describe, expect, it } from 'vitest';
import { type RunSummary, renderReport } from '../../lib/report/report.js';
import { metricOf, reportOn, scoreTable } from '../../lib/report/scores.js';

const paperFigure = 'fairseq-score (compounds split)';

/** Table 1 of the paper as one of the figures of the runs; the others are made up. */
const runs: RunSummary[] = Object.entries({ uni: [37.34, 37.29, 37.32], bi: [37.19, 37.28, 36.97] }).flatMap(
  ([direction, figures]) =>
    figures.map((figure, i) => ({
      direction,
      seed: 63 + i,
      testScore: 30 + i,
      seconds: 1,
      curve: [],
      state: 'finished' as const,
      signature: 'nrefs:1|tok:13a|version:2.6.0',
      scores: [
        { name: 'BLEU', score: 30 + i, signature: 'nrefs:1|tok:13a|version:2.6.0', higherIsBetter: true },
        { name: 'BLEU', score: 31 + i, signature: 'nrefs:1|tok:intl|version:2.6.0', higherIsBetter: true },
        { name: 'TER', score: 50 - i, signature: 'nrefs:1|tok:tercom|version:2.6.0', higherIsBetter: false },
        { name: paperFigure, score: figure, signature: 'nrefs:1|compound', higherIsBetter: true },
      ],
    })),
);

describe('metricOf', () => {
  const languageModels = (direction: string, figures: number[]): RunSummary[] =>
    figures.map((testScore, i) => ({
      ...{ direction, seed: 1 + i, testScore, seconds: 1, curve: [] },
      metric: { name: 'perplexity', higherIsBetter: false },
    }));

  it('compares runs by the metric of their task, in its sense', async () => {
    const own = [...languageModels('uni', [6.1, 6.2, 6.3]), ...languageModels('one-pass', [5.1, 5.2, 5.3])];
    expect(metricOf(own)).toEqual({ name: 'perplexity', higherIsBetter: false });
    const { markdown } = await renderReport(own, 'A language model');
    expect(markdown).toMatch(/one-pass is ahead of uni by 1\.0000 test perplexity/);
    expect(markdown).toContain('Test perplexity by direction and seed');
    expect(markdown).not.toContain('BLEU');
  });

  it('refuses to compare runs of several tasks without a metric that all have', () => {
    expect(() => metricOf([...runs, ...languageModels('uni', [6])])).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/BLEU and perplexity/),
      }),
    );
  });
});

describe('scoreTable', () => {
  it('shows every figure of every run side by side, the means, and the signatures', () => {
    const table = scoreTable(runs);
    expect(table?.head).toEqual(['run', 'BLEU 13a ↑', 'BLEU intl ↑', 'TER ↓', `${paperFigure} ↑`]);
    expect(table?.rows).toHaveLength(8);
    expect(table?.rows[0]).toEqual(['uni-63', '30.00', '31.00', '50.00', '37.34']);
    expect(table?.rows[3]).toEqual(['uni, mean', '31.00', '32.00', '49.00', '37.32']);
    expect(table?.rows[7]?.[4]).toBe('37.15');
    expect(table?.notes).toContain('BLEU intl: nrefs:1|tok:intl|version:2.6.0');
  });

  it('gives no mean where a run lacks the figure, and no table where there is BLEU alone', () => {
    const [first, ...others] = runs as [RunSummary, ...RunSummary[]];
    const partial = [{ ...first, scores: first.scores!.slice(0, 3) }, ...others];
    expect(scoreTable(partial)?.rows[0]?.at(-1)).toBe('—');
    expect(scoreTable(partial)?.rows[3]?.at(-1)).toBe('—');
    expect(scoreTable(runs.map((run) => ({ ...run, scores: run.scores!.slice(0, 1) })))).toBeNull();
    expect(scoreTable(runs.map(({ scores: _, ...run }) => run))).toBeNull();
  });
});

describe('a report on another metric', () => {
  it("is the paper's table with the paper's figure", async () => {
    const { markdown } = await renderReport(runs, 'Table 1', { metric: paperFigure });
    expect(markdown).toContain(`Test ${paperFigure} by direction and seed`);
    expect(markdown).toContain('| uni | 37.34 | 37.29 | 37.32 | 37.32 |');
    expect(markdown).toMatch(/\| uni − bi \| 0\.17 \| 1\.489 \| U = 9, p = 0\.100 \| W = 0, p = 0\.250 \|/);
    expect(markdown).toMatch(/^signature: nrefs:1.*compound$/m);
    const { markdown: usual } = await renderReport(runs, 'Table 1');
    expect(usual).toContain('| uni | 30.00 | 31.00 | 32.00 | 31.00 |');
  });

  it('leaves out runs without the metric, and refuses one that no run has', () => {
    const [first, ...others] = runs as [RunSummary, ...RunSummary[]];
    expect(reportOn([{ ...first, scores: [] }, ...others], 'TER')[0]?.testScore).toBeNull();
    expect(() => reportOn(runs, 'METEOR')).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: `metric: expected one of the metrics of these runs (BLEU 13a, BLEU intl, TER, ${paperFigure}), got "METEOR"`,
      }),
    );
    const bare = runs.map(({ scores: _, ...run }) => run);
    expect(() => reportOn(bare, 'TER')).toThrow(/no run has other metrics/);
  });
});
