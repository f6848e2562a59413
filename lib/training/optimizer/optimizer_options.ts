import type { NativeOptimizerOptions, NativeTransformer } from '../../native/contract.js';
import { isDecay } from '../../options/optimizer.js';
import type { TrainConfig } from '../../options/training.js';
import { RdropError } from '../../util/errors.js';
import { optimizerGroups } from './optimizer_groups.js';

/**
 * The options of a run's optimizer as the native core takes them.
 *
 * @param model whose parameters it updates
 * @throws RdropError INVALID_CONFIG where a schedule has no end, and those of optimizerGroups()
 */
export function nativeOptimizerOptions(
  { optimizer, maxUpdates }: Pick<TrainConfig, 'optimizer' | 'maxUpdates'>,
  model: Pick<NativeTransformer, 'parameterShapes'>,
): NativeOptimizerOptions {
  const { layerDecay, freeze, weightDecayOn, ...rest } = optimizer;
  const totalUpdates = optimizer.totalUpdates || maxUpdates;
  if (isDecay(optimizer.schedule) && totalUpdates === 0) {
    throw new RdropError(
      'INVALID_CONFIG',
      `train.optimizer.totalUpdates: expected the updates after which the schedule ${optimizer.schedule} has come down, ` +
        'got 0, and no maxUpdates, which would stand for them',
    );
  }
  const groups = optimizerGroups(model.parameterShapes, { layerDecay, freeze, weightDecayOn });
  return { ...rest, totalUpdates, groups };
}
