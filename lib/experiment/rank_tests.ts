import { checkedNumbers, invalidNumbers } from './numbers.js';

/**
 * Wilcoxon's two rank tests, two-sided. Tied values share the mean of their ranks (mid-ranks).
 *
 * Up to `largestExact` values the distribution over every relabelling (rank-sum) or every sign (signed-rank) of the mid-ranks
 * at hand is counted out, ties included, which no table of untied ranks does; the p value is twice the smaller tail, at
 * most 1, as scipy.stats.permutation_test has it. Beyond that, the normal approximation with the corrections for ties and
 * for continuity.
 */
export type RankTestMethod = 'exact' | 'normal';

/** Up to here the number of relabellings, C(50, 25) or 2^50, and so every count, is a whole number below 2^53. */
export const largestExact = 50;

export interface RankSumResult {
  /** Mann-Whitney U of the first sample: the pairs in which its value is larger, ties counted half. */
  u: number;
  p: number;
  method: RankTestMethod;
}

export interface SignedRankResult {
  /** The smaller of the rank sums of positive and of negative differences (scipy's two-sided statistic). */
  w: number;
  p: number;
  method: RankTestMethod;
}

/**
 * Wilcoxon's rank-sum test (Mann-Whitney U) of two independent samples. The p = 0.10 of the paper's table 1 is this test.
 *
 * @throws RdropError INVALID_ARGUMENT (an empty sample, not a number), NON_FINITE.
 */
export function wilcoxonRankSum(a: readonly number[], b: readonly number[]): RankSumResult {
  checkedNumbers(a, 'wilcoxonRankSum: a');
  checkedNumbers(b, 'wilcoxonRankSum: b');
  const { doubledRanks, tieTerm } = midRanks([...a, ...b]);
  const n1 = a.length;
  const n2 = b.length;
  const n = n1 + n2;
  const observed = sum(doubledRanks.slice(0, n1));
  const u = observed / 2 - (n1 * (n1 + 1)) / 2;
  if (n <= largestExact) {
    return { u, p: twoSided(subsetSums(doubledRanks, n1), observed), method: 'exact' };
  }
  const variance = ((n1 * n2) / 12) * (n + 1 - tieTerm / (n * (n - 1)));
  return { u, p: normalP(u - (n1 * n2) / 2, variance), method: 'normal' };
}

/**
 * Wilcoxon's signed-rank test of pairs a[i], b[i]. Pairs without a difference are left out (Wilcoxon's own rule); without
 * any other pair p is 1. Differences closer than 1e-12 of the largest value are one: 37.34 - 37.19 and 0.15 are not equal
 * in binary.
 *
 * @throws RdropError INVALID_ARGUMENT (an empty sample, unequal lengths, not a number), NON_FINITE.
 */
export function wilcoxonSignedRank(a: readonly number[], b: readonly number[]): SignedRankResult {
  checkedNumbers(a, 'wilcoxonSignedRank: a');
  checkedNumbers(b, 'wilcoxonSignedRank: b');
  if (a.length !== b.length) {
    throw invalidNumbers(
      'wilcoxonSignedRank: b',
      `as many numbers as a has (${a.length}), since they are pairs`,
      b,
    );
  }
  const grain = Math.max(...a.map(Math.abs), ...b.map(Math.abs)) * 1e-12;
  const differences = a
    .map((value, i) => (grain > 0 ? Math.round((value - (b[i] as number)) / grain) : 0))
    .filter((difference) => difference !== 0);
  const n = differences.length;
  const { doubledRanks, tieTerm } = midRanks(differences.map(Math.abs), 1);
  const observed = sum(doubledRanks.filter((_, i) => (differences[i] as number) > 0));
  const total = n * (n + 1);
  const w = Math.min(observed, total - observed) / 2;
  if (n <= largestExact) return { w, p: twoSided(signedSums(doubledRanks), observed), method: 'exact' };
  const variance = (total * (2 * n + 1)) / 24 - tieTerm / 48;
  return { w, p: normalP((observed - total / 2) / 2, variance), method: 'normal' };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Twice the mid-ranks (whole numbers), in the order of the values; Σ t³ - t over groups of t values within `grain`. */
function midRanks(values: readonly number[], grain = 0): { doubledRanks: number[]; tieTerm: number } {
  const order = values.map((_, i) => i).sort((i, j) => (values[i] as number) - (values[j] as number));
  const at = (position: number) => values[order[position] as number] as number;
  const doubledRanks = new Array<number>(values.length).fill(0);
  let tieTerm = 0;
  for (let first = 0, next = 0; first < order.length; first = next) {
    while (next < order.length && at(next) - at(first) <= grain) next++;
    for (let position = first; position < next; position++) {
      doubledRanks[order[position] as number] = first + next + 1;
    }
    const tied = next - first;
    tieTerm += tied ** 3 - tied;
  }
  return { doubledRanks, tieTerm };
}

/** ways[s]: the subsets of `size` of the numbers that add up to s. */
function subsetSums(numbers: readonly number[], size: number): Float64Array {
  const length = sum(numbers) + 1;
  const ways = Array.from({ length: size + 1 }, () => new Float64Array(length));
  (ways[0] as Float64Array)[0] = 1;
  for (const number of numbers) {
    for (let chosen = size; chosen > 0; chosen--) {
      const from = ways[chosen - 1] as Float64Array;
      const to = ways[chosen] as Float64Array;
      for (let s = length - 1; s >= number; s--) {
        to[s] = (to[s] as number) + (from[s - number] as number);
      }
    }
  }
  return ways[size] as Float64Array;
}

/** ways[s]: the subsets of the numbers, of any size, that add up to s. */
function signedSums(numbers: readonly number[]): Float64Array {
  const ways = new Float64Array(sum(numbers) + 1);
  ways[0] = 1;
  for (const number of numbers) {
    for (let s = ways.length - 1; s >= number; s--) {
      ways[s] = (ways[s] as number) + (ways[s - number] as number);
    }
  }
  return ways;
}

function twoSided(ways: Float64Array, observed: number): number {
  let below = 0;
  let above = 0;
  let all = 0;
  ways.forEach((count, s) => {
    all += count;
    if (s <= observed) below += count;
    if (s >= observed) above += count;
  });
  return Math.min(1, (2 * Math.min(below, above)) / all);
}

function normalP(deviation: number, variance: number): number {
  if (!(variance > 0)) return 1;
  const z = Math.max(0, Math.abs(deviation) - 0.5) / Math.sqrt(variance);
  return Math.min(1, complementaryError(z / Math.SQRT2));
}

/** erfc for x ≥ 0: the Taylor series of erf where it does not cancel, else the continued fraction (Abramowitz 7.1.6, 7.1.14). */
function complementaryError(x: number): number {
  if (x < 2.5) {
    let term = x;
    let series = x;
    for (let n = 1; term > series * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      series += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * series;
  }
  let fraction = x;
  for (let n = 80; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
