import { groupPairs } from '../../data/batches.js';
import { lengthsOf } from '../../data/sentences.js';
import type { Batch } from '../../model/pack.js';
import type { Transformer } from '../../model/transformer.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { bytesOf, float64Of, gatherShares, isOwn, single } from '../shares.js';
import type { TaskWork } from '../task.js';

/** Sequences whose outputs are wanted. */
export interface Inputs {
  sequences: readonly Int32Array[];
  types: readonly Int32Array[] | null;
}

interface OutputWork extends Pick<TaskWork, 'signal' | 'ranks'> {
  /** Tokens of a batch. */
  maxTokens: number;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * What the head of an encoder gives for each sequence, dropout off. Ranks share the batches, and all have the numbers of one process to
 * the bit.
 *
 * @returns [sequences, outputs] row-major, in the order given
 * @throws RdropError ABORTED
 */
export async function sequenceOutputs(
  model: Transformer,
  { sequences, types }: Inputs,
  { maxTokens, signal, ranks = single, onProgress }: OutputWork,
): Promise<Float64Array> {
  const { outputs = 1, output = 'classes' } = model.config;
  const lengths = lengthsOf(sequences as Int32Array[]);
  const longest = lengths.reduce((a, b) => Math.max(a, b), 1);
  const most = Math.max(maxTokens, longest);
  const batches = groupPairs(lengths, lengths, { maxTokens: most, multipleOf: 1, seed: null });
  const own = batches.filter((_, i) => isOwn(ranks, i));
  const parts = await gatherShares(ranks, async () => {
    const found = new Float64Array(outputs * own.reduce((sum, batch) => sum + batch.length, 0));
    let at = 0;
    for (const [i, batch] of own.entries()) {
      throwIfAborted(signal, 'the prediction');
      onProgress?.(i, own.length);
      const source = Array.from(batch, (sequence) => sequences[sequence]!);
      const read: Batch = {
        source,
        ...(types !== null && { tokenTypes: Array.from(batch, (sequence) => types[sequence]!) }),
        // What is to be predicted plays no part.
        ...(output === 'value'
          ? { target: [], values: new Float64Array(batch.length) }
          : { target: source.map(() => Int32Array.of(0)) }),
      };
      found.set(await model.logits(read), at);
      at += outputs * batch.length;
    }
    onProgress?.(own.length, own.length);
    return bytesOf(found);
  });
  const shares = parts.map(float64Of);
  const read = parts.map(() => 0);
  const all = new Float64Array(outputs * sequences.length);
  batches.forEach((batch, i) => {
    const rank = i % ranks.size;
    for (const sequence of batch) {
      const from = read[rank]!;
      all.set(shares[rank]!.subarray(from, from + outputs), outputs * sequence);
      read[rank] = from + outputs;
    }
  });
  return all;
}
