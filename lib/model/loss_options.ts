import type { NativeLossOptions } from '../native/contract.js';
import { type LossOptions, lossOptionsSchema } from '../options/loss.js';
import { parseConfig } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';

/**
 * The options of a loss over V classes as the native core takes them. It spreads ε as dropreg does,
 * (1-ε)·(-log P[y]) + (ε/V)·Σ_v(-log P[v]). fairseq's label_smoothed_nll_loss is (1-ε-ε/(V-1))·(-log P[y]) + (ε/(V-1))·Σ_v(-log P[v]),
 * which is the same with ε·V/(V-1) in the place of ε: no kernel needs to know of it.
 *
 * @throws RdropError INVALID_ARGUMENT
 */
export function nativeLossOptions(options: LossOptions, classes: number): NativeLossOptions {
  const { smoothing, classWeights, ...rest } = parseConfig(
    lossOptionsSchema,
    options,
    'options',
    'INVALID_ARGUMENT',
  );
  if (classWeights !== undefined && classWeights.length !== classes) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `options.classWeights: expected a number for each of ${classes} classes, got ${classWeights.length}`,
    );
  }
  const loss: NativeLossOptions = {
    ...rest,
    classWeights: classWeights === undefined ? null : Float64Array.from(classWeights),
  };
  if (smoothing === 'dropreg' || loss.labelSmoothing === 0) return loss;
  if (classes < 2) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `options.smoothing: "fairseq" spreads ε over the other classes: expected at least 2 classes, got ${classes}`,
    );
  }
  return { ...loss, labelSmoothing: (loss.labelSmoothing * classes) / (classes - 1) };
}
