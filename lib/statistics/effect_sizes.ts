import { parseConfig } from '../options/schema/parse.js';
import { type IntervalOptions, intervalSchema } from '../options/statistics.js';
import { logGamma, noncentrality } from './distributions.js';
import { checkedNumbers, checkedPairs, mean, squaredDeviations } from './numbers.js';

/**
 * Standardized differences of means: how far two conditions lie apart, in standard deviations of a run.
 *
 * The interval is that of the true standardized difference δ, exact for normal runs: the values of δ under which the t
 * statistic at hand is neither in the upper nor in the lower tail of its noncentral t distribution (Steiger and Fouladi, 1997). It
 * belongs to d and to g alike, which estimate the same δ. (R's effectsize multiplies the ends by g's correction as
 * well; those are no longer the ends of an exact interval.)
 */
export interface EffectSize {
  /** Cohen's d. Null, as every statistic here, where there is no spread to measure by. */
  d: number | null;
  /** Hedges' g: d times hedgesCorrection(degrees of freedom). Null with a single degree of freedom as well. */
  g: number | null;
  low: number | null;
  high: number | null;
  level: number;
}

/**
 * Cohen's d of two independent samples: the difference of means over the pooled sample standard deviation,
 * √(((n₁-1)s₁² + (n₂-1)s₂²) / (n₁+n₂-2)). 1.489 on the paper's table. Null where it is not defined: one value a sample, or no
 * spread in either.
 *
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function cohensD(a: readonly number[], b: readonly number[]): number | null {
  checkedNumbers(a, 'cohensD: a');
  checkedNumbers(b, 'cohensD: b');
  const degreesOfFreedom = a.length + b.length - 2;
  const constant = [a, b].every((values) => values.every((value) => value === values[0]));
  if (degreesOfFreedom === 0 || constant) return null;
  return ratio(mean(a) - mean(b), (squaredDeviations(a) + squaredDeviations(b)) / degreesOfFreedom);
}

/**
 * Hedges' g of two independent samples: Cohen's d without its bias, which with three runs per condition makes it a quarter too large.
 *
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function hedgesG(a: readonly number[], b: readonly number[]): number | null {
  const d = cohensD(a, b);
  return d === null ? null : d * hedgesCorrection(a.length + b.length - 2);
}

/**
 * J(m) = Γ(m/2) / (√(m/2) Γ((m-1)/2)), by which d must be multiplied to be unbiased; not its approximation 1 - 3/(4m - 1). From
 * L. Hedges, Distribution theory for Glass's estimator of effect size, Journal of Educational Statistics 6 (1981).
 *
 * @param degreesOfFreedom m, at least 2: the mean of d is not finite with less.
 */
export function hedgesCorrection(degreesOfFreedom: number): number {
  return (
    Math.exp(logGamma(degreesOfFreedom / 2) - logGamma((degreesOfFreedom - 1) / 2)) /
    Math.sqrt(degreesOfFreedom / 2)
  );
}

/**
 * Cohen's d and Hedges' g of two independent samples with the exact interval of δ.
 *
 * @param options level 0.95.
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function effectSize(
  a: readonly number[],
  b: readonly number[],
  options: IntervalOptions = {},
): EffectSize {
  const { level } = parseConfig(intervalSchema, options, 'effectSize', 'INVALID_ARGUMENT');
  const d = cohensD(a, b);
  return estimate(d, a.length + b.length - 2, Math.sqrt(1 / a.length + 1 / b.length), level);
}

/**
 * The same for pairs a[i], b[i], such as runs of equal seed: the mean of the differences over their sample standard deviation,
 * known as d_z, and g_z. Where the runs of a pair rise and fall together it is larger than the d of independent samples; the
 * two are not to be compared.
 *
 * @param options level 0.95.
 * @returns null statistics for a single pair, or when all differences are equal (to 1e-12 of the largest value).
 * @throws RdropError INVALID_ARGUMENT (unequal lengths as well), NON_FINITE
 */
export function pairedEffectSize(
  a: readonly number[],
  b: readonly number[],
  options: IntervalOptions = {},
): EffectSize {
  const { level } = parseConfig(intervalSchema, options, 'pairedEffectSize', 'INVALID_ARGUMENT');
  const { differences, grain } = checkedPairs(a, b, 'pairedEffectSize');
  const least = differences.reduce((a, b) => Math.min(a, b));
  const most = differences.reduce((a, b) => Math.max(a, b));
  const constant = most - least <= grain;
  const degreesOfFreedom = differences.length - 1;
  const d =
    degreesOfFreedom === 0 || constant
      ? null
      : ratio(mean(differences), squaredDeviations(differences) / degreesOfFreedom);
  return estimate(d, degreesOfFreedom, 1 / Math.sqrt(differences.length), level);
}

/** Null where squares of the values overflow or vanish. */
function ratio(difference: number, variance: number): number | null {
  const value = difference / Math.sqrt(variance);
  return Number.isFinite(value) ? value : null;
}

/** @param scale d over its t statistic. */
function estimate(d: number | null, degreesOfFreedom: number, scale: number, level: number): EffectSize {
  if (d === null) return { d, g: null, low: null, high: null, level };
  const end = (p: number) => noncentrality(d / scale, degreesOfFreedom, p) * scale;
  return {
    d,
    g: degreesOfFreedom > 1 ? d * hedgesCorrection(degreesOfFreedom) : null,
    low: end((1 + level) / 2),
    high: end((1 - level) / 2),
    level,
  };
}
