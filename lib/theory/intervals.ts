import { setImmediate } from 'node:timers/promises';
import { studentUpperQuantile } from '../statistics/distributions.js';
import { throwIfAborted } from '../util/async/yield_timer.js';

/** A mean over mask pairs with its t interval. */
export interface MeanEstimate {
  mean: number;
  low: number;
  high: number;
  /** Of a single value. */
  standardDeviation: number;
}

/** Mean, sample standard deviation and the t interval with n - 1 degrees of freedom, n ≥ 2. */
export function meanEstimate(values: readonly number[], level: number): MeanEstimate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardDeviation = Math.sqrt(squares / (n - 1));
  const half = (studentUpperQuantile((1 - level) / 2, n - 1) * standardDeviation) / Math.sqrt(n);
  return { mean, low: mean - half, high: mean + half, standardDeviation };
}

export interface RatioEstimate {
  /** Null where the denominator is 0: what no mask reaches does not vary. */
  ratio: number | null;
  low: number | null;
  high: number | null;
}

/**
 * The ratio of two means over the same draws, with an interval: delete-one jackknife of the logarithm of the ratio, and
 * Student's t with n - 1 degrees of freedom (Miller 1974).
 */
export function ratioEstimate(
  numerators: readonly number[],
  denominators: readonly number[],
  level: number,
): RatioEstimate {
  const n = numerators.length;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const [above, below] = [sum(numerators), sum(denominators)];
  if (!(above > 0 && below > 0)) return { ratio: null, low: null, high: null };
  const without = numerators.map((value, i) => Math.log((above - value) / (below - denominators[i]!)));
  const center = sum(without) / n;
  const error = Math.sqrt(((n - 1) / n) * sum(without.map((value) => (value - center) ** 2)));
  const half = studentUpperQuantile((1 - level) / 2, n - 1) * error;
  const ratio = above / below;
  // One draw that holds everything leaves nothing to divide when it is left out.
  if (!Number.isFinite(half)) return { ratio, low: null, high: null };
  return { ratio, low: ratio * Math.exp(-half), high: ratio * Math.exp(half) };
}

/**
 * Two-sided randomization test of "each difference is as likely as its negative": the share of random signs under which
 * |Σ ±d| is at least the |Σ d| found. The signs found count as one drawing more, so p is valid for any number of them.
 *
 * @throws RdropError ABORTED
 */
export async function signFlipP(
  differences: readonly number[],
  { samples, seed, signal }: { samples: number; seed: number; signal?: AbortSignal | undefined },
): Promise<number> {
  const values = Float64Array.from(differences);
  const found = Math.abs(values.reduce((sum, value) => sum + value, 0));
  // Sums in another order differ in their last bits: equal ones must count as equal.
  const least = found - 1e-12 * values.reduce((sum, value) => sum + Math.abs(value), 0);
  const bits = randomBits(seed);
  let reached = 1;
  let sincePause = 0;
  for (let k = 0; k < samples; k++) {
    let total = 0;
    let word = 0;
    for (let i = 0; i < values.length; i++) {
      if ((i & 31) === 0) word = bits();
      total += word & 1 ? values[i]! : -values[i]!;
      word >>>= 1;
    }
    if (Math.abs(total) >= least) reached++;
    sincePause += values.length;
    if (sincePause > 1 << 20) {
      sincePause = 0;
      await setImmediate();
      throwIfAborted(signal, 'the randomization test');
    }
  }
  return reached / (samples + 1);
}

/** Words of 32 random bits by splitmix32's mixing of a counter that begins at the seed. */
function randomBits(seed: number): () => number {
  let state = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}
