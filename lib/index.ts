/** The public API, in the order in which data flows. */

export type {} from './util/globals.js';

// Options and errors.

export type { BatchPlanOptions, BatchSizeOptions, TrainBatchOptions } from './options/batches.js';
export type { DemoTextOptions } from './options/demo.js';
export type { DistributedOptions, GradientBackend, WireType } from './options/distributed.js';
export type {
  ExportFormat,
  ExportOptions,
  FairseqImportOptions,
  HuggingFaceImportOptions,
} from './options/interchange.js';
export { type KlDirection, klDirections, type LossOptions, type TrainLossOptions } from './options/loss.js';
export type { ModelConfig, ModelOptions, RunModelOptions } from './options/model.js';
export type { LockOptions, OpenOptions } from './options/opening.js';
export type { OptimizerConfig, OptimizerOptions } from './options/optimizer.js';
export type { Iwslt14Options, PrepareOptions } from './options/preparation.js';
export { type PartialTrainOptions, presets } from './options/presets.js';
export type { QueueOptions } from './options/queue.js';
export type { DeviceName, Precision, RuntimeOptions } from './options/runtime.js';
export type { GridValue, SweepOptions, TrialDirection } from './options/sweep.js';
export type { GenerationOptions } from './options/tasks/generation.js';
export { type TaskMetric, type TaskName, taskMetrics, taskNames } from './options/tasks/names.js';
export type {
  PrepareClassificationOptions,
  PrepareLanguageModelOptions,
  PrepareRegressionOptions,
  PrepareTaskOptions,
} from './options/tasks/preparation.js';
export type { PreparedTask, TextPieces } from './options/tasks/text.js';
export type { DropoutMomentsOptions } from './options/theory.js';
export type { PresetName, ResumeOptions, TrainConfig, TrainOptions } from './options/training.js';
export type { BeamOptions, BeamSearchOptions, OverlongPolicy } from './options/translation.js';
export type { WatchedQueue, WatchOptions } from './options/watch.js';
export type { WorkerOptions } from './options/worker.js';
export { type ErrorCode, errorCodes, RdropError } from './util/errors.js';
export { type RdropWarning, type WarningCode, warningCodes } from './util/warnings.js';

// Text, dictionary and byte pair encoding.

export * from './text/index.js';

// Corpus and batches, and the file format of parameters.

export { planBatches } from './data/batches.js';
export { loadCorpus, loadReferences } from './data/corpus.js';
export { prepareIwslt14 } from './data/iwslt14/iwslt14.js';
export type { Split } from './data/pairs.js';
export { type CleanedCorpus, cleanCorpus, type LengthLimits } from './data/preparation/clean_corpus.js';
export { prepareCorpus } from './data/preparation/prepare.js';
export type { PrepareProgress, PrepareResult, PrepareRun } from './data/preparation/stages.js';
export type { SafetensorsFile, Tensor } from './data/safetensors/safetensors.js';
export { encodeSafetensors, readSafetensors } from './data/safetensors/safetensors.js';
export { prepareTask } from './data/tasks/prepare_task.js';
export type { PrepareTaskResult, TaskSplitSummary } from './data/tasks/task_pieces.js';
export { type DemoCorpus, type DemoCorpusOptions, demoCorpus, writeDemoCorpus } from './demo/corpus.js';
export { writeDemoText } from './demo/task_text.js';

// Model and loss.

export type { Batch } from './model/pack.js';
export { type LogitsArray, type RdropLossResult, rdropLoss, rdropLossSync } from './model/rdrop_loss.js';
export { type SquaredErrorResult, squaredErrorLoss } from './model/squared_error.js';
export {
  type Generation,
  type GradientOptions,
  type Hypothesis,
  type LossAndGradients,
  Transformer,
} from './model/transformer.js';

// Training.

export type { StepMetrics, TrainMetrics, ValidationMetrics } from './training/metrics.js';
export type { CreateWork, OpenWork } from './training/run/open_run.js';
export type { RunResult } from './training/run/run_directory.js';
export type { TrainListener, TrainProgress, TrainStage } from './training/stages.js';
export type { StopReason, TrainEvent } from './training/train_events.js';
export { type FitOptions, Trainer } from './training/trainer.js';
export type { ValidationHook } from './training/validation_hook.js';

// Translation.

export type {
  LineStream,
  LoadOptions,
  NBestTranslation,
  StreamOptions,
  TextHypothesis,
  TranslateOptions,
  Translation,
} from './translation/translator.js';
export { Translator } from './translation/translator.js';

// Generation.

export {
  type GeneratedText,
  Generator,
} from './generation/generator.js';

// Prediction and evaluation of runs, whatever their task.

export type { EvaluateWork, RunEvaluation } from './prediction/evaluate_run.js';
export { evaluateRun } from './prediction/evaluate_run.js';
export type { PredictedText, Prediction, PredictWork } from './prediction/predictor.js';
export { Predictor } from './prediction/predictor.js';

// Interchange: fairseq's checkpoints, and directories for other programs.

export { exportModel, type ModelExport } from './interchange/export_model.js';
export type { InterchangeRun } from './interchange/fairseq/checkpoint.js';
export { type FairseqCheckpoint, readFairseqCheckpoint } from './interchange/fairseq/checkpoint.js';
export { type FairseqImport, importFairseq } from './interchange/fairseq/import_fairseq.js';
export { type HuggingFaceImport, importHuggingFace } from './interchange/huggingface/import_huggingface.js';

// Evaluation, sweep, statistics, report, theory.

export * from './evaluation/index.js';
export { type RunSummary, writeReport } from './report/report.js';
export { type Watch, type WatchControl, watch } from './report/watch/watch.js';
export * from './statistics/index.js';
export {
  type RungScore,
  type SweepEvent,
  type SweepTrainOptions,
  sweep,
  type TrialName,
} from './sweep/sweep.js';
export {
  startWorker,
  type TrialWorker,
  type WorkerControl,
  type WorkerEvent,
} from './sweep/worker/worker.js';
export type { DirectionEstimate, GroupEstimate } from './theory/estimates.js';
export { writeDropoutMoments } from './theory/report.js';
export { type DropoutMoments, type DropoutMomentsRun, dropoutMoments } from './theory/theory.js';
