import type { LossConfig, TrainConfig } from '../config.js';
import { groupPairs } from '../data/batches.js';
import { RdropError } from '../errors.js';
import { corpusBleu } from '../evaluation/bleu.js';
import { type CorpusScore, scoreRows } from '../evaluation/score_table.js';
import type { Transformer } from '../model/transformer.js';
import type { TextPipeline } from '../text/pipeline.js';
import { sacremosesDetokenise } from '../text/sacremoses_detokenise.js';
import { translateCorpus } from '../translation/translate_corpus.js';
import { lengthsOf, type Pairs } from './batch_source.js';
import { perToken } from './metrics.js';

/** A split to evaluate on: what the model reads, and the untouched text of the target side. */
export interface EvaluationSet {
  pairs: Pairs;
  references: string[];
}

type Validated = { loss: number; bleu: number | null };

/** Whether a validation is better than the best so far: a higher BLEU, or without BLEU a lower loss. */
export function isBetter(found: Validated, best: Validated, manner: 'raw' | 'fairseq'): boolean {
  if (found.bleu === null) return found.loss < best.loss;
  if (found.bleu > (best.bleu ?? Number.NEGATIVE_INFINITY)) return true;
  // Of equal ones fairseq keeps the later (checkpoint_utils.py, is_better).
  return manner === 'fairseq' && found.bleu === best.bleu;
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

interface Search {
  config: TrainConfig;
  signal?: AbortSignal | undefined;
}

/**
 * BLEU (13a) of the beam search on the validation split: against the untouched text, lower-cased where the data are; or as
 * fairseq's --eval-bleu has it (tasks/translation.py, _inference_with_bleu): both sides from their tokens by sacremoses's
 * detokeniser, an unknown word of the reference never matched, the length limit that of the padded batch, two decimals.
 *
 * @throws RdropError ABORTED
 */
export async function validationBleu(
  model: Transformer,
  pipeline: TextPipeline,
  { pairs, references }: EvaluationSet,
  { config, signal }: Search,
): Promise<number> {
  const { beam, bleu: manner } = config.validation;
  const { maxTokens, multipleOf } = config.batches;
  const fairseq = { targetLengths: lengthsOf(pairs.target), multipleOf };
  const found = await translateCorpus(model, pairs.source, {
    beam,
    maxTokens,
    fairseq: manner === 'fairseq' ? fairseq : undefined,
    signal,
  });
  if (manner === 'raw') {
    const hypotheses = found.map(({ tokens }) => pipeline.decode(tokens));
    return corpusBleu(hypotheses, references, { lowercase: pipeline.config.lowercase !== false }).score;
  }
  const { tokenizer, target } = pipeline.config;
  const text = (tokens: Int32Array, unknown: string) => {
    const words = pipeline.words(tokens, unknown);
    return tokenizer === 'moses' ? sacremosesDetokenise(words, target) : words;
  };
  const { score } = corpusBleu(
    found.map(({ tokens }) => text(tokens, 'UNKNOWNTOKENINHYP')),
    pairs.target.map((tokens) => text(tokens, 'UNKNOWNTOKENINREF')),
  );
  return Number(score.toFixed(2));
}

/** The figures of a validation; no BLEU where the loss alone picks the best checkpoint. @throws RdropError ABORTED */
export async function validate(
  model: Transformer,
  pipeline: TextPipeline,
  set: EvaluationSet,
  { config, signal }: Search,
): Promise<{ loss: number; nll: number; bleu: number | null }> {
  const { loss, batches, validation } = config;
  const losses = await validationLoss(model, set.pairs, { loss, maxTokens: batches.maxTokens, signal });
  const bleu =
    validation.metric === 'loss' ? null : await validationBleu(model, pipeline, set, { config, signal });
  return { ...losses, bleu };
}

/** What the beam search makes of the test split, and every figure that the field prints of it. */
export interface TestResult {
  hypotheses: string[];
  /** Tokens apart, without BPE: what `fairseq-score` reads, as `fairseq-generate --remove-bpe` prints it. */
  tokenised: { hypotheses: string[]; references: string[] };
  scores: CorpusScore[];
}

/** @throws RdropError ABORTED */
export async function translateTest(
  model: Transformer,
  pipeline: TextPipeline,
  { pairs, references }: EvaluationSet,
  { config, signal }: Search,
): Promise<TestResult> {
  const found = await translateCorpus(model, pairs.source, {
    beam: config.test.beam,
    maxTokens: config.batches.maxTokens,
    signal,
  });
  const hypotheses = found.map(({ tokens }) => pipeline.decode(tokens));
  const tokenised = {
    hypotheses: found.map(({ tokens }) => pipeline.words(tokens)),
    // fairseq-generate marks the unknown words of a reference, so that one of a hypothesis never matches them.
    references: pairs.target.map((tokens) => pipeline.words(tokens, '<<unk>>')),
  };
  const rows = await scoreRows(
    { hypotheses, references, tokenised },
    { lowercase: pipeline.config.lowercase !== false },
    { signal },
  );
  return { hypotheses, tokenised, scores: rows.map(({ text: _, ...score }) => score) };
}
