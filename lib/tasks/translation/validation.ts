import type { Pairs } from '../../data/pairs.js';
import { lengthsOf } from '../../data/sentences.js';
import { corpusBleu } from '../../evaluation/bleu.js';
import { type CorpusScore, scoreRows } from '../../evaluation/score_table.js';
import type { Transformer } from '../../model/transformer.js';
import { type TranslateCorpusOptions, translateCorpusNBest } from '../../model/translate_corpus.js';
import type { TrainConfig } from '../../options/training.js';
import { eos } from '../../text/dictionary.js';
import { sacremosesDetokenize } from '../../text/moses/sacremoses_detokenizer.js';
import type { TextPipeline } from '../../text/pipeline.js';
import { lossOf } from '../scores.js';
import {
  bytesOf,
  gatherShares,
  int32Of,
  packNumbered,
  type Sharers,
  single,
  unpackNumbered,
} from '../shares.js';
import type { ValidationSample } from '../task.js';
import { validationLoss } from '../validation_loss.js';

/** A split to evaluate on: what the model reads, and the untouched text of the target side. */
export interface EvaluationSet {
  pairs: Pairs<Int32Array>;
  references: string[];
  /** The untouched text of the source side, for those who look on. */
  sources: string[];
  /** The pairs whose loss is taken; left out, all. */
  forLoss?: Pairs<Int32Array>;
  /** The sources that are translated, and where each of them stands among the pairs (null: all are there); left out, all. */
  translated?: { sources: Int32Array[]; places: Int32Array | null };
}

type OnProgress = ((done: number, total: number) => void) | undefined;

/** What stands for the translation of a sentence that was left out. */
const nothing = Int32Array.of(eos);

/** The tokens of the best hypothesis of every pair, none where the source was left out because of its length. Ranks share the batches. */
async function translateSet(
  model: Transformer,
  { pairs, translated }: EvaluationSet,
  {
    fairseq,
    ranks = single,
    ...options
  }: Omit<TranslateCorpusOptions, 'fairseq' | 'share'> & {
    fairseq?: { multipleOf: number } | undefined;
    ranks?: Sharers | undefined;
  },
): Promise<Int32Array<ArrayBuffer>[]> {
  const { sources, places } = translated ?? { sources: pairs.source, places: null };
  const targets = places === null ? pairs.target : Array.from(places, (place) => pairs.target[place]!);
  const found = new Array<Int32Array<ArrayBuffer>>(sources.length);
  const parts = await gatherShares(ranks, async () => {
    const own = new Map<number, Int32Array>();
    const hypotheses = await translateCorpusNBest(model, sources, {
      ...options,
      fairseq: fairseq && { ...fairseq, targetLengths: lengthsOf(targets) },
      share: ranks,
    });
    // forEach passes over the sentences of the others.
    hypotheses.forEach(([best], sentence) => {
      own.set(sentence, best!.tokens);
    });
    return bytesOf(packNumbered(own));
  });
  for (const part of parts) unpackNumbered(int32Of(part), found);
  if (places === null) return found;
  const all = pairs.source.map(() => nothing);
  places.forEach((place, i) => {
    all[place] = found[i]!;
  });
  return all;
}

/** So many sentences, evenly spaced. */
const samples = 8;

function samplesOf(
  found: readonly Int32Array[],
  { sources, references }: EvaluationSet,
  pipeline: TextPipeline,
) {
  const count = Math.min(samples, found.length);
  return Array.from({ length: count }, (_, i): ValidationSample => {
    const at = Math.floor(((i + 0.5) * found.length) / count);
    const hypothesis = pipeline.decode(found[at]!);
    return { line: at + 1, source: sources[at]!, hypothesis, reference: references[at]! };
  });
}

interface Search {
  config: TrainConfig;
  signal?: AbortSignal | undefined;
  /** Sentences that are translated. */
  onProgress?: OnProgress;
  /** Processes that share the work, each of which calls this. Left out: this one alone. */
  ranks?: Sharers | undefined;
  /** Told a few translations of a validation, beside their sources and references. */
  onSamples?: ((samples: ValidationSample[]) => unknown) | undefined;
}

/**
 * BLEU (13a) of the beam search on the validation split: against the untouched text, lower-cased where the data are; or as
 * fairseq's --eval-bleu has it (tasks/translation.py, _inference_with_bleu): both sides from their tokens by sacremoses's
 * detokenizer, an unknown word of the reference never matched, the length limit that of the padded batch, two decimals.
 *
 * @throws RdropError ABORTED
 */
export async function validationBleu(
  model: Transformer,
  pipeline: TextPipeline,
  set: EvaluationSet,
  { config, signal, onProgress, ranks, onSamples }: Search,
): Promise<number> {
  const { pairs, references } = set;
  const { beam, bleu: mode } = config.validation;
  const { maxTokens, multipleOf } = config.batches;
  const found = await translateSet(model, set, {
    beam,
    maxTokens,
    fairseq: mode === 'fairseq' ? { multipleOf } : undefined,
    signal,
    onProgress,
    ranks,
  });
  onSamples?.(samplesOf(found, set, pipeline));
  if (mode === 'raw') {
    const hypotheses = found.map((tokens) => pipeline.decode(tokens));
    return corpusBleu(hypotheses, references, { lowercase: pipeline.config.lowercase !== false }).score;
  }
  const { tokenizer, target } = pipeline.config;
  const text = (tokens: Int32Array, unknown: string) => {
    const words = pipeline.words(tokens, unknown);
    return tokenizer === 'moses' ? sacremosesDetokenize(words, target) : words;
  };
  const { score } = corpusBleu(
    found.map((tokens) => text(tokens, 'UNKNOWNTOKENINHYP')),
    pairs.target.map((tokens) => text(tokens, 'UNKNOWNTOKENINREF')),
  );
  return Number(score.toFixed(2));
}

/** The metrics of a validation; no BLEU where something else picks the best checkpoint. @throws RdropError ABORTED */
export async function validate(
  model: Transformer,
  pipeline: TextPipeline,
  set: EvaluationSet,
  { config, signal, onProgress, onLoss, ranks, onSamples }: Search & { onLoss?: OnProgress },
): Promise<{ loss: number; nll: number; bleu: number | null }> {
  const { batches, validation } = config;
  const loss = lossOf(config);
  const pairs = set.forLoss ?? set.pairs;
  const { maxTokens } = batches;
  const losses = await validationLoss(model, pairs, { loss, maxTokens, signal, onProgress: onLoss, ranks });
  const bleu =
    validation.metric === 'bleu'
      ? await validationBleu(model, pipeline, set, { config, signal, onProgress, ranks, onSamples })
      : null;
  return { ...losses, bleu };
}

/** What the beam search makes of the test split, and every metric that the field prints of it. */
export interface TestResult {
  hypotheses: string[];
  /** Tokens apart, without BPE: what `fairseq-score` reads, as `fairseq-generate --remove-bpe` prints it. */
  tokenized: { hypotheses: string[]; references: string[] };
  scores: CorpusScore[];
}

/** The best translation of each sentence of the test split, in tokens; ranks share the search. @throws RdropError ABORTED */
export function searchTest(
  model: Transformer,
  set: EvaluationSet,
  { config, signal, onProgress, ranks }: Search,
): Promise<Int32Array[]> {
  const { maxTokens } = config.batches;
  return translateSet(model, set, { beam: config.test.beam, maxTokens, signal, onProgress, ranks });
}

/** What the translations of the test split say, and how good they are. @throws RdropError ABORTED */
export async function scoreTest(
  found: readonly Int32Array[],
  pipeline: TextPipeline,
  { pairs, references }: EvaluationSet,
  work: { signal?: AbortSignal | undefined; onProgress?: OnProgress } = {},
): Promise<TestResult> {
  const hypotheses = found.map((tokens) => pipeline.decode(tokens));
  const tokenized = {
    hypotheses: found.map((tokens) => pipeline.words(tokens)),
    // fairseq-generate marks the unknown words of a reference, so that one of a hypothesis never matches them.
    references: pairs.target.map((tokens) => pipeline.words(tokens, '<<unk>>')),
  };
  const rows = await scoreRows(
    { hypotheses, references, tokenized },
    { lowercase: pipeline.config.lowercase !== false },
    work,
  );
  return { hypotheses, tokenized, scores: rows.map(({ text: _, ...score }) => score) };
}
