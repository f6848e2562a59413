import type { LossOptions } from '../../options/loss.js';

/** log Σ exp of a row, the largest taken out. */
function logSumExp(values: Float64Array, from: number, count: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < count; k++) most = Math.max(most, values[from + k]!);
  let sum = 0;
  for (let k = 0; k < count; k++) sum += Math.exp(values[from + k]! - most);
  return most + Math.log(sum);
}

/** Softmax of each row of logits [n, classes]. */
export function probabilitiesOf(logits: Float64Array, classes: number): Float64Array {
  const found = new Float64Array(logits.length);
  for (let from = 0; from < logits.length; from += classes) {
    const norm = logSumExp(logits, from, classes);
    for (let k = 0; k < classes; k++) found[from + k] = Math.exp(logits[from + k]! - norm);
  }
  return found;
}

/**
 * The loss of a validation in bits per example, one pass: `loss` smoothed and weighted as training is, `nll` neither.
 *
 * @param logits [n, classes] row-major
 * @param expected class of each row
 */
export function classLosses(
  logits: Float64Array,
  expected: Int32Array,
  classes: number,
  { labelSmoothing = 0, smoothing = 'dropreg', classWeights }: LossOptions,
): { loss: number; nll: number } {
  // Spread over all classes, of which the right one is one: as the native loss takes it.
  const epsilon = smoothing === 'fairseq' ? (labelSmoothing * classes) / (classes - 1) : labelSmoothing;
  const sums = { loss: 0, nll: 0 };
  for (const [row, right] of expected.entries()) {
    const from = classes * row;
    const norm = logSumExp(logits, from, classes);
    let all = 0;
    for (let k = 0; k < classes; k++) all += norm - logits[from + k]!;
    const nll = norm - logits[from + right]!;
    sums.nll += nll;
    sums.loss += (classWeights?.[right] ?? 1) * ((1 - epsilon) * nll + (epsilon / classes) * all);
  }
  const by = expected.length * Math.LN2;
  return { loss: sums.loss / by, nll: sums.nll / by };
}
