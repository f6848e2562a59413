import { parseConfig } from '../options/schema/parse.js';
import { type BootstrapOptions, bootstrapSchema } from '../options/statistics.js';
import type { YieldTimer } from '../util/async/yield_timer.js';
import { randomUnit } from '../util/random/uniform_random.js';
import { checkedNumbers } from './numbers.js';

export interface BootstrapInterval {
  /** Null when a sample has fewer than two values: there is nothing to resample. */
  low: number | null;
  high: number | null;
  level: number;
}

/**
 * Percentile bootstrap of mean(a) - mean(b): both samples are redrawn with replacement, independently of each other. The same
 * seed gives the same interval. With three runs per condition there are only 27 × 27 redrawings and the interval is rather too
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
  const bootstrap = bootstrapOf(a, b, options);
  for (;;) {
    const { value, done } = bootstrap.next();
    if (done) return value;
  }
}

/**
 * bootstrapDifference() a few milliseconds at a time, so that the event loop stays free.
 *
 * @throws RdropError ABORTED besides
 */
export async function bootstrapYielding(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions,
  breaks: YieldTimer,
): Promise<BootstrapInterval> {
  const bootstrap = bootstrapOf(a, b, options);
  for (;;) {
    const { value, done } = bootstrap.next();
    if (done) return value;
    if (breaks.due()) await breaks.take();
  }
}

/** Values that are drawn between two chances of a break: a fraction of a millisecond. */
const drawnAtOnce = 20_000;

function* bootstrapOf(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions,
): Generator<void, BootstrapInterval> {
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
  const every = Math.ceil(drawnAtOnce / (a.length + b.length));
  for (let i = 0; i < samples; i++) {
    differences[i] = redrawnMean(a, random) - redrawnMean(b, random);
    if (i % every === 0) yield;
  }
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
