import type { OneBestOptions } from '../config.js';
import { groupPairs } from '../data/batches.js';
import { RdropError } from '../errors.js';
import type { Hypothesis, Transformer } from '../model/transformer.js';

export interface TranslateCorpusOptions {
  beam: OneBestOptions;
  /** Source tokens of a batch: sentences × the longest of them. */
  maxTokens: number;
  signal?: AbortSignal | undefined;
  /** Called after each batch with the sentences done so far. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * The best hypothesis of each of many sentences: sorted by length and batched, answered in the order given.
 *
 * @throws RdropError ABORTED between two batches; those of Transformer.translate
 */
export async function translateCorpus(
  model: Transformer,
  sources: readonly Int32Array[],
  { beam, maxTokens, signal, onProgress }: TranslateCorpusOptions,
): Promise<Hypothesis[]> {
  const lengths = Int32Array.from(sources, (source) => source.length);
  const longest = lengths.reduce((a, b) => Math.max(a, b), 1);
  const batches = groupPairs(lengths, lengths, {
    maxTokens: Math.max(maxTokens, longest),
    multipleOf: 1,
    seed: null,
  });
  const results = new Array<Hypothesis>(sources.length);
  let done = 0;
  for (const batch of batches) {
    if (signal?.aborted) throw new RdropError('ABORTED', 'the translation was aborted');
    const found = await model.translate(
      Array.from(batch, (i) => sources[i]!),
      beam,
    );
    batch.forEach((sentence, i) => {
      results[sentence] = found[i]![0]!;
    });
    done += batch.length;
    onProgress?.(done, sources.length);
  }
  return results;
}
