import type { LossConfig, OneBestConfig } from '../config.js';
import { groupPairs } from '../data/batches.js';
import { RdropError } from '../errors.js';
import { type BleuScore, bleu } from '../evaluation/bleu.js';
import type { Transformer } from '../model/transformer.js';
import type { TextPipeline } from '../text/pipeline.js';
import { translateCorpus } from '../translation/translate_corpus.js';
import { lengthsOf, type Pairs } from './batch_source.js';
import { perToken } from './metrics.js';

/** A split to evaluate on: what the model reads, and the untouched text of the target side. */
export interface EvaluationSet {
  pairs: Pairs;
  references: string[];
}

/**
 * Loss per target token (base 2, one pass, dropout off, no KL).
 *
 * @throws RdropError ABORTED
 */
export async function validationLoss(
  model: Transformer,
  { source, target }: Pairs,
  { loss, maxTokens, signal }: { loss: LossConfig; maxTokens: number; signal?: AbortSignal | undefined },
): Promise<{ loss: number; nll: number }> {
  const lengths = [lengthsOf(source), lengthsOf(target)] as const;
  const longest = Math.max(...lengths.map((side) => side.reduce((a, b) => Math.max(a, b), 1)));
  const batches = groupPairs(...lengths, {
    maxTokens: Math.max(maxTokens, longest),
    multipleOf: 1,
    seed: null,
  });
  const sums = { loss: 0, crossEntropy: 0, nll: 0, kl: 0, tokens: 0 };
  for (const batch of batches) {
    if (signal?.aborted) throw new RdropError('ABORTED', 'the validation was aborted');
    const pick = (side: Int32Array[]) => Array.from(batch, (pair) => side[pair]!);
    const result = await model.evaluate({ source: pick(source), target: pick(target) }, loss);
    for (const key of ['loss', 'nll', 'tokens'] as const) sums[key] += result[key];
  }
  const { loss: smoothed, nll } = perToken(sums);
  return { loss: smoothed, nll };
}

/** Beam search on the sources, text put together, BLEU (13a) against the raw references; lower-cased where the data are. */
export async function translationBleu(
  model: Transformer,
  pipeline: TextPipeline,
  { pairs, references }: EvaluationSet,
  options: { beam: OneBestConfig; maxTokens: number; signal?: AbortSignal | undefined },
): Promise<BleuScore & { hypotheses: string[] }> {
  const found = await translateCorpus(model, pairs.source, options);
  const hypotheses = found.map(({ tokens }) => pipeline.decode(tokens));
  return { ...bleu(hypotheses, references, { lowercase: pipeline.config.lowercase !== false }), hypotheses };
}
