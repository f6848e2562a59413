import { describe, expect, it } from 'vitest';
import { scoreLines } from '../../lib/cli/shared/score_lines.js';
import { scoreReport } from '../../lib/evaluation/score_report.js';
import { pairedApproximateRandomization, pairedBootstrap } from '../../lib/evaluation/significance.js';
import { verdict } from '../../lib/evaluation/verdict.js';

/** Sentences that differ in their words and lengths. */
const sentences = (count: number, shift = 0) =>
  Array.from({ length: count }, (_, i) =>
    Array.from(
      { length: 5 + (i % 7) },
      (_, k) => `w${(i * 31 + k * 17 + (k % 5 === 4 ? shift : 0)) % 97}`,
    ).join(' '),
  );

const report = (hypotheses: string[], baseline: string[], references: string[], tokenized = false) =>
  scoreReport(
    { hypotheses, references },
    {
      tokenized,
      table: {},
      tokenize: '13a',
      confidence: false,
      baselines: [{ name: 'base', hypotheses: baseline }],
      paired: 'both',
      samples: 300,
    },
  );
const starred = (lines: string[]) => lines.filter((line) => / \*$/.test(line));

describe('a star and its sentence', () => {
  it.each([false, true])(
    'are not given to two equal outputs, in any metric (tokenized: %s)',
    async (tokenized) => {
      const hypotheses = sentences(60, 1);
      const found = await report(hypotheses, [...hypotheses], sentences(60), tokenized);
      expect(found.paired.map(({ test }) => test)).toEqual(['bootstrap', 'randomization']);
      for (const { metrics } of found.paired) {
        for (const result of metrics) {
          // The p is sacreBLEU's, as it was.
          expect(result).toMatchObject({
            difference: 0,
            identical: true,
            significant: false,
            pValue: 1 / 301,
          });
        }
      }
      const lines = scoreLines(found);
      expect(starred(lines)).toEqual([]);
      expect(lines.join('\n')).not.toContain('unlikely');
      expect(lines.filter((line) => line.includes('same translation of every sentence'))).toHaveLength(2);
      expect(lines.filter((line) => line.includes('no difference to be tested'))).toHaveLength(2);
    },
  );

  it('are not given to different outputs whose scores are equal', async () => {
    const references = sentences(60);
    // A sentence is worse in each, another one, and both are worth the same.
    const worse = (at: number) =>
      references.map((line, i) => (i % 7 === at ? line.replace(/\w+$/, 'x') : line));
    const lengths = references.map((line) => line.split(' ').length);
    expect(lengths[0]).toBe(lengths[7]);
    const swap = (at: number) => references.map((line, i) => (i === at ? line.replace(/\w+$/, 'x') : line));
    const found = await report(swap(0), swap(7), references);
    for (const { metrics } of found.paired) {
      for (const result of metrics.filter(({ name }) => name === 'BLEU'))
        expect(result).toMatchObject({ difference: 0, identical: false, significant: false });
    }
    expect(starred(scoreLines(found)).filter((line) => line.startsWith('BLEU'))).toEqual([]);
    expect(scoreLines(found).join('\n')).not.toContain('same translation of every sentence');
    const two = await report(worse(1), worse(1), references);
    expect(starred(scoreLines(two))).toEqual([]);
  });

  it('are not given where resampling cannot tell anything: one sentence, or one that differs', async () => {
    const references = ['the cat sat on the mat', ...sentences(40)];
    const good = references;
    const bad = references.map((line, i) => (i === 0 ? 'the cat sat on a mat' : line));
    for (const count of [1, 41]) {
      const found = await report(good.slice(0, count), bad.slice(0, count), references.slice(0, count));
      const exchanges = found.paired[1]?.metrics ?? [];
      // Exchanging the one sentence gives an equal difference; the p counts larger ones alone.
      for (const result of exchanges) expect(result).toMatchObject({ pValue: 1 / 301, significant: false });
      expect(starred(scoreLines({ metrics: [], paired: found.paired.slice(1) }))).toEqual([]);
      expect(scoreLines(found).join('\n')).toContain('p < 0.05 without a star');
    }
    const [single] = (await report(good.slice(0, 1), bad.slice(0, 1), references.slice(0, 1))).paired;
    for (const result of single?.metrics ?? []) expect(result.significant).toBe(false);
  });

  it('are given to a difference that is there', async () => {
    const references = sentences(60);
    const worse = references.map((line) => line.replace(/\w+$/, 'x'));
    const found = await report(references, worse, references);
    for (const { metrics } of found.paired)
      for (const result of metrics) expect(result).toMatchObject({ identical: false, significant: true });
    expect(starred(scoreLines(found))).toHaveLength(14);
    expect(
      scoreLines(found).filter((line) => line.includes('a difference as large is unlikely')),
    ).toHaveLength(2);
  });

  it('are in the JSON of both tests alone as well', async () => {
    const hypotheses = sentences(20, 1);
    for (const test of [pairedBootstrap, pairedApproximateRandomization]) {
      const [result] = await test(
        { hypotheses, baseline: hypotheses, references: sentences(20) },
        { samples: 50 },
      );
      expect(JSON.parse(JSON.stringify(result))).toMatchObject({
        difference: 0,
        identical: true,
        significant: false,
      });
    }
  });
});

describe('verdict', () => {
  it.each([
    ['equal scores', 30, 30, 0.001, 0.001, 0, false],
    ['scores that rounding keeps apart', 30, 30 + 1e-13, 0.001, 0.001, 0, false],
    ['zeros of either sign', 0, -0, 0.001, 0.001, 0, false],
    ['scores that are not defined', Number.NaN, 30, 0.001, 0.001, Number.NaN, false],
    ['an infinite score', Number.POSITIVE_INFINITY, 30, 0.001, 0.001, Number.POSITIVE_INFINITY, false],
    ['a difference', 31, 30, 0.001, 0.002, 1, true],
    ['a difference that chance explains', 31, 30, 0.05, 0.06, 1, false],
    ['a difference that every resample shows alike', 31, 30, 0.001, 1, 1, false],
  ])('%s', (_, system, baseline, pValue, withEqual, difference, significant) => {
    expect(verdict({ system, baseline }, { pValue, withEqual })).toEqual({ difference, pValue, significant });
  });
});
