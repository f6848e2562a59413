/** What classification and regression share: an encoder with a head over texts. */
import type { Transformer } from '../../model/transformer.js';
import type { LossOptions } from '../../options/loss.js';
import type { ModelOptions } from '../../options/model.js';
import { type TaskMetric, type TaskName, taskMetrics } from '../../options/tasks/names.js';
import type { TrainConfig } from '../../options/training.js';
import { readTaskTextConfig, TaskText } from '../../text/tasks/task_text.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { warn } from '../../util/warnings.js';
import { byName, cell, lossOf, spaced } from '../scores.js';
import { SplitLengths } from '../split_lengths.js';
import type {
  Evaluation,
  Predicting,
  Prediction,
  SplitBatches,
  Task,
  TaskSplit,
  TaskWork,
  Validated,
} from '../task.js';
import {
  batchOf,
  type Examples,
  exampleBatches,
  loadExamples,
  loadReadable,
  planOf,
  type ReadableExamples,
  splitFiles,
} from './examples.js';
import { sequenceOutputs } from './outputs.js';
import { predictor } from './predictor.js';

/** What the examples of a task are judged by. */
export interface Judged {
  /** Per example, in the unit of the task. */
  loss: number;
  nll: number;
  scores: Evaluation['scores'];
  /** What stands for the prediction and what is right, of an example. */
  predicted: (example: number) => string;
  expected: (example: number) => string;
  /** Columns of the table of predictions, besides line, expected and predicted. */
  columns: readonly string[];
  cells: (example: number) => string[];
}

/** What the head of one task means. */
export interface Head {
  name: Extract<TaskName, 'classification' | 'regression'>;
  lossUnit: number;
  directed: boolean;
  /** Names of the files beside the text's that a run directory holds. */
  files: readonly string[];
  /** Names of the classes; null: numbers. */
  labels(directory: string): Promise<string[] | null>;
  /** The loss of training, with what the examples say of it. */
  loss(config: Pick<TrainConfig, 'loss'>, train: Examples, labels: readonly string[] | null): LossOptions;
  judge(
    outputs: Float64Array,
    examples: Examples,
    labels: readonly string[] | null,
    loss: LossOptions,
  ): Judged;
  prediction(outputs: Float64Array, labels: readonly string[] | null): Prediction;
}

/** The task of a head. */
export function sequenceTask(head: Head): Task {
  const metrics: readonly TaskMetric[] = taskMetrics[head.name];
  const network = (
    { model }: Pick<TrainConfig, 'model'>,
    text: TaskText,
    labels: readonly string[] | null,
  ): ModelOptions => networkOf(model, text, labels);
  const task: Task = {
    name: head.name,
    metrics,
    lossUnit: head.lossUnit,
    directed: head.directed,
    laterWins: () => false,

    async textFiles(directory) {
      return [...TaskText.fileNames(await readTaskTextConfig(directory)), ...head.files];
    },

    async dataFiles(directory) {
      const config = await readTaskTextConfig(directory);
      return [...TaskText.fileNames(config), ...head.files, ...splitFiles(config.pairs === true)];
    },

    async network(config, directory) {
      return network(config, await TaskText.load(directory), await head.labels(directory));
    },

    async open(config, { signal, report, taker }) {
      const steps = 3;
      report?.('reading data', 0, steps);
      const text = await TaskText.load(config.data);
      const labels = await head.labels(config.data);
      const made = network(config, text, labels);
      const lengths = new SplitLengths(config);
      const source = { config, text, labels, lengths, signal };
      const train = await loadExamples(source, 'train');
      const loss = head.loss(config, train, labels);
      report?.('reading data', 1, steps);
      const batches = exampleBatches(train, config, taker);
      report?.('reading data', 2, steps);
      const valid = await loadReadable(source, 'valid');
      const test = await orNull(loadReadable(source, 'test'));
      report?.('reading data', steps, steps);
      const { maxTokens } = config.batches;
      const evaluated = (examples: ReadableExamples) =>
        evaluation(head, examples, { labels, loss, maxTokens });
      return {
        ...{ task, network: made, loss, classes: labels?.length ?? 1, train: batches },
        ...{ overlong: lengths.overlong, warnings: lengths.warnings },
        validate: (model, work) => validated(head, model, valid, { labels, loss, maxTokens }, work),
        test: test === null ? null : evaluated(test),
      };
    },

    async batches(config, split, names): Promise<SplitBatches> {
      const text = await TaskText.load(config.data);
      const labels = await head.labels(config.data);
      const lengths = new SplitLengths(config, names, [split]);
      const source = { config, text, labels };
      const examples = await loadExamples({ ...source, lengths }, split);
      for (const warning of lengths.warnings) warn(warning);
      // Weights of classes come from the examples of training, whose lengths do not matter.
      const weighted = config.loss.classWeights !== undefined && split !== 'train';
      const whole = new SplitLengths({ ...config, overlong: 'truncate' }, names, []);
      const train = weighted ? await loadExamples({ ...source, lengths: whole }, 'train') : examples;
      return {
        plan: planOf(examples, config),
        batch: (items) => batchOf(examples, items),
        loss: head.loss(config, train, labels),
      };
    },

    async openSplit(given, directory, split, { signal }) {
      const config = { ...given, data: directory };
      const text = await TaskText.load(directory);
      const labels = await head.labels(directory);
      const lengths = new SplitLengths(config);
      const examples = await loadReadable({ config, text, labels, lengths, signal }, split);
      for (const warning of lengths.warnings) warn(warning);
      // Weights are for training.
      return evaluation(head, examples, {
        labels,
        loss: lossOf(config),
        maxTokens: config.batches.maxTokens,
      });
    },

    async predictor(config, directory): Promise<Predicting> {
      const labels = await head.labels(directory);
      const text = await TaskText.load(directory);
      return predictor(text, config, (outputs) => head.prediction(outputs, labels));
    },
  };
  return task;
}

/** @throws RdropError INVALID_CONFIG where the network has one type of token for two segments */
function networkOf(
  {
    vocabSize: _v,
    sourceVocabSize: _s,
    architecture: _a,
    output: _o,
    outputs: _n,
    ...model
  }: TrainConfig['model'],
  text: TaskText,
  labels: readonly string[] | null,
): ModelOptions {
  // RoBERTa's tokenizer has pairs, but one type for both.
  const hasPairs = text.config.pairs === true && model.tokenTypes === 1;
  if (hasPairs && text.encode('a', 'a').types.includes(1)) {
    throw new RdropError(
      'INVALID_CONFIG',
      'model.tokenTypes: expected 0, or 2 and more for texts that are pairs, got 1',
    );
  }
  return {
    ...model,
    vocabSize: text.vocabSize,
    architecture: 'encoder',
    ...(labels === null
      ? { output: 'value' as const, outputs: 1 }
      : { output: 'classes' as const, outputs: labels.length }),
  };
}

async function orNull<T>(loading: Promise<T>): Promise<T | null> {
  try {
    return await loading;
  } catch (error) {
    if (asRdropError(error).code !== 'FILE_NOT_FOUND') throw error;
    return null;
  }
}

interface Judging {
  labels: readonly string[] | null;
  loss: LossOptions;
  maxTokens: number;
}

async function validated(
  head: Head,
  model: Transformer,
  examples: ReadableExamples,
  { labels, loss, maxTokens }: Judging,
  { report, ...work }: TaskWork,
): Promise<Validated> {
  const outputs = await sequenceOutputs(model, examples, {
    ...{ ...work, maxTokens },
    onProgress: (...progress) => report?.('validation prediction', ...progress),
  });
  const judged = head.judge(outputs, examples, labels, loss);
  return {
    loss: judged.loss,
    nll: judged.nll,
    bleu: null,
    scores: byName(judged.scores),
    samples: spaced(examples.sequences.length).map((at) => ({
      line: examples.lines[at]!,
      source: examples.texts[at]!,
      hypothesis: judged.predicted(at),
      reference: judged.expected(at),
    })),
  };
}

function evaluation(head: Head, examples: ReadableExamples, { labels, loss, maxTokens }: Judging): TaskSplit {
  return {
    async search(model, { report, ...work }) {
      const outputs = await sequenceOutputs(model, examples, {
        ...{ ...work, maxTokens },
        onProgress: (...progress) => report?.('test prediction', ...progress),
      });
      return async (): Promise<Evaluation> => {
        const { scores, predicted, expected, columns, cells } = head.judge(outputs, examples, labels, loss);
        const rows = examples.texts.map((text, at) =>
          [examples.lines[at]!, expected(at), predicted(at), ...cells(at), text].map((each) =>
            cell(String(each)),
          ),
        );
        const header = ['line', 'expected', 'predicted', ...columns, 'text'];
        return { scores, files: { 'predictions.tsv': [header, ...rows].map((row) => row.join('\t')) } };
      };
    },
  };
}
