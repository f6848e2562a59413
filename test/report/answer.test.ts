import { describe, expect, it } from 'vitest';
import { answerOf } from '../../lib/report/answer.js';
import { meanInterval } from '../../lib/report/charts/strip_chart.js';
import type { RunSummary } from '../../lib/report/run_summary.js';

const bleu = { name: 'BLEU', higherIsBetter: true };
const runsOf = (scores: Record<string, (number | null)[]>): RunSummary[] =>
  Object.entries(scores).flatMap(([direction, values]) =>
    values.map((testScore, seed) => ({ direction, seed, testScore, seconds: null, curve: [] })),
  );

describe('answerOf', () => {
  it('says that a test with so few runs cannot show a difference, and how many could', () => {
    const answer = answerOf(runsOf({ bi: [37.19, 37.28, 36.97], uni: [37.34, 37.29, 37.32] }), bleu);
    expect(answer[0]).toMatch(
      /^uni is ahead of bi by 0\.17 test BLEU \(95 % interval 0\.0\d to 0\.3\d\), which the rank-sum test cannot tell from chance\.$/,
    );
    expect(answer.slice(1)).toEqual([
      'Means: 37.32 (uni, 3 runs) and 37.15 (bi, 3 runs). Rank-sum test: p = 0.100.',
      'With 3 runs of each the smallest p value that the rank-sum test can give is 0.100; 4 runs of each could show a difference.',
    ]);
  });

  it('says that a difference is shown: 2 of 252 relabelings of five and five', () => {
    const answer = answerOf(runsOf({ uni: [3, 3.1, 3.2, 3.3, 3.4], bi: [2, 2.1, 2.2, 2.3, 2.4] }), bleu);
    expect(answer[0]).toMatch(
      /^uni is better than bi by 1\.00 test BLEU \(.*\), and the rank-sum test shows it\.$/,
    );
    expect(answer.slice(1)).toEqual([
      'Means: 3.20 (uni, 5 runs) and 2.20 (bi, 5 runs). Rank-sum test: p = 0.008.',
    ]);
  });

  it('takes the least of a metric of which less is better, with the gain and its interval above 0', () => {
    const ter = { name: 'TER', higherIsBetter: false };
    const answer = answerOf(runsOf({ uni: [50, 50.2, 50.4], bi: [48, 48.1, 48.2] }), ter);
    expect(answer[0]).toMatch(/^bi is ahead of uni by 2\.10 test TER \(95 % interval 1\.\d\d to 2\.\d\d\)/);
  });

  it('compares the best of several with each other one, corrected for all pairs', () => {
    const answer = answerOf(runsOf({ baseline: [1, 2, 3], uni: [4, 5, 6], bi: [7, 8, 9] }), bleu);
    expect(answer[0]).toMatch(/^bi is ahead of uni by 3\.00/);
    expect(answer[1]).toContain("p = 0.300 after Holm's correction.");
    expect(answer[2]).toBe(
      'With 3 runs of each the smallest p value that the rank-sum test can give is 0.100, before the correction for 3 comparisons; ' +
        '5 runs of each could show a difference.',
    );
    expect(answer[3]).toMatch(/^bi is ahead of baseline by 6\.00/);
    expect(answer).toHaveLength(4);
  });

  it('compares nothing where there is one condition, one value, or none', () => {
    expect(answerOf(runsOf({ uni: [37.34, 37.3] }), bleu)).toEqual([
      'uni reaches 37.32 test BLEU, the mean of 2 runs.',
      'There is one condition only, so nothing can be compared.',
    ]);
    expect(answerOf(runsOf({ uni: [37.34], bi: [null] }), bleu)[0]).toBe('uni reaches 37.34 test BLEU.');
    expect(answerOf(runsOf({ uni: [null] }), bleu)).toEqual(['No run has a test BLEU yet.']);
    const single = answerOf(runsOf({ uni: [2], bi: [1] }), bleu);
    expect(single[0]).toBe(
      'uni is ahead of bi by 1.00 test BLEU, which the rank-sum test cannot tell from chance.',
    );
    expect(answerOf(runsOf({ uni: [1, 2], bi: [2, 1] }), bleu)[0]).toMatch(
      /have the same values \(1\.50 against 1\.50/,
    );
  });
});

describe('meanInterval', () => {
  it("is Student's: 4.302653 · s / √3 to either side for three values", () => {
    const [low, high] = meanInterval([1, 2, 3]);
    expect(low).toBeCloseTo(2 - 4.302653 / Math.sqrt(3), 6);
    expect(high).toBeCloseTo(2 + 4.302653 / Math.sqrt(3), 6);
  });
});
