import { groupPairs } from '../data/batches.js';
import type { Pairs } from '../data/pairs.js';
import { lengthsOf } from '../data/sentences.js';
import type { Transformer } from '../model/transformer.js';
import type { NativeLoss } from '../native/contract.js';
import type { LossOptions } from '../options/loss.js';
import { RdropError } from '../util/errors.js';
import { perToken } from './losses.js';
import { bytesOf, float64Of, gatherShares, isOwn, type Sharers, single } from './shares.js';

/** Sums of a batch that ranks tell each other. */
const shared = ['loss', 'nll', 'tokens'] as const;

interface LossWork {
  loss: LossOptions;
  maxTokens: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Processes that share the work, each of which calls this. Left out: this one alone. */
  ranks?: Sharers | undefined;
}

/** Loss per target token (base 2, one pass, dropout off, no KL). @throws RdropError ABORTED */
export async function validationLoss(
  model: Transformer,
  pairs: Pairs<Int32Array>,
  work: LossWork,
): Promise<{ loss: number; nll: number }> {
  const { loss, nll } = perToken(await lossSums(model, pairs, work));
  return { loss, nll };
}

/**
 * The sums over all target tokens (one pass, dropout off, no KL, natural logarithm). Ranks share the batches; the sums of all are added
 * in the order of the batches, so that the result is that of one process to the bit.
 *
 * @throws RdropError ABORTED
 */
export async function lossSums(
  model: Transformer,
  { source, target }: Pairs<Int32Array>,
  { loss, maxTokens, signal, onProgress, ranks = single }: LossWork,
): Promise<NativeLoss> {
  const lengths = [lengthsOf(source), lengthsOf(target)] as const;
  const longest = Math.max(...lengths.map((side) => side.reduce((a, b) => Math.max(a, b), 1)));
  const batches = groupPairs(...lengths, {
    maxTokens: Math.max(maxTokens, longest),
    multipleOf: 1,
    seed: null,
  });
  const own = batches.filter((_, i) => isOwn(ranks, i));
  const parts = await gatherShares(ranks, async () => {
    const found = new Float64Array(shared.length * own.length);
    for (const [i, batch] of own.entries()) {
      if (signal?.aborted) throw new RdropError('ABORTED', 'the validation was aborted');
      onProgress?.(i, own.length);
      const pick = (side: Int32Array[]) => Array.from(batch, (pair) => side[pair]!);
      const result = await model.evaluate({ source: pick(source), target: pick(target) }, loss);
      found.set(
        shared.map((key) => result[key]),
        shared.length * i,
      );
    }
    onProgress?.(own.length, own.length);
    return bytesOf(found);
  });
  const found = parts.map(float64Of);
  const sums = { loss: 0, crossEntropy: 0, nll: 0, kl: 0, tokens: 0 };
  for (const i of batches.keys()) {
    const place = shared.length * Math.floor(i / ranks.size);
    for (const [k, key] of shared.entries()) sums[key] += found[i % ranks.size]![place + k]!;
  }
  return sums;
}
