/**
 * What a task is: how a prepared directory becomes batches, what the network has, what is measured, and what a prediction is. The
 * training loop, checkpoints, sweeps and reports know this interface and no task by name.
 */
import type { OverlongCount } from '../data/overlong.js';
import type { Split } from '../data/pairs.js';
import type { Batch } from '../model/pack.js';
import type { Transformer } from '../model/transformer.js';
import type { PackedBatch } from '../native/contract.js';
import type { LossOptions } from '../options/loss.js';
import type { ModelOptions } from '../options/model.js';
import type { TaskMetric, TaskName } from '../options/tasks/names.js';
import type { TrainConfig } from '../options/training.js';
import type { OverlongPolicy } from '../options/translation.js';
import type { RdropWarning } from '../util/warnings.js';
import type { BatchTaker, Sharers } from './shares.js';

/** What a task is doing. */
export type TaskStage =
  | 'reading data'
  | 'validation loss'
  | 'validation translation'
  | 'validation prediction'
  | 'test translation'
  | 'test prediction'
  | 'test scores';

/** Told how far a stage is, in batches, sentences or metrics. */
export type TaskReport = (stage: TaskStage, done: number, total: number) => void;

/** Work of a task on a model. */
export interface TaskWork {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  report?: TaskReport | undefined;
  /** Processes that share the work, each of which calls it. Left out: this one alone. */
  ranks?: Sharers | undefined;
}

/** Opening a prepared directory. */
export interface TaskOpening {
  signal?: AbortSignal | undefined;
  report?: TaskReport | undefined;
  /** Which of how many processes takes batches. Left out: there is one. */
  taker?: BatchTaker | undefined;
}

/** What a task reads of a configuration to make batches. */
export type DataConfig = Pick<TrainConfig, 'data' | 'model' | 'loss' | 'batches' | 'overlong' | 'seed'>;

export interface Task {
  readonly name: TaskName;
  /** Names of figures that a validation has; the first picks the best checkpoint unless something else is asked for. */
  readonly metrics: readonly TaskMetric[];
  /** What a loss per target position is divided by: ln 2, so that it is in bits; 1 where it is no log-probability. */
  readonly lossUnit: number;
  /** Whether the passes have distributions, whose divergence has two directions; the difference of two numbers has one. */
  readonly directed: boolean;
  /** Whether of two validations that are equally good the later is the best. */
  laterWins(config: TrainConfig): boolean;
  /**
   * Files of a prepared directory or a run directory that text goes through, by their names there: those that a run directory holds.
   *
   * @throws RdropError FILE_NOT_FOUND, MALFORMED_FILE
   */
  textFiles(directory: string): Promise<string[]>;
  /** Files of a prepared directory that a run reads, those of its text included; which of them are there is another question. */
  dataFiles(directory: string): Promise<string[]>;
  /**
   * The network of a run, from the text of a prepared directory or a run directory.
   *
   * @throws RdropError INVALID_CONFIG where the two do not go together
   */
  network(config: Pick<TrainConfig, 'model' | 'task'>, directory: string): Promise<ModelOptions>;
  /**
   * Reads a prepared directory for training.
   *
   * @throws RdropError ABORTED, INVALID_CONFIG, INVALID_ARGUMENT (something is too long and config.overlong refuses it), those of the
   *   text and data stages
   */
  open(config: TrainConfig, opening: TaskOpening): Promise<TaskData>;
  /**
   * Reads one split to evaluate a trained run on.
   *
   * @param directory a prepared directory whose text goes the way of the run's
   */
  openSplit(
    config: TrainConfig,
    directory: string,
    split: Exclude<Split, 'train'>,
    opening: TaskOpening,
  ): Promise<TaskSplit>;
  /**
   * All batches of one split, for experiments that hold some of them fixed. `batches.maxTokens` limits the sequences of each split.
   *
   * @param names what errors call the options
   * @throws RdropError as open()
   */
  batches(config: DataConfig, split: Split, names: OptionNames): Promise<SplitBatches>;
  /** What predicts texts with a trained run, from the files of its directory. Left out: the task predicts none. */
  predictor?(config: TrainConfig, directory: string): Promise<Predicting>;
}

/** What errors call the options that limit batches. */
export interface OptionNames {
  /** Of maxTokens and tokensPerSample. */
  batches: string;
  overlong: string;
}

/** The batches of a split, in an order of no meaning. */
export interface SplitBatches {
  /** The indices of what is in each. */
  readonly plan: readonly Int32Array[];
  batch(items: Int32Array): Batch;
  /** The loss of training, with what the data say of it. */
  readonly loss: LossOptions;
}

/** A text that is predicted, or two that are one example. */
export type PredictedText = string | readonly [first: string, second: string];

/** What a model says of a text. */
export interface Prediction {
  /** Of classification: the most probable class. */
  label?: string;
  /** Of classification: the probability of each class, by label. */
  probabilities?: Record<string, number>;
  /** Of regression. */
  value?: number;
}

/** How texts are predicted. */
export interface PredictingWork extends Pick<TaskWork, 'signal'> {
  /** What errors call the file of the texts, a line each. */
  name: string;
  /** The line of the first text. */
  line: number;
  /** What happens to a text that is too long. */
  overlong: OverlongPolicy;
  /** Called with the batches predicted, and the number of all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Predicts texts; null for one that was too long and skipped.
 *
 * @throws RdropError ABORTED, INVALID_ARGUMENT for a text that is empty, too long, or not as many as the run was trained on
 */
export type Predicting = (
  model: Transformer,
  texts: readonly PredictedText[],
  work: PredictingWork,
) => Promise<(Prediction | null)[]>;

/** The batches of the training data, by epoch (from 1) and place in the epoch. */
export interface TrainBatches {
  readonly batchesPerEpoch: number;
  readonly updatesPerEpoch: number;
  /** Batches of the epoch that are done after the update that begins with batch `first`. */
  after(first: number): number;
  /** This rank's batches of the update that begins with batch `first` of the epoch; at the end of an epoch perhaps none. */
  at(epoch: number, first: number): PackedBatch[];
}

/** What a run reads of its prepared directory. */
export interface TaskData {
  readonly task: Task;
  readonly network: ModelOptions;
  /** The loss of training, with what the data say of it. */
  readonly loss: LossOptions;
  /** V of the loss: types, classes, or 1 for a number. */
  readonly classes: number;
  readonly train: TrainBatches;
  /** What was too long, by split, where something was. */
  readonly overlong: Partial<Record<Split, OverlongCount>>;
  /** Before the first update. */
  readonly warnings: readonly RdropWarning[];
  /**
   * Loss and figures on the validation split, the same on every rank.
   *
   * @throws RdropError ABORTED
   */
  validate(model: Transformer, work: TaskWork): Promise<Validated>;
  /** null when the directory has no test split. */
  readonly test: TaskSplit | null;
}

/** A validation. */
export interface Validated {
  /** Per target position, in the task's unit. */
  loss: number;
  nll: number;
  /** Of translation, where it was asked for. */
  bleu: number | null;
  /** The figures of the other tasks, by name. */
  scores?: Record<string, number>;
  /** A few predictions, for those who look on. */
  samples: ValidationSample[];
}

/** A sentence of the validation split. */
export interface ValidationSample {
  /** From 1 on. */
  line: number;
  source: string;
  hypothesis: string;
  reference: string;
}

/** A split that a model is evaluated on. */
export interface TaskSplit {
  /**
   * What the model makes of it; ranks share the work.
   *
   * @returns how that is judged, which needs the model no longer
   * @throws RdropError ABORTED
   */
  search(model: Transformer, work: TaskWork): Promise<(work: TaskWork) => Promise<Evaluation>>;
}

/** What a model makes of a split, and how good that is. */
export interface Evaluation {
  /** The first is the task's own. */
  scores: TaskScore[];
  /** Files of hypotheses/, by name. */
  files: Record<string, readonly string[]>;
}

/** A figure that the field prints. */
export interface TaskScore {
  name: string;
  score: number;
  /** How it was computed, in the form of sacreBLEU's. */
  signature: string;
  higherIsBetter: boolean;
}
