import { loadParameters, nativeTransformer, type Transformer } from '../model/transformer.js';
import type { NativeTrainer } from '../native/contract.js';
import { fromNative } from '../util/errors.js';
import type { Checkpoint } from './checkpoint.js';
import { loadMoments } from './moments.js';

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
