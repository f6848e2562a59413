import { readBlocks, type StoredTensor, type StoredTensors } from '../../data/safetensors/stored_tensor.js';
import { loadParameters, nativeTransformer, snapshotOf, type Transformer } from '../../model/transformer.js';
import type { NativeTrainer } from '../../native/contract.js';
import { bytesOf } from '../../tasks/shares.js';
import { fromNative } from '../../util/errors.js';
import type { TrainingState } from '../checkpoint.js';
import { loadMoments, storedMoments } from '../moments.js';
import type { Ranks } from './ranks.js';

const origin = 'rank 0';

/** The same tensors on every rank but the first, read from what the first sends. Read in order, each once. */
function received(ranks: Ranks, tensors: StoredTensors): StoredTensors {
  const read = async (dtype: string) => {
    const { buffer, byteOffset, byteLength } = await ranks.broadcast(null);
    const own = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    return dtype === 'F64' ? new Float64Array(own) : new Float32Array(own);
  };
  return new Map(
    [...tensors].map(([name, { dtype, shape }]): [string, StoredTensor] => [
      name,
      { dtype, shape, read: () => read(dtype) },
    ]),
  );
}

async function send(ranks: Ranks, tensors: StoredTensors): Promise<void> {
  for (const stored of tensors.values()) {
    for await (const block of readBlocks(stored)) await ranks.broadcast(bytesOf(block));
  }
}

/** Gives the parameters of rank 0 to every rank. No rank needs the files of another's machine. */
export async function shareParameters(ranks: Ranks, model: Transformer): Promise<void> {
  if (ranks.alone) return;
  using snapshot = await snapshotOf(model);
  if (ranks.first) await send(ranks, snapshot.tensors);
  else await loadParameters(model, received(ranks, snapshot.tensors), origin);
}

/** The same for the optimizer: its moments, and its counters as they stand in the state. */
export async function shareOptimizer(
  ranks: Ranks,
  model: Transformer,
  trainer: NativeTrainer,
  { optimizer }: TrainingState,
): Promise<void> {
  if (ranks.alone) return;
  using snapshot = await snapshotOf(model);
  const tensors = storedMoments(trainer, snapshot.tensors);
  if (ranks.first) return send(ranks, tensors);
  await loadMoments(trainer, received(ranks, tensors), nativeTransformer(model).parameterShapes, origin);
  await fromNative(() => trainer.setCounters(optimizer));
}
