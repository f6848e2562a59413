import { RdropError } from '../util/errors.js';
import { checkSameLength, type TaskScore } from './task_score.js';

/**
 * Pearson's correlation of two lists, equal to scipy.stats.pearsonr: NaN where one of them is constant.
 *
 * @throws RdropError INVALID_ARGUMENT (fewer than two items), LINE_COUNT_MISMATCH, NON_FINITE (names the item)
 */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkNumbers(a, b, 'pearson');
  return correlation(Float64Array.from(a), Float64Array.from(b));
}

/**
 * Spearman's rank correlation, equal to scipy.stats.spearmanr: equal values share the mean of their ranks; NaN where one list is
 * constant.
 *
 * @throws RdropError as pearson()
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkNumbers(a, b, 'spearman');
  return correlation(ranks(a), ranks(b));
}

/**
 * pearson, spearman and mse (mean squared error) of predicted values.
 *
 * @throws RdropError INVALID_ARGUMENT (fewer than two items), LINE_COUNT_MISMATCH, NON_FINITE (names the item)
 */
export function regressionScores(predicted: ArrayLike<number>, expected: ArrayLike<number>): TaskScore[] {
  checkNumbers(predicted, expected, 'regressionScores');
  const described = `examples:${expected.length}`;
  return [
    { name: 'pearson', score: pearson(predicted, expected), signature: described },
    { name: 'spearman', score: spearman(predicted, expected), signature: `${described}|ties:average` },
    { name: 'mse', score: meanSquaredError(predicted, expected), signature: described },
  ];
}

function checkNumbers(a: ArrayLike<number>, b: ArrayLike<number>, what: string): void {
  checkSameLength(a, b, what);
  if (a.length < 2)
    throw new RdropError('INVALID_ARGUMENT', `${what}: expected at least two items, got ${a.length}`);
  for (const [name, list] of [['predicted', a] as const, ['expected', b] as const]) {
    for (let i = 0; i < list.length; i++) {
      if (Number.isFinite(list[i])) continue;
      throw new RdropError('NON_FINITE', `${what}: ${name}[${i}]: expected a finite number, got ${list[i]}`);
    }
  }
}

function meanSquaredError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}

/** As scipy: centered, each scaled by its own norm before the product, so that no square overflows. */
function correlation(a: Float64Array, b: Float64Array): number {
  const [x, y] = [direction(a), direction(b)];
  if (x === null || y === null) return Number.NaN;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return Math.max(-1, Math.min(1, sum));
}

/** The values minus their mean, of length 1; null where all are equal. */
function direction(values: Float64Array): Float64Array | null {
  if (values.every((value) => value === values[0])) return null;
  // Halves of large numbers: their differences would overflow.
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scaled = largest > 1e300 ? values.map((value) => value / 2 ** 30) : values;
  const mean = sumOf(scaled) / scaled.length;
  const centered = scaled.map((value) => value - mean);
  const most = centered.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (most === 0) return null;
  const unit = centered.map((value) => value / most);
  const norm = Math.sqrt(unit.reduce((sum, value) => sum + value * value, 0));
  return unit.map((value) => value / norm);
}

/** With the rounding errors of each addition (Neumaier 1974): values may be close to each other and far from 0. */
function sumOf(values: Float64Array): number {
  let sum = 0;
  let lost = 0;
  for (const value of values) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Int32Array.from({ length: values.length }, (_, i) => i).sort(
    (a, b) => values[a]! - values[b]!,
  );
  const result = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let k = start; k < end; k++) result[order[k]!] = (start + end + 1) / 2;
    start = end;
  }
  return result;
}
