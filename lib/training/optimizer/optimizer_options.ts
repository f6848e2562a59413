import { parameterShapes } from '../../model/parameter_names.js';
import type { NativeOptimizerOptions, NativeTransformer } from '../../native/contract.js';
import { type ModelOptions, modelSchema } from '../../options/model.js';
import { isDecay } from '../../options/optimizer.js';
import { parseConfig } from '../../options/schema/parse.js';
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

/**
 * Before anything is made: whether the options of a run's optimizer fit its network.
 *
 * @throws RdropError as nativeOptimizerOptions()
 */
export function checkOptimizer(
  config: Pick<TrainConfig, 'optimizer' | 'maxUpdates'>,
  network: ModelOptions,
): void {
  const shapes = parameterShapes(parseConfig(modelSchema, network, 'model'));
  nativeOptimizerOptions(config, { parameterShapes: [...shapes].map(([name, shape]) => [name, [...shape]]) });
}
