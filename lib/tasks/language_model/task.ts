/** Language model: running text or lines, a decoder alone; perplexity and bits per character. */
import { join } from 'node:path';
import { groupPairs } from '../../data/batches.js';
import { cutSequence } from '../../data/long_sequences.js';
import type { Pairs, Split } from '../../data/pairs.js';
import { lengthsOf } from '../../data/sentences.js';
import { countCharacters, loadTokenLines } from '../../data/tasks/task_splits.js';
import { languageModelScores } from '../../evaluation/language_model.js';
import type { TaskScore as Figure } from '../../evaluation/task_score.js';
import { type Batch, packBatch } from '../../model/pack.js';
import type { Transformer } from '../../model/transformer.js';
import type { LossOptions } from '../../options/loss.js';
import type { ModelOptions } from '../../options/model.js';
import { taskMetrics } from '../../options/tasks/names.js';
import type { TrainConfig } from '../../options/training.js';
import { readTaskTextConfig, TaskText } from '../../text/tasks/task_text.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { warn } from '../../util/warnings.js';
import { perToken } from '../losses.js';
import { PlannedBatches } from '../planned_batches.js';
import { byName, directed, lossOf } from '../scores.js';
import { SplitLengths, trainNames } from '../split_lengths.js';
import type { DataConfig, OptionNames, SplitBatches, Task, TaskSplit, TaskStage, TaskWork } from '../task.js';
import { lossSums } from '../validation_loss.js';
import { blocksOf, linesOf } from './sequences.js';

/** A split that is evaluated. */
interface EvaluatedText {
  sequences: Pairs<Int32Array>;
  /** Of the raw text; null where a part of it was left out. */
  characters: number | null;
  /** How the text was cut, for signatures. */
  described: string;
}

const usualBlock = 512;

/** @throws RdropError INVALID_CONFIG where a block is longer than a model or a batch takes */
function blockLength({ model, batches }: DataConfig, names = trainNames): number {
  const { tokensPerSample = usualBlock, maxTokens } = batches;
  const limits = [
    [model.maxPositions, 'model.maxPositions'],
    [maxTokens, `${names.batches}.maxTokens`],
  ] as const;
  for (const [most, option] of limits) {
    if (tokensPerSample <= most) continue;
    throw new RdropError(
      'INVALID_CONFIG',
      `${names.batches}.tokensPerSample: expected at most ${most} (${option}), got ${tokensPerSample}`,
    );
  }
  return tokensPerSample;
}

/** The sequences of a split. @throws RdropError those of loadTokenLines() and SplitLengths */
async function loadSequences(
  config: DataConfig,
  text: TaskText,
  split: Split,
  {
    lengths,
    signal,
    names,
  }: { lengths: SplitLengths; signal?: AbortSignal | undefined; names?: OptionNames },
): Promise<Pairs<Int32Array>> {
  const lines = await loadTokenLines(config.data, split, text, { signal });
  if (text.config.mode === 'stream') return blocksOf(lines, blockLength(config, names));
  const { places, most } = lengths.fit(lines, split, 'tokens');
  const kept = places ?? Array.from({ length: lines.length }, (_, i) => i);
  return linesOf(Array.from(kept, (i) => cutSequence(lines.at(i), most)));
}

async function loadEvaluated(
  config: TrainConfig,
  text: TaskText,
  split: Exclude<Split, 'train'>,
  work: { lengths: SplitLengths; signal: AbortSignal | undefined },
): Promise<EvaluatedText> {
  const sequences = await loadSequences(config, text, split, work);
  const whole = work.lengths.overlong[split] === undefined;
  const stream = text.config.mode === 'stream';
  return {
    sequences,
    characters: whole ? await countCharacters(config.data, split) : null,
    described: stream ? `tokensPerSample:${blockLength(config)}` : 'lines',
  };
}

interface Measured {
  loss: number;
  nll: number;
  figures: Figure[];
}

/** Loss and figures of a text, every token of which is predicted once. */
async function measured(
  model: Transformer,
  { sequences, characters, described }: EvaluatedText,
  { loss, maxTokens }: { loss: LossOptions; maxTokens: number },
  stage: TaskStage,
  { report, ...work }: TaskWork,
): Promise<Measured> {
  const sums = await lossSums(model, sequences, {
    ...{ ...work, loss, maxTokens },
    onProgress: (...progress) => report?.(stage, ...progress),
  });
  const { nll, tokens } = sums;
  // One character stands in for those that are not known: what is computed from it is left out.
  const scores = languageModelScores({ nll, tokens, characters: characters ?? 1 });
  const known = scores.filter(({ name }) => characters !== null || name !== 'bits_per_character');
  const figures = known.map((each) => ({ ...each, signature: `${each.signature}|${described}` }));
  const { loss: smoothed, nll: bits } = perToken(sums);
  return { loss: smoothed, nll: bits, figures };
}

const splitOf = (text: EvaluatedText, how: { loss: LossOptions; maxTokens: number }): TaskSplit => ({
  async search(model, work) {
    const { nll, figures } = await measured(model, text, how, 'test prediction', work);
    const tokens = text.sequences.target.reduce((sum, { length }) => sum + length, 0);
    const loss: Figure = {
      name: 'loss',
      score: nll * Math.LN2,
      signature: `natural logarithm|tokens:${tokens}|${text.described}`,
    };
    return async () => ({ scores: directed('language-model', [...figures, loss]), files: {} });
  },
});

function batchesOf(
  { source, target }: Pairs<Int32Array>,
  { batches: { maxTokens, multipleOf, maxSentences }, seed }: DataConfig,
): { plan: Int32Array[]; batch: (items: Int32Array) => Batch } {
  const tokens = lengthsOf(target);
  const pick = (side: Int32Array[], items: Int32Array) => Array.from(items, (i) => side[i]!);
  return {
    plan: groupPairs(tokens, tokens, { maxTokens, multipleOf, maxSentences, seed }),
    batch: (items) => ({ source: pick(source, items), target: pick(target, items) }),
  };
}

function networkOf({ model }: Pick<TrainConfig, 'model'>, text: TaskText): ModelOptions {
  const { vocabSize: _v, sourceVocabSize: _s, architecture: _a, output: _o, outputs: _n, ...rest } = model;
  return { ...rest, vocabSize: text.vocabSize, architecture: 'decoder' };
}

export const languageModel: Task = {
  name: 'language-model',
  metrics: taskMetrics['language-model'],
  lossUnit: Math.LN2,
  directed: true,
  laterWins: () => false,

  async textFiles(directory) {
    return TaskText.fileNames(await readTaskTextConfig(directory));
  },

  async dataFiles(directory) {
    return [
      ...TaskText.fileNames(await readTaskTextConfig(directory)),
      ...['train', 'valid', 'test'].map((split) => `${split}.tokens`),
      ...['valid', 'test'].map((split) => join('raw', `${split}.txt`)),
    ];
  },

  async network(config, directory) {
    return networkOf(config, await TaskText.load(directory));
  },

  async open(config, { signal, report, taker }) {
    const steps = 3;
    report?.('reading data', 0, steps);
    const text = await TaskText.load(config.data);
    const lengths = new SplitLengths(config);
    const work = { lengths, signal };
    const sequences = await loadSequences(config, text, 'train', work);
    report?.('reading data', 1, steps);
    const { maxTokens, accumulate } = config.batches;
    const { plan: batches, batch: packed } = batchesOf(sequences, config);
    const pack = (items: Int32Array) => packBatch(packed(items));
    const train = new PlannedBatches({ batches, accumulate, seed: config.seed, pack }, taker);
    report?.('reading data', 2, steps);
    const valid = await loadEvaluated(config, text, 'valid', work);
    let test: EvaluatedText | null = null;
    try {
      test = await loadEvaluated(config, text, 'test', work);
    } catch (error) {
      if (asRdropError(error).code !== 'FILE_NOT_FOUND') throw error;
    }
    report?.('reading data', steps, steps);
    const network = networkOf(config, text);
    const how = { loss: lossOf(config), maxTokens };
    return {
      ...{ task: languageModel, network, loss: how.loss, classes: network.vocabSize, train },
      ...{ overlong: lengths.overlong, warnings: lengths.warnings },
      async validate(model, work) {
        const { figures, ...losses } = await measured(model, valid, how, 'validation loss', work);
        return { ...losses, bleu: null, scores: byName(figures), samples: [] };
      },
      test: test === null ? null : splitOf(test, how),
    };
  },

  async batches(config, split, names): Promise<SplitBatches> {
    const text = await TaskText.load(config.data);
    const lengths = new SplitLengths(config, names, [split]);
    const sequences = await loadSequences(config, text, split, { lengths, names });
    for (const warning of lengths.warnings) warn(warning);
    return { ...batchesOf(sequences, config), loss: lossOf(config) };
  },

  async openSplit(given, directory, split, { signal }) {
    const config = { ...given, data: directory };
    const lengths = new SplitLengths(config);
    const text = await loadEvaluated(config, await TaskText.load(directory), split, { lengths, signal });
    for (const warning of lengths.warnings) warn(warning);
    return splitOf(text, { loss: lossOf(config), maxTokens: config.batches.maxTokens });
  },
};
