import { groupPairs } from '../data/batches.js';
import type { BeamConfig, BeamSearchConfig } from '../options/translation.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import type { Hypothesis, Transformer } from './transformer.js';

export interface TranslateCorpusOptions {
  beam: BeamConfig | BeamSearchConfig;
  /** Source tokens of a batch: sentences × the longest of them. */
  maxTokens: number;
  /**
   * Batches as fairseq makes them of a split with targets. There padding counts as source, so the longest translation
   * follows from the longest source of the batch instead of from each sentence (sequence_generator.py, max_len).
   */
  fairseq?: { targetLengths: Int32Array; multipleOf: number } | undefined;
  /** The batches that are translated, where several processes share them: those whose number mod `size` is `rank`. Left out: all. */
  share?: { rank: number; size: number } | undefined;
  signal?: AbortSignal | undefined;
  /** Called after each batch with the sentences done so far. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The best hypothesis of each of many sentences (translateCorpusNBest). */
export async function translateCorpus(
  model: Transformer,
  sources: readonly Int32Array[],
  options: TranslateCorpusOptions,
): Promise<Hypothesis[]> {
  return (await translateCorpusNBest(model, sources, options)).map(([best]) => best!);
}

/**
 * The nBest best hypotheses of each of many sentences: sorted by length and batched, answered in the order given. Of a share, the
 * sentences of other shares are holes of the array.
 *
 * @throws RdropError ABORTED between two batches; those of Transformer.translate
 */
export async function translateCorpusNBest(
  model: Transformer,
  sources: readonly Int32Array[],
  { beam, maxTokens, fairseq, share, signal, onProgress }: TranslateCorpusOptions,
): Promise<Hypothesis[][]> {
  const lengths = Int32Array.from(sources, (source) => source.length);
  const longest = (side: Int32Array) => side.reduce((a, b) => Math.max(a, b), 1);
  const targetLengths = fairseq?.targetLengths ?? lengths;
  const batches = groupPairs(lengths, targetLengths, {
    maxTokens: Math.max(maxTokens, longest(lengths), longest(targetLengths)),
    multipleOf: fairseq?.multipleOf ?? 1,
    seed: null,
  });
  const beamOf = (batch: Int32Array): BeamConfig | BeamSearchConfig => {
    if (fairseq === undefined) return beam;
    const padded = longest(batch.map((sentence) => lengths[sentence]!));
    return { ...beam, maxLenA: 0, maxLenB: Math.floor(beam.maxLenA * padded + beam.maxLenB) };
  };
  const results = new Array<Hypothesis[]>(sources.length);
  const own = share === undefined ? batches : batches.filter((_, i) => i % share.size === share.rank);
  const total = own.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  for (const batch of own) {
    throwIfAborted(signal, 'the translation');
    const found = await model.translate(
      Array.from(batch, (i) => sources[i]!),
      beamOf(batch),
    );
    throwIfAborted(signal, 'the translation');
    batch.forEach((sentence, i) => {
      results[sentence] = found[i]!;
    });
    done += batch.length;
    onProgress?.(done, total);
  }
  return results;
}
