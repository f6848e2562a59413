import { parseConfig } from '../options/schema/parse.js';
import { type RankTestOptions, rankTestSchema } from '../options/statistics.js';
import { checkedNumbers, checkedPairs } from './numbers.js';
import { exactP, normalP, signedSums, subsetSums, sum } from './rank_distributions.js';

/**
 * Wilcoxon's two rank tests, two-sided unless asked otherwise. Tied values share the mean of their ranks (mid-ranks).
 *
 * Up to `largestExact` values the distribution over every relabeling (rank-sum) or every sign (signed-rank) of the mid-ranks
 * at hand is counted out, ties included, which no table of untied ranks does; the two-sided p value is twice the smaller tail,
 * at most 1, as scipy.stats.permutation_test has it. Beyond that, the normal approximation with the corrections for ties and
 * for continuity.
 */
export type RankTestMethod = 'exact' | 'normal';

/**
 * Up to here the distribution is counted out, within some 50 ms. Up to 50 values every count, at most C(50, 25) or 2^50, is a whole
 * number below 2^53; beyond, a count is a sum of positive doubles, exact to 1e-14 of itself.
 */
export const largestExact = 80;

export interface RankSumResult {
  /** Mann-Whitney U of the first sample: the pairs in which its value is larger, ties counted half. */
  u: number;
  p: number;
  method: RankTestMethod;
}

export interface SignedRankResult {
  /** The smaller of the rank sums of positive and of negative differences; one-sided, that of the positive ones (as in scipy). */
  w: number;
  p: number;
  method: RankTestMethod;
}

/**
 * Wilcoxon's rank-sum test (Mann-Whitney U) of two independent samples. The p = 0.10 of the paper's table 1 is this test.
 *
 * @param options alternative 'two-sided'; 'greater': a tends to be larger than b; 'less': smaller.
 * @throws RdropError INVALID_ARGUMENT (an empty sample, not a number), NON_FINITE.
 */
export function wilcoxonRankSum(
  a: readonly number[],
  b: readonly number[],
  options: RankTestOptions = {},
): RankSumResult {
  const { alternative } = parseConfig(rankTestSchema, options, 'wilcoxonRankSum', 'INVALID_ARGUMENT');
  checkedNumbers(a, 'wilcoxonRankSum: a');
  checkedNumbers(b, 'wilcoxonRankSum: b');
  const { doubledRanks, tieTerm } = midRanks([...a, ...b]);
  const n1 = a.length;
  const n2 = b.length;
  const n = n1 + n2;
  const observed = sum(doubledRanks.slice(0, n1));
  const u = observed / 2 - (n1 * (n1 + 1)) / 2;
  if (n <= largestExact) {
    return { u, p: exactP(subsetSums(doubledRanks, n1), observed, alternative), method: 'exact' };
  }
  const variance = ((n1 * n2) / 12) * (n + 1 - tieTerm / (n * (n - 1)));
  return { u, p: normalP(u - (n1 * n2) / 2, variance, alternative), method: 'normal' };
}

/**
 * Wilcoxon's signed-rank test of pairs a[i], b[i]. Pairs without a difference are left out (Wilcoxon's own rule); without
 * any other pair p is 1. Differences closer than 1e-12 of the largest value are one: 37.34 - 37.19 and 0.15 are not equal
 * in binary.
 *
 * @param options alternative 'two-sided'; 'greater': a tends to be larger than b; 'less': smaller.
 * @throws RdropError INVALID_ARGUMENT (an empty sample, unequal lengths, not a number), NON_FINITE.
 */
export function wilcoxonSignedRank(
  a: readonly number[],
  b: readonly number[],
  options: RankTestOptions = {},
): SignedRankResult {
  const { alternative } = parseConfig(rankTestSchema, options, 'wilcoxonSignedRank', 'INVALID_ARGUMENT');
  const { differences: exact, grain } = checkedPairs(a, b, 'wilcoxonSignedRank');
  const differences = exact
    .map((difference) => (grain > 0 ? Math.round(difference / grain) : 0))
    .filter((difference) => difference !== 0);
  const n = differences.length;
  const { doubledRanks, tieTerm } = midRanks(differences.map(Math.abs), 1);
  const observed = sum(doubledRanks.filter((_, i) => (differences[i] as number) > 0));
  const total = n * (n + 1);
  const w = (alternative === 'two-sided' ? Math.min(observed, total - observed) : observed) / 2;
  if (n <= largestExact) {
    return { w, p: exactP(signedSums(doubledRanks), observed, alternative), method: 'exact' };
  }
  const variance = (total * (2 * n + 1)) / 24 - tieTerm / 48;
  return { w, p: normalP((observed - total / 2) / 2, variance, alternative), method: 'normal' };
}

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
