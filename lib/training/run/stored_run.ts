/** A run in training and its checkpoints: what goes into them, and comes back. */
import { streamSafetensors } from '../../data/safetensors/safetensors.js';
import {
  loadParameters,
  modelMetadata,
  nativeTransformer,
  snapshotOf,
  type Transformer,
} from '../../model/transformer.js';
import type { NativeTrainer } from '../../native/contract.js';
import type { TrainConfig } from '../../options/training.js';
import { fromNative, RdropError } from '../../util/errors.js';
import type { RdropWarning } from '../../util/warnings.js';
import {
  type Checkpoint,
  type CheckpointName,
  findCheckpoint,
  openCheckpoint,
  type TrainingState,
  writeCheckpoint,
} from '../checkpoint.js';
import type { Ranks } from '../distributed/ranks.js';
import { worldSizeWarning } from '../distributed/world_size.js';
import { loadMoments, storedMoments } from '../moments.js';
import type { Place } from '../progress.js';
import type { RunDirectory } from './run_directory.js';

interface StoredRun {
  config: TrainConfig;
  state: TrainingState & Place;
  data: { train: { batchesPerEpoch: number } };
  model: Transformer;
  trainer: NativeTrainer;
  ranks: Ranks;
}

/**
 * Puts the last checkpoint into a run, whose state is changed.
 *
 * @returns null where there is none; else what is to be warned of
 * @throws RdropError CHECKPOINT_*
 */
export async function restoreLast(
  { config, state, data, model, trainer, ranks }: StoredRun,
  checkpoints: string,
): Promise<RdropWarning[] | null> {
  const path = await findCheckpoint(checkpoints, 'last');
  if (path === null) return null;
  const checkpoint = await openCheckpoint(path);
  if (checkpoint.state.fingerprint !== state.fingerprint) {
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${path}: was made with another configuration than config.json now holds`,
    );
  }
  await loadModel(model, checkpoint);
  await loadOptimizer(trainer, model, checkpoint);
  const { position, batches, worldSize = 1 } = checkpoint.state;
  const done = batches ?? position * config.batches.accumulate;
  Object.assign(state, checkpoint.state, {
    batches: Math.min(done, data.train.batchesPerEpoch),
    worldSize: ranks.alone ? undefined : ranks.size,
  });
  const changed = worldSizeWarning(state, worldSize, ranks.size, config.batches.accumulate);
  return changed === null ? [] : [changed];
}

/**
 * Writes checkpoints of a run as it now is.
 *
 * @param found what becomes part of the state with them
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE, RUN_LOST; the checkpoints before are then untouched
 */
export async function writeRun(
  { state, model, trainer }: Pick<StoredRun, 'state' | 'model' | 'trainer'>,
  run: RunDirectory,
  names: readonly CheckpointName[],
  found: Partial<TrainingState>,
): Promise<void> {
  using snapshot = await snapshotOf(model);
  const { tensors } = snapshot;
  state.optimizer = await fromNative(() => trainer.counters());
  const content = {
    model: streamSafetensors(tensors, modelMetadata(model.config)),
    optimizer: streamSafetensors(storedMoments(trainer, tensors)),
    state: structuredClone({ ...state, ...found, metricsLines: await run.metrics.flush() }),
  };
  await run.writing((fence) => writeCheckpoint(run.checkpoints, names, content, fence));
}

/** Puts a checkpoint's parameters into a model, tensor by tensor. @throws RdropError CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH */
export async function loadModel(model: Transformer, checkpoint: Checkpoint): Promise<void> {
  await using file = await checkpoint.open('model');
  await loadParameters(model, file.tensors, checkpoint.path);
}

/** Puts a checkpoint's moments and counters into a trainer. @throws RdropError CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH */
export async function loadOptimizer(
  trainer: NativeTrainer,
  model: Transformer,
  checkpoint: Checkpoint,
): Promise<void> {
  await using file = await checkpoint.open('optimizer');
  await loadMoments(trainer, file.tensors, nativeTransformer(model).parameterShapes, checkpoint.path);
  await fromNative(() => trainer.setCounters(checkpoint.state.optimizer));
}
