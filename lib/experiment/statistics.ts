import { type BootstrapOptions, bootstrapSchema, parseConfig } from '../config.js';
import { checkedNumbers } from './numbers.js';
import {
  type RankSumResult,
  type SignedRankResult,
  wilcoxonRankSum,
  wilcoxonSignedRank,
} from './rank_tests.js';

export { type RankSumResult, type SignedRankResult, wilcoxonRankSum, wilcoxonSignedRank };

/**
 * Statistics over the runs of two arms: a and b hold one figure a run (test BLEU), paired by position (seed) where a
 * test needs pairs. A figure that is not defined for the data is null, never NaN, so that it survives JSON.
 */

export interface BootstrapInterval {
  /** Null when a sample has fewer than two values: there is nothing to resample. */
  low: number | null;
  high: number | null;
  level: number;
}

export interface RunComparison {
  meanDifference: number;
  cohensD: number | null;
  rankSum: RankSumResult;
  /** Null when the samples differ in size and so hold no pairs. */
  signedRank: SignedRankResult | null;
  bootstrap: BootstrapInterval;
}

const mean = (values: readonly number[]) => values.reduce((total, value) => total + value, 0) / values.length;

/** mean(a) - mean(b). @throws RdropError INVALID_ARGUMENT, NON_FINITE */
export function meanDifference(a: readonly number[], b: readonly number[]): number {
  checkedNumbers(a, 'meanDifference: a');
  checkedNumbers(b, 'meanDifference: b');
  return mean(a) - mean(b);
}

/**
 * Cohen's d: the difference of means over the pooled sample standard deviation, √(((n₁-1)s₁² + (n₂-1)s₂²) / (n₁+n₂-2)).
 * 1.489 on the paper's table. Null where it is not defined: one value a sample, or no spread in either.
 *
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function cohensD(a: readonly number[], b: readonly number[]): number | null {
  checkedNumbers(a, 'cohensD: a');
  checkedNumbers(b, 'cohensD: b');
  const freedom = a.length + b.length - 2;
  const constant = [a, b].every((values) => values.every((value) => value === values[0]));
  if (freedom === 0 || constant) return null;
  return (mean(a) - mean(b)) / Math.sqrt((squaredDeviations(a) + squaredDeviations(b)) / freedom);
}

function squaredDeviations(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((total, value) => total + (value - centre) ** 2, 0);
}

/**
 * Percentile bootstrap of mean(a) - mean(b): both samples are redrawn with replacement, independently of each other. The same
 * seed gives the same interval. With three runs an arm there are only 27 × 27 redrawings and the interval is rather too
 * narrow; it describes the runs at hand.
 *
 * @param options samples 10,000, level 0.95, seed 1.
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function bootstrapDifference(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): BootstrapInterval {
  checkedNumbers(a, 'bootstrapDifference: a');
  checkedNumbers(b, 'bootstrapDifference: b');
  const { samples, level, seed } = parseConfig(
    bootstrapSchema,
    options,
    'bootstrapDifference',
    'INVALID_ARGUMENT',
  );
  if (a.length < 2 || b.length < 2) return { low: null, high: null, level };
  const random = randomUnit(seed);
  const differences = new Float64Array(samples);
  for (let i = 0; i < samples; i++) differences[i] = redrawnMean(a, random) - redrawnMean(b, random);
  differences.sort();
  return { low: quantile(differences, (1 - level) / 2), high: quantile(differences, (1 + level) / 2), level };
}

function redrawnMean(values: readonly number[], random: () => number): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[Math.floor(random() * values.length)] as number;
  return total / values.length;
}

/** Linear interpolation between order statistics, numpy's default. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const low = sorted[Math.floor(position)] as number;
  const high = sorted[Math.ceil(position)] as number;
  return low + (high - low) * (position - Math.floor(position));
}

/** Uniform numbers in [0, 1) with 32 bits, by sfc32 (Doty-Humphrey's small fast counting generator). */
function randomUnit(seed: number): () => number {
  let a = 0;
  let b = seed >>> 0;
  let c = Math.floor(seed / 2 ** 32);
  let counter = 1;
  const next = () => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return (result >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}

/**
 * Every figure of this file for two arms. Both rank tests are there because the paper calls its p = 0.10 the signed-rank
 * test while it is the rank-sum test (U = 9, 2 of 20 relabellings); the signed-rank test of its numbers gives 0.25.
 *
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function compareRuns(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): RunComparison {
  return {
    meanDifference: meanDifference(a, b),
    cohensD: cohensD(a, b),
    rankSum: wilcoxonRankSum(a, b),
    signedRank: a.length === b.length ? wilcoxonSignedRank(a, b) : null,
    bootstrap: bootstrapDifference(a, b, options),
  };
}

/** The figures in words, one a line, saying which test is which. */
export function comparisonLines(comparison: RunComparison): string[] {
  const { rankSum, signedRank, bootstrap } = comparison;
  const method = { exact: 'exact', normal: 'normal approximation' };
  const percent = `${Number((bootstrap.level * 100).toFixed(6))} %`;
  const d = comparison.cohensD;
  return [
    `difference of means (a - b): ${comparison.meanDifference.toFixed(4)}`,
    `Cohen's d (pooled sample standard deviation): ${d === null ? 'not defined: no spread' : d.toFixed(3)}`,
    `Wilcoxon rank-sum test (Mann-Whitney; two-sided, ${method[rankSum.method]}): ` +
      `U = ${rankSum.u}, p = ${formatP(rankSum.p)}; this is the test behind the p that the paper calls signed-rank`,
    signedRank === null
      ? 'Wilcoxon signed-rank test: not defined, the arms differ in their number of runs and so hold no pairs'
      : `Wilcoxon signed-rank test (paired; two-sided, ${method[signedRank.method]}): ` +
        `W = ${signedRank.w}, p = ${formatP(signedRank.p)}; the paper names this test but reports the other`,
    bootstrap.low === null || bootstrap.high === null
      ? `${percent} bootstrap interval of the difference: not defined, an arm has a single run`
      : `${percent} bootstrap interval of the difference: ${bootstrap.low.toFixed(4)} to ${bootstrap.high.toFixed(4)}`,
  ];
}

/** A p value with three decimals, or in powers of ten where those would be zeros. */
export function formatP(p: number): string {
  return p < 0.001 ? p.toExponential(1) : p.toFixed(3);
}
