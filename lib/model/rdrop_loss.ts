import { native } from '../native/binding.js';
import type { NativeLoss, NativeLossOptions } from '../native/contract.js';
import { type LossOptions, lossOptionsSchema } from '../options/loss.js';
import { describe, parseConfig } from '../options/schema/parse.js';
import { fromNative, fromNativeSync, RdropError } from '../util/errors.js';
import { nativeLossOptions } from './loss_options.js';

/** Logits as numbers, or as the bits of bfloat16. */
export type LogitsArray = Float32Array | Float64Array | Uint16Array;

/**
 * Sums over the N target positions that are not ignored, natural logarithm; `tokens` is how many those are. `gradient`,
 * of the logits' shape, is that of `loss`, undivided.
 */
export type RdropLossResult<Logits extends LogitsArray> = NativeLoss & { gradient: Logits };

/**
 * The R-Drop loss of two passes and its gradient, fused: CE + α·KL. `uni` is D(P1‖P2), eq. (5) of the paper;
 * `uni-reverse` D(P2‖P1); `bi` half their sum, eq. (2). The cross-entropy has label smoothing, ε/V over all V classes
 * unless `smoothing` is 'fairseq' (ε/(V-1) over the others), and is summed over both passes unless `passReduction` is 'mean';
 * `classWeights` weighs it by class. With `klReduction` 'sum' α counts N times. With `passes` 1 the loss is the cross-entropy of
 * one pass, `kl` 0. Finite wherever the logits are.
 *
 * @param logits [P·N,V] row-major for P passes: rows 0..N-1 of pass 1, rows N..2N-1 of pass 2. A Uint16Array holds the bits of bfloat16.
 * It is copied at the call and never changed.
 * @param classes V
 * @param targets [N] a class, or `ignoreIndex` for a row that counts for nothing
 * @throws RdropError INVALID_ARGUMENT (sizes, types, options), TOKEN_OUT_OF_RANGE (a target), NON_FINITE (NaN or infinity
 * among the logits of a row that counts; names the row), and those of `native()`
 */
export async function rdropLoss<Logits extends LogitsArray>(
  logits: Logits,
  classes: number,
  targets: Int32Array,
  options: LossOptions,
): Promise<RdropLossResult<Logits>> {
  const settings = checkedOptions(logits, classes, targets, options);
  return fromNative(
    () => native().rdropLoss(logits, classes, targets, settings) as Promise<RdropLossResult<Logits>>,
  );
}

/**
 * `rdropLoss` with the caller waiting: for another library's custom gradient, whose forward pass cannot await. Same
 * arguments, checks, errors and bits. The threads of rdrop compute while they have no other work (a step, a translation);
 * while they have, the calling thread computes by itself, neither waiting for that work nor slowing it down by more threads.
 *
 * @throws RdropError as `rdropLoss` rejects
 */
export function rdropLossSync<Logits extends LogitsArray>(
  logits: Logits,
  classes: number,
  targets: Int32Array,
  options: LossOptions,
): RdropLossResult<Logits> {
  const settings = checkedOptions(logits, classes, targets, options);
  return fromNativeSync(
    () => native().rdropLossSync(logits, classes, targets, settings) as RdropLossResult<Logits>,
  );
}

/** Checks every argument; gives the options as the core takes them. @throws RdropError INVALID_ARGUMENT */
function checkedOptions(
  logits: unknown,
  classes: unknown,
  targets: unknown,
  options: LossOptions,
): NativeLossOptions {
  const { passes } = parseConfig(lossOptionsSchema, options, 'options', 'INVALID_ARGUMENT');
  if (!isLogits(logits)) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `logits: expected a Float32Array, Float64Array or Uint16Array (bfloat16), got ${describe(logits)}`,
    );
  }
  if (!(targets instanceof Int32Array)) {
    throw new RdropError('INVALID_ARGUMENT', `targets: expected an Int32Array, got ${describe(targets)}`);
  }
  if (typeof classes !== 'number' || !Number.isSafeInteger(classes) || classes < 1) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `classes: expected a count of at least 1, got ${describe(classes)}`,
    );
  }
  const expected = passes * targets.length * classes;
  if (logits.length !== expected) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `logits: expected ${passes} × ${targets.length} targets × ${classes} classes = ${expected} numbers, got ${logits.length}`,
    );
  }
  return nativeLossOptions(options, classes);
}

const isLogits = (value: unknown): value is LogitsArray =>
  [Float32Array, Float64Array, Uint16Array].some((type) => value instanceof type);
