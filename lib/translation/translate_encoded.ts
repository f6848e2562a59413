import type { Transformer } from '../model/transformer.js';
import { type TranslateCorpusOptions, translateCorpusNBest } from '../model/translate_corpus.js';
import type { BeamConfig } from '../options/translation.js';
import type { TextPipeline } from '../text/pipeline.js';
import { untilAborted } from '../util/async/abortable.js';
import { YieldTimer } from '../util/async/yield_timer.js';
import type { EncodedLines } from './source_encoder.js';
import type { NBestTranslation, TextHypothesis, Translation } from './translations.js';

/** What translates. */
export interface TextModel {
  model: Transformer;
  pipeline: TextPipeline;
  /** Source tokens of a batch. */
  maxTokens: number;
}

export interface EncodedWork extends Pick<TranslateCorpusOptions, 'signal' | 'onProgress'> {
  beam: BeamConfig;
  /** Whether each translation has all its hypotheses. */
  nBest: boolean;
}

/** A translation for each line. An abort is seen at once, in the midst of a batch. @throws RdropError ABORTED, and those of Transformer.translate */
export async function translateEncoded(
  { model, pipeline, maxTokens }: TextModel,
  { count, tokens, places, overlong }: EncodedLines,
  { beam, nBest, signal, onProgress }: EncodedWork,
): Promise<(Translation | NBestTranslation)[]> {
  // The model outlives a batch that continues unseen: its own dispose() waits for it.
  const translating = translateCorpusNBest(model, tokens, { beam, maxTokens, signal, onProgress });
  const found = await untilAborted(translating, signal, 'the translation');
  const breaks = new YieldTimer('the translation', signal);
  const translations = Array.from({ length: count }, (_, line) =>
    translationOf([], overlong.get(line), nBest),
  );
  for (const [i, hypotheses] of found.entries()) {
    if (breaks.due()) await breaks.take();
    const line = places[i]!;
    const texts = hypotheses.map((each) => ({ text: pipeline.decode(each.tokens), ...each }));
    translations[line] = translationOf(texts, overlong.get(line), nBest);
  }
  return translations;
}

function translationOf(
  hypotheses: TextHypothesis[],
  overlong: 'truncated' | 'skipped' | undefined,
  nBest: boolean,
): Translation | NBestTranslation {
  return {
    ...(hypotheses[0] ?? empty()),
    ...(overlong !== undefined && { overlong }),
    ...(nBest && { hypotheses }),
  };
}

const empty = (): TextHypothesis => ({
  text: '',
  tokens: new Int32Array(0),
  score: 0,
  logProbabilities: new Float32Array(0),
});
