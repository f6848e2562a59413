import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { alternatives } from '../../lib/options/index.js';
import { wilcoxonRankSum, wilcoxonSignedRank } from '../../lib/statistics/rank_tests.js';
import { expectClose, recorded, thrownBy } from '../support/effect_sizes.js';

/** Every list of `length` of the numbers 1 to `largest`. */
function lists(length: number, largest: number): number[][] {
  if (length === 0) return [[]];
  return lists(length - 1, largest).flatMap((list) =>
    Array.from({ length: largest }, (_, i) => [...list, i + 1]),
  );
}

/** Pairs in which the first is larger, ties counted half. */
const wins = (a: number[], b: number[]) =>
  a.reduce((all, x) => all + b.reduce((sum, y) => sum + (x > y ? 1 : x === y ? 0.5 : 0), 0), 0);

/** The p values of a statistic by the definition: over every case that the null hypothesis makes equally likely. */
function enumerated(observed: number, cases: number[]) {
  const less = cases.filter((value) => value <= observed).length / cases.length;
  const greater = cases.filter((value) => value >= observed).length / cases.length;
  return { 'two-sided': Math.min(1, 2 * Math.min(less, greater)), less, greater };
}

describe('the rank-sum test', () => {
  it('is that of every relabeling, for all samples of up to three values of 1 to 3', () => {
    let compared = 0;
    for (const [n1, n2] of [
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 2],
      [2, 3],
      [3, 3],
    ] as const) {
      for (const all of lists(n1 + n2, 3)) {
        const [a, b] = [all.slice(0, n1), all.slice(n1)];
        const labels = lists(n1 + n2, 2).filter((list) => list.filter((i) => i === 1).length === n1);
        const truth = enumerated(
          wins(a, b),
          labels.map((list) =>
            wins(
              all.filter((_, i) => list[i] === 1),
              all.filter((_, i) => list[i] === 2),
            ),
          ),
        );
        for (const alternative of alternatives) {
          const { u, p, method } = wilcoxonRankSum(a, b, { alternative });
          expect([u, method]).toEqual([wins(a, b), 'exact']);
          expect(p, `${a} and ${b}, ${alternative}`).toBeCloseTo(truth[alternative], 12);
          compared += 1;
        }
      }
    }
    expect(compared).toBe(3 * (3 ** 2 + 3 ** 3 + 2 * 3 ** 4 + 3 ** 5 + 3 ** 6));
  });
});

describe('the signed-rank test', () => {
  it('is that of every sign, for all differences of -3 to 3 in up to four pairs', () => {
    for (const n of [1, 2, 3, 4]) {
      for (const shifted of lists(n, 7)) {
        const differences = shifted.map((value) => value - 4);
        const sizes = differences.map(Math.abs).filter((size) => size > 0);
        const ranks = sizes.map((size) => wins([size], sizes) + 0.5);
        const positive = (signs: boolean[]) => ranks.reduce((sum, rank, i) => sum + (signs[i] ? rank : 0), 0);
        const observed = positive(differences.filter((value) => value !== 0).map((value) => value > 0));
        const truth = enumerated(
          observed,
          lists(sizes.length, 2).map((list) => positive(list.map((i) => i === 1))),
        );
        for (const alternative of alternatives) {
          const { w, p } = wilcoxonSignedRank(
            differences,
            differences.map(() => 0),
            { alternative },
          );
          const other = positive(differences.filter((value) => value !== 0).map((value) => value < 0));
          expect(w).toBe(alternative === 'two-sided' ? Math.min(observed, other) : observed);
          expect(p, `${differences}, ${alternative}`).toBeCloseTo(truth[alternative], 12);
        }
      }
    }
  });
});

describe('both rank tests of up to 80 values', () => {
  const { cases } = JSON.parse(
    readFileSync(new URL('../fixtures/statistics/exact_rank_tests.json', import.meta.url), 'utf8'),
  ) as { cases: { test: 'rankSum' | 'signedRank'; a: number[]; b: number[]; p: number }[] };

  it.each(cases)('$test: p $p is counted out, with ties', ({ test, a, b, p: truth }) => {
    const { p, method } = test === 'rankSum' ? wilcoxonRankSum(a, b) : wilcoxonSignedRank(a, b);
    expect(method).toBe('exact');
    expectClose(p, truth, 1e-12);
  });

  it('are approximated beyond', () => {
    const values = (n: number) => Array.from({ length: n }, (_, i) => i + 0.5);
    expect(wilcoxonRankSum(values(40), values(41)).method).toBe('normal');
    expect(wilcoxonSignedRank(values(81), new Array(81).fill(0)).method).toBe('normal');
  });
});

describe('one-sided rank tests', () => {
  it("are SciPy's permutation tests", () => {
    for (const { a, b, rankSum, signedRank } of recorded.rankTests) {
      for (const alternative of alternatives) {
        expectClose(wilcoxonRankSum(a, b, { alternative }).p, rankSum[alternative], 1e-12);
        const truth = signedRank?.[alternative];
        if (truth !== undefined) expectClose(wilcoxonSignedRank(a, b, { alternative }).p, truth, 1e-12);
      }
    }
  });

  it('by the normal approximation are half the two-sided, on the side of the difference', () => {
    const a = Array.from({ length: 90 }, (_, i) => i + 4.25);
    const b = Array.from({ length: 90 }, (_, i) => i * 1.08);
    for (const test of [wilcoxonRankSum, wilcoxonSignedRank]) {
      const two = test(a, b);
      const greater = test(a, b, { alternative: 'greater' }).p;
      expect(two.method).toBe('normal');
      expect(greater).toBeCloseTo(two.p / 2, 12);
      expect(test(b, a, { alternative: 'less' }).p).toBeCloseTo(greater, 12);
      expect(test(a, b, { alternative: 'less' }).p).toBeGreaterThan(1 - greater);
    }
  });

  it('refuse an alternative that there is not', () => {
    const wrong = { alternative: 'more' } as unknown as { alternative: 'less' };
    expect(thrownBy(() => wilcoxonRankSum([1], [2], wrong))).toMatch(
      /^INVALID_ARGUMENT: .*alternative.*"more"/,
    );
    expect(thrownBy(() => wilcoxonSignedRank([1], [2], wrong))).toMatch(/^INVALID_ARGUMENT: .*alternative/);
  });
});
