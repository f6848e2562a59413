import { join, resolve } from 'node:path';
import { parameterShapes } from '../../model/parameter_names.js';
import { checkParameters } from '../../model/stored_parameters.js';
import { type ModelOptions, modelSchema } from '../../options/model.js';
import { parseConfig } from '../../options/schema/parse.js';
import type { TrainConfig } from '../../options/training.js';
import { RdropError } from '../../util/errors.js';
import { type Checkpoint, type CheckpointName, findCheckpoint, openCheckpoint } from '../checkpoint.js';
import { fingerprint } from '../fingerprint.js';
import { readRunConfig } from './run_directory.js';
import { checkRunText } from './run_text.js';

/**
 * A checkpoint of a run for a reader, with the configuration it was made with.
 *
 * @throws RdropError FILE_NOT_FOUND (no run, or no such checkpoint yet), CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH,
 *   MANIFEST_MISMATCH (unless `verify` is false: the dictionary or the codes are others)
 */
export async function openRunCheckpoint(
  runDirectory: string,
  name: CheckpointName,
  verify = true,
): Promise<{ directory: string; config: TrainConfig; checkpoint: Checkpoint }> {
  const directory = resolve(runDirectory);
  const config = await readRunConfig(directory);
  if (verify) await checkRunText(directory);
  const path = await findCheckpoint(join(directory, 'checkpoints'), name);
  if (path === null) {
    throw new RdropError('FILE_NOT_FOUND', `${join(directory, 'checkpoints', name)}: no such checkpoint yet`);
  }
  const checkpoint = await openCheckpoint(path);
  if (checkpoint.state.fingerprint !== fingerprint(config)) {
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${path}: was made with another configuration than ${join(directory, 'config.json')} holds`,
    );
  }
  return { directory, config, checkpoint };
}

/** A checkpoint of another model is noticed before memory is taken for this one. @throws RdropError CHECKPOINT_* */
export async function checkLastCheckpoint(checkpoints: string, model: ModelOptions): Promise<void> {
  const path = await findCheckpoint(checkpoints, 'last');
  if (path === null) return;
  const checkpoint = await openCheckpoint(path);
  try {
    // Without the hash: restore() will compare it.
    await using file = await checkpoint.open('model', { verify: false });
    checkParameters(file.tensors, parameterShapes(parseConfig(modelSchema, model, 'model')), path);
  } catch (error) {
    // A damaged file is called damaged, not another model's.
    await (await checkpoint.open('model')).close();
    throw error;
  }
}
