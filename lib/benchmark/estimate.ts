/** What a sample of batches says of a whole epoch. */

import { studentUpperQuantile } from '../statistics/distributions.js';
import { mean } from '../statistics/numbers.js';
import { RdropError } from '../util/errors.js';

export interface TotalEstimate {
  total: number;
  /** The 95 % interval of the total. */
  low: number;
  high: number;
}

/**
 * The regression estimator of a total (Cochran, Sampling Techniques, 7.1-7.3): what a unit takes is nearly linear in its size, and
 * the sizes of all units are known. The interval takes the sample for a simple random one; a systematic sample by size, which
 * sampleBatches() draws, has no more variance than that about the line.
 *
 * @param sizes of the sampled units, at least three that are not all equal
 * @param values of the same units
 * @param allSizes of every unit
 * @throws RdropError BENCHMARK_FAILED with fewer or equal units
 */
export function regressionTotal(
  sizes: readonly number[],
  values: readonly number[],
  allSizes: readonly number[],
): TotalEstimate {
  const n = sizes.length;
  const all = allSizes.length;
  const [x, y] = [mean(sizes), mean(values)];
  const spread = sizes.reduce((sum, size) => sum + (size - x) ** 2, 0);
  if (n < 3 || spread === 0) {
    throw new RdropError(
      'BENCHMARK_FAILED',
      `an epoch from a sample: expected at least three batches that differ in size, got the sizes ${sizes.join(', ')}`,
    );
  }
  const slope = sizes.reduce((sum, size, i) => sum + (size - x) * (values[i]! - y), 0) / spread;
  const total = all * (y + slope * (mean(allSizes) - x));
  const residuals = sizes.reduce((sum, size, i) => sum + (values[i]! - y - slope * (size - x)) ** 2, 0);
  const error = all * Math.sqrt(((1 - n / all) * residuals) / (n - 2) / n);
  const reach = error === 0 ? 0 : error * studentUpperQuantile(0.025, n - 2);
  return { total, low: total - reach, high: total + reach };
}
