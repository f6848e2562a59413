import type * as z from 'zod';
import type { ModelOptions, runModelSchema } from '../options/model.js';
import type { TextPipeline } from '../text/pipeline.js';
import { RdropError } from '../util/errors.js';

/**
 * The model of a run together with the sizes of its dictionaries: vocabSize, and sourceVocabSize where the source
 * language has a dictionary of its own, even one of the same size.
 *
 * @param place the directory of the dictionaries, for errors
 * @throws RdropError INVALID_CONFIG when two languages without a common dictionary are to share all embeddings
 */
export function withVocabularies(
  model: z.output<typeof runModelSchema>,
  { config, dictionaries }: Pick<TextPipeline, 'config' | 'dictionaries'>,
  place: string,
): ModelOptions {
  const { vocabSize: _v, sourceVocabSize: _s, ...rest } = model;
  const { source, target } = dictionaries;
  if (config.separateDictionaries !== true) return { ...rest, vocabSize: target.size };
  if (rest.shareEmbeddings === 'all') {
    throw new RdropError(
      'INVALID_CONFIG',
      `model.shareEmbeddings: expected "decoder" or "none", since ${place} has a dictionary for each language ` +
        `(${source.size} and ${target.size} types), got "all"`,
    );
  }
  return { ...rest, vocabSize: target.size, sourceVocabSize: source.size };
}
