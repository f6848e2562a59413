import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CurvePoint, type RunSummary, renderReport, writeReport } from '../../lib/report/report.js';
import { chartsOf, expectSelfContained, expectWellFormed, rowsOf } from '../support/html.js';

/** Table 1 of the paper, with the run times it gives as averages. */
const table = [
  { direction: 'uni', seconds: 41_735, scores: [37.34, 37.29, 37.32] },
  { direction: 'bi', seconds: 42_719, scores: [37.19, 37.28, 36.97] },
];
const seeds = [63, 64, 65];
const curve = (height: number): CurvePoint[] =>
  Array.from({ length: 5 }, (_, i) => ({
    update: 100 * (i + 1),
    trainLoss: 20 - i,
    validLoss: 9 - i,
    validBleu: height - 5 + i,
  }));
const paperRuns = (): RunSummary[] =>
  table.flatMap(({ direction, seconds, scores }) =>
    seeds.map((seed, i) => ({
      direction,
      seed,
      testScore: scores[i] as number,
      seconds,
      curve: curve(scores[i] as number),
      signature: 'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0',
    })),
  );

describe("renderReport on the paper's table", () => {
  it('shows every number of it, the tests and the interval, in HTML and in Markdown', async () => {
    const { html, markdown } = await renderReport(paperRuns(), 'Table 1');
    expect(rowsOf(html, 'Test BLEU by direction and seed')).toEqual([
      ['uni', '37.34', '37.29', '37.32', '37.32', '41,735 s'],
      ['bi', '37.19', '37.28', '36.97', '37.15', '42,719 s'],
    ]);
    const [row, ...others] = rowsOf(html, 'Differences between directions in test BLEU');
    expect(others).toEqual([]);
    expect(row?.slice(0, 5)).toEqual(['uni − bi', '0.17', '1.489', 'U = 9, p = 0.100', 'W = 0, p = 0.250']);
    expect(row?.[5]).toMatch(/^0\.0\d to 0\.3\d$/);
    expect(row?.slice(6)).toEqual(['1.188', '-0.46 to 3.31']);
    expect(html).not.toContain('Holm');
    expect(html).toContain('although the paper calls it signed-rank');
    expect(html).toContain('version:2.6.0');
    expect(markdown).toContain('| uni | 37.34 | 37.29 | 37.32 | 37.32 | 41,735 s |');
    expect(markdown).toContain('| bi | 37.19 | 37.28 | 36.97 | 37.15 | 42,719 s |');
    expect(markdown).toMatch(/\| uni − bi \| 0\.17 \| 1\.489 \| U = 9, p = 0\.100 \| W = 0, p = 0\.250 \|/);
  });

  it('loads nothing, is well formed and draws four plots with axes, directions and one line a run', async () => {
    const { html } = await renderReport(paperRuns(), 'Table 1');
    expectSelfContained(html);
    expectWellFormed(html);
    const [strip, ...curves] = chartsOf(html);
    expect(strip?.label).toBe('Test BLEU of every run, with the mean and its interval for each condition');
    for (const drawn of [strip?.wide, strip?.narrow]) {
      for (const text of ['test BLEU', 'uni', 'bi', '37.32', '37.15'])
        expect(drawn).toContain(`>${text}</text>`);
      // A circle a run, three in each of two colors.
      const circles = [...(drawn as string).matchAll(/d="M1 0A1 1 [^"]*"[^>]*fill="(#\w{6})"/g)];
      expect(circles.map(([, color]) => color).sort()).toEqual([
        ...Array(3).fill('#0087d0'),
        ...Array(3).fill('#e66100'),
      ]);
    }
    for (const { scores, direction } of table)
      for (const [i, score] of scores.entries())
        expect(strip?.data).toContain(`"${direction}, seed ${seeds[i]}: ${score.toFixed(2)}"`);
    // The t interval of 37.34, 37.29, 37.32: 37.3167 ± 4.3027 · 0.02517 / √3.
    expect(strip?.data).toContain('"uni, mean of 3 runs: 37.32, 95 % interval 37.25 to 37.38"');
    expect(curves.map(({ label }) => label)).toEqual(
      ['Training loss', 'Validation loss', 'Validation BLEU'].map(
        (title) => `${title} by update, one line a run`,
      ),
    );
    for (const { wide, narrow } of curves) {
      for (const svg of [wide, narrow]) {
        expect(svg).toContain('>update</text>');
        const lines = [
          ...svg.matchAll(/<path d="M[\d.]+ [\d.]+(?:L[\d.]+ [\d.]+){4}" [^>]*stroke="(#\w{6})"[^>]*>/g),
        ];
        // Three runs and their mean in each color.
        expect(lines.map(([, color]) => color).sort()).toEqual([
          ...Array(4).fill('#0087d0'),
          ...Array(4).fill('#e66100'),
        ]);
        expect(lines.filter(([line]) => line.includes('stroke-width="2.5"'))).toHaveLength(2);
      }
    }
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('pairs the signed-rank test by seed, whatever the order, and over common seeds only', async () => {
    const runs = paperRuns();
    const shuffled = [runs[4], runs[0], runs[5], runs[2], runs[3], runs[1]] as RunSummary[];
    expect(await renderReport(shuffled, 'Table 1')).toEqual(await renderReport(runs, 'Table 1'));
    const partial = runs.filter(({ direction, seed }) => !(direction === 'bi' && seed === 64));
    const { html } = await renderReport(partial, 'Table 1');
    const [row] = rowsOf(html, 'Differences between directions in test BLEU');
    expect(row?.slice(3, 5)).toEqual(['U = 6, p = 0.200', 'W = 0, p = 0.500']);
  });

  it('compares every direction with the baseline', async () => {
    const baseline = seeds.map((seed, i) => ({
      direction: 'baseline',
      seed,
      testScore: 35 + i / 10,
      seconds: 30.25,
      curve: [],
    }));
    const { html } = await renderReport([...baseline, ...paperRuns()], 'Three conditions');
    const rows = rowsOf(html, 'Differences between directions in test BLEU');
    expect(rows.map(([conditions]) => conditions)).toEqual(['uni − bi', 'uni − baseline', 'bi − baseline']);
    // 0.1 and 0.25 times the three pairs, and no smaller p lets the others off.
    for (const row of rows) expect(row[3]).toMatch(/^U = 9, p = 0\.100, Holm 0\.300$/);
    for (const row of rows) expect(row[4]).toMatch(/^W = \d, p = 0\.250, Holm 0\.750$/);
    expect(html).toContain(
      'over the 3 pairs of directions of this table, each of the two tests a family of its own',
    );
    expect(rowsOf(html, 'Test BLEU by direction and seed').at(-1)).toEqual([
      'baseline',
      '35.00',
      '35.10',
      '35.20',
      '35.10',
      '30.3 s',
    ]);
  });

  it('says so where two conditions have the same figures', async () => {
    const same = paperRuns().map((run, i) => ({
      ...run,
      testScore: [37.1, 37.2, 37.3][(i * (i < 3 ? 1 : 2)) % 3] as number,
    }));
    const [row] = rowsOf(
      (await renderReport(same, 'Same')).html,
      'Differences between directions in test BLEU',
    );
    expect(row?.slice(0, 2)).toEqual(['uni − bi', '0 (equal values)']);
    expect(row?.[3]).toBe('U = 4.5, p = 1.000');
  });

  it('is refused without a run', async () => {
    await expect(renderReport([], 'Nothing')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('writeReport', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rdrop-report-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const json = (path: string, value: unknown) => writeFile(path, JSON.stringify(value));
  const metrics = (points: readonly CurvePoint[]) =>
    points
      .flatMap(({ update, trainLoss, validLoss, validBleu }) => [
        { type: 'train', update, epoch: 1, loss: trainLoss, nll: 1, kl: 0.1, seconds: 1 },
        { type: 'validation', update, epoch: 1, loss: validLoss, nll: 1, bleu: validBleu, seconds: 2 },
      ])
      .map((line) => `${JSON.stringify(line)}\n`)
      .join('');

  /** A run directory as training leaves it; without a score it has not finished. */
  async function run(
    path: string,
    { direction, seed, score }: { direction: string; seed: number; score?: number },
    more: { learningRate?: number; threads?: string } = {},
  ): Promise<void> {
    await mkdir(path, { recursive: true });
    const loss = direction === 'baseline' ? { direction: 'uni', alpha: 0 } : { direction, alpha: 5 };
    await json(join(path, 'config.json'), {
      seed,
      device: 'cpu',
      precision: 'float32',
      runDirectory: path,
      loss,
      optimizer: { learningRate: more.learningRate ?? 5e-4 },
    });
    await json(join(path, 'environment.json'), {
      rdrop: '0.1.0',
      node: 'v20.19.0',
      processor: more.threads ?? 'A processor',
      compiledAgainst: '2.13.0',
      started: `2026-01-0${(seed % 9) + 1}T00:00:00.000Z`,
      data: { 'train.de': 'aa', 'train.en': 'bb' },
    });
    await writeFile(join(path, 'metrics.jsonl'), metrics(curve(score ?? 30)));
    if (score === undefined) return;
    await json(join(path, 'result.json'), {
      seed,
      direction: loss.direction,
      alpha: loss.alpha,
      updates: 12_500,
      epochs: 11.4,
      seconds: 1234.5,
      bestUpdate: 12_000,
      validBleu: 38.76,
      testBleu: { score, signature: 'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0' },
      parameters: 36_741_120,
    });
  }
  const read = async (paths: { html: string; markdown: string }) => ({
    html: await readFile(paths.html, 'utf8'),
    markdown: await readFile(paths.markdown, 'utf8'),
  });

  it('reports a single run with its conditions, options and curves', async () => {
    const path = join(directory, 'run');
    await run(path, { direction: 'uni', seed: 63, score: 37.34 });
    const paths = await writeReport(path, join(directory, 'new', 'out'));
    expect((await readdir(join(directory, 'new', 'out'))).sort()).toEqual(['report.html', 'report.md']);
    const { html, markdown } = await read(paths);
    expectSelfContained(html);
    expectWellFormed(html);
    expect(rowsOf(html, 'Runs')).toEqual([
      ['run', 'finished', '37.34', '38.76', '12,000', '12,500', '11.4', '1,235 s', '36,741,120'],
    ]);
    const conditions = new Map(rowsOf(html, 'Conditions').map(([key, value]) => [key, value]));
    expect(conditions.get('seeds')).toBe('63');
    expect(conditions.get('device')).toBe('cpu');
    expect(conditions.get('libtorch compiled against')).toBe('2.13.0');
    expect(conditions.get('node')).toBe('v20.19.0');
    expect(conditions.get('data')).toMatch(/^2 entries, SHA-256/);
    expect(rowsOf(html, 'Options')).toContainEqual(['optimizer.learningRate', '0.0005']);
    expect(html).toContain('A comparison needs finished runs of two conditions');
    expect(chartsOf(html)).toHaveLength(5);
    expect(markdown).toContain('| optimizer.learningRate | 0.0005 |');
  });

  it('shows what a partial sweep lacks instead of failing', async () => {
    await json(join(directory, 'sweep.json'), {
      version: 1,
      seeds: [63, 64],
      directions: ['baseline', 'uni', 'bi'],
    });
    await run(join(directory, 'baseline-63'), { direction: 'baseline', seed: 63, score: 35.5 });
    await run(join(directory, 'baseline-64'), { direction: 'baseline', seed: 64, score: 35.25 });
    await run(join(directory, 'uni-63'), { direction: 'uni', seed: 63, score: 37.25 });
    await run(join(directory, 'uni-64'), { direction: 'uni', seed: 64 });
    await writeFile(join(directory, 'uni-64', 'metrics.jsonl'), '{"type":"train","upd', { flag: 'a' });
    const { html, markdown } = await read(await writeReport(directory, directory));
    expect(rowsOf(html, 'Test BLEU by direction and seed')).toEqual([
      ['uni', '37.25', '—', '37.25 (1 of 2 runs)', '1,235 s (1 of 2 runs)'],
      ['bi', '—', '—', '—', '—'],
      ['baseline', '35.50', '35.25', '35.38', '1,235 s'],
    ]);
    expect(html).toContain('No test BLEU yet: uni-64 (at update 500), bi-63 (not begun), bi-64 (not begun).');
    expect(html).toContain('3 of 6 runs have a test BLEU.');
    expect(
      rowsOf(html, 'Differences between directions in test BLEU').map(([conditions]) => conditions),
    ).toEqual(['uni − baseline']);
    expect(chartsOf(html)).toHaveLength(5);
    expect(markdown).toContain('bi-63 (not begun)');
  });

  it('says after which rung of a search a trial was dropped', async () => {
    await json(join(directory, 'sweep.json'), {
      ...{ version: 1, seeds: [63], directions: ['baseline', 'uni', 'bi'], search: 'halving:2' },
    });
    const score = { bleu: 1, loss: 2 };
    await json(join(directory, 'rungs.json'), {
      version: 1,
      rungs: [
        {
          ...{ updates: 500, survivors: ['baseline'] },
          scores: ['baseline', 'uni', 'bi'].map((condition) => ({ condition, ...score })),
        },
      ],
    });
    await run(join(directory, 'baseline-63'), { direction: 'baseline', seed: 63, score: 35.5 });
    await run(join(directory, 'uni-63'), { direction: 'uni', seed: 63 });
    // Trained to its end all the same, by hand.
    await run(join(directory, 'bi-63'), { direction: 'bi', seed: 63, score: 36 });
    const { html } = await read(await writeReport(directory, directory));
    expect(html).toContain('No test BLEU yet: uni-63: dropped (halving, rung 1).');
    expect(rowsOf(html, 'Runs').map(([name, state]) => [name, state])).toEqual([
      ['uni-63', 'dropped (halving, rung 1)'],
      ['bi-63', 'finished'],
      ['baseline-63', 'finished'],
    ]);
  });

  it('reports a sweep of which nothing has begun', async () => {
    await json(join(directory, 'sweep.json'), { version: 1, seeds: [1], directions: ['uni', 'bi'] });
    const { html } = await read(await writeReport(directory, directory));
    expectWellFormed(html);
    expect(html).toContain('0 of 2 runs have a test BLEU.');
    expect(chartsOf(html)).toEqual([]);
  });

  it('says when the runs differ in more than seed and direction', async () => {
    const [one, two] = [join(directory, 'one'), join(directory, 'two')];
    await run(one, { direction: 'uni', seed: 1, score: 30 });
    await run(two, { direction: 'bi', seed: 1, score: 31 }, { learningRate: 1e-3, threads: 'Another' });
    const { html } = await read(await writeReport([one, two], join(directory, 'out')));
    expect(html).toContain('compare with care: optimizer.learningRate.');
    expect(html).toContain('A processor, Another');
    await run(two, { direction: 'bi', seed: 1, score: 31 });
    expect((await read(await writeReport([one, two], join(directory, 'out')))).html).not.toContain(
      'with care',
    );
  });

  it('escapes text that comes from file names and files', async () => {
    const evil = `x"><script>alert(1)<'script'>&|*`;
    const path = join(directory, evil);
    await run(path, { direction: '<img src=x>', seed: 1, score: 30 }, { threads: '</td><b>processor|</b>' });
    const { html, markdown } = await read(await writeReport(path, join(directory, 'out')));
    expectSelfContained(html);
    expectWellFormed(html);
    expect(html).toContain('x&quot;&gt;&lt;script&gt;alert(1)');
    expect(html).toContain('&lt;/td&gt;&lt;b&gt;processor|&lt;/b&gt;');
    expect(html).toContain('&lt;img src=x&gt;');
    expect(markdown).not.toMatch(/<script|<img|<b>/);
    expect(markdown).toContain('processor\\|');
  });

  it('refuses bad input with its own code and writes nothing', async () => {
    const out = join(directory, 'out');
    const path = join(directory, 'run');
    await run(path, { direction: 'uni', seed: 1, score: 30 });
    const refused = (input: string | string[], code: string, message: RegExp) =>
      expect(writeReport(input, out)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    await refused([], 'INVALID_ARGUMENT', /at least one/);
    await refused(join(directory, 'missing'), 'FILE_NOT_FOUND', /missing: expected a run directory/);
    await refused([path, path], 'INVALID_ARGUMENT', /direction uni and seed 1/);
    await writeFile(join(path, 'metrics.jsonl'), '{"type":"train","update":1}\nnot json\n{}\n');
    await refused(path, 'MALFORMED_FILE', /metrics\.jsonl:2/);
    await writeFile(join(path, 'metrics.jsonl'), '');
    await json(join(path, 'result.json'), { testBleu: 'much' });
    await refused(path, 'MALFORMED_FILE', /result\.json\.testBleu/);
    await writeFile(join(path, 'config.json'), '{');
    await refused(path, 'MALFORMED_FILE', /config\.json: expected JSON/);
    await json(join(directory, 'sweep.json'), { seeds: [], directions: ['uni'] });
    await refused(directory, 'MALFORMED_FILE', /sweep\.json\.seeds/);
    expect(existsSync(out)).toBe(false);
  });
});

describe("the paper's own curves", () => {
  const path = fileURLToPath(new URL('../../../shared/data/iwslt14/published_curves.csv', import.meta.url));
  it('are drawn, six lines of 273 epochs', async (context) => {
    if (!existsSync(path)) return context.skip('../shared/data/iwslt14 is not there');
    const [head, ...lines] = (await readFile(path, 'utf8')).trim().split('\n');
    const columns = (head as string).split(',');
    const runs = paperRuns().map((run) => {
      const own = lines
        .map((line) => line.split(','))
        .filter(([direction, seed]) => direction === run.direction && seed === `${run.seed}`);
      const value = (cells: string[], name: string) => Number(cells[columns.indexOf(name)]);
      return {
        ...run,
        curve: own.map((cells) => ({
          update: value(cells, 'updates'),
          trainLoss: value(cells, 'train_loss_base2'),
          validLoss: value(cells, 'valid_loss_base2'),
          validBleu: value(cells, 'valid_bleu'),
        })),
      };
    });
    expect(runs.map((run) => run.curve.length)).toEqual(Array(6).fill(273));
    const { html } = await renderReport(runs, 'The published runs');
    expectSelfContained(html);
    expectWellFormed(html);
    const curves = chartsOf(html).slice(1);
    expect(curves).toHaveLength(3);
    for (const { wide, data } of curves) {
      const [panel] = (
        JSON.parse(data) as { panels: { marks: { strong?: boolean; points: number[][] }[] }[] }
      ).panels;
      const lines = panel?.marks.filter(({ strong }) => strong === false) ?? [];
      expect(lines.map(({ points }) => points.map(([update]) => update))).toEqual(
        runs.map((run) => run.curve.map(({ update }) => update)),
      );
      // Two means, from where the last run of three has its first epoch. A last epoch ends within a pixel of the one before.
      const means = panel?.marks.filter(({ strong }) => strong === true) ?? [];
      expect(means.map(({ points }) => points.length)).toEqual([272, 272]);
      expect(wide.match(/ d="M-?[\d.]+ -?[\d.]+(L-?[\d.]+ -?[\d.]+){270,272}"/g)).toHaveLength(8);
    }
  });
});
