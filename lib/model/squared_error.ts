import { native } from '../native/binding.js';
import { type SquaredErrorOptions, squaredErrorOptionsSchema } from '../options/loss.js';
import { describe, parseConfig } from '../options/schema/parse.js';
import { fromNative, RdropError } from '../util/errors.js';

/** Sums over the N values; `gradient`, of the predictions' length, is that of `loss`, undivided. */
export interface SquaredErrorResult<Numbers extends Float32Array | Float64Array> {
  loss: number;
  /** Σ of the squared errors of the passes. */
  squaredError: number;
  /** Σ of the squared differences between the passes, without α. */
  difference: number;
  /** N */
  values: number;
  gradient: Numbers;
}

/**
 * R-Drop for regression with its gradient (dropreg's STS-B): the squared error of both passes and α times the squared difference
 * between them, Σ (p1-y)² + (p2-y)² + α·(p1-p2)².
 *
 * @param predictions [P·N] for P passes: first those of pass 1. Copied at the call and never changed.
 * @param values [N] what they should be
 * @throws RdropError INVALID_ARGUMENT (sizes, types, options), NON_FINITE (a prediction or value that is NaN or infinite, with
 * its position), and those of `native()`
 */
export async function squaredErrorLoss<Numbers extends Float32Array | Float64Array>(
  predictions: Numbers,
  values: Float64Array,
  options: SquaredErrorOptions,
): Promise<SquaredErrorResult<Numbers>> {
  const { passes, ...rest } = parseConfig(squaredErrorOptionsSchema, options, 'options', 'INVALID_ARGUMENT');
  if (!(predictions instanceof Float32Array || predictions instanceof Float64Array)) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `predictions: expected a Float32Array or Float64Array, got ${describe(predictions)}`,
    );
  }
  if (!(values instanceof Float64Array)) {
    throw new RdropError('INVALID_ARGUMENT', `values: expected a Float64Array, got ${describe(values)}`);
  }
  if ((predictions as Float32Array | Float64Array).length !== passes * values.length) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `predictions: expected ${passes} × ${values.length} values = ${passes * values.length} numbers, got ${(predictions as Float64Array).length}`,
    );
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RdropError('NON_FINITE', `values[${bad}]: expected a finite number, got ${values[bad]}`);
  }
  const loss = { ...rest, passes, direction: 'uni', labelSmoothing: 0, ignoreIndex: -100 } as const;
  const found = await fromNative(() => native().squaredError(predictions, values, loss));
  return {
    loss: found.loss,
    squaredError: found.crossEntropy,
    difference: found.kl,
    values: found.tokens,
    gradient: found.gradient as Numbers,
  };
}
