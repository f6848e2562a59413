/** The public API, in the order in which data flows. */

// Options and errors.

export {
  type Arm,
  type BeamOptions,
  type ExportFormat,
  type ExportOptions,
  type FairseqImportOptions,
  type KlDirection,
  klDirections,
  type LossOptions,
  type ModelOptions,
  type OneBestOptions,
  type OptimizerConfig,
  type RuntimeOptions,
  type SweepOptions,
  type TrainConfig,
  type TrainOptions,
} from './config.js';
export { type ErrorCode, errorCodes, RdropError } from './errors.js';
export { type PartialTrainOptions, type PresetName, presets } from './presets.js';

// Text, dictionary and byte pair encoding.

export { Bpe } from './text/bpe.js';
export { mosesDetokenise } from './text/detokenise.js';
export { Dictionary } from './text/dictionary.js';
export { normalisePunctuation } from './text/normalise.js';
export { TextPipeline } from './text/pipeline.js';
export { mosesTokenise } from './text/tokenise.js';

// Corpus and batches, and the file format of parameters.

export { type BatchPlanOptions, planBatches } from './data/batches.js';
export { loadCorpus, loadRaw, type Split } from './data/corpus.js';
export { type PrepareResult, prepareCorpus } from './data/prepare.js';
export {
  encodeSafetensors,
  readSafetensors,
  type SafetensorsFile,
  type Tensor,
} from './data/safetensors.js';

// Model and loss.

export type { Batch } from './model/pack.js';
export { type LogitsArray, type RdropLossResult, rdropLoss } from './model/rdrop_loss.js';
export {
  type GradientOptions,
  type Hypothesis,
  type LossAndGradients,
  Transformer,
} from './model/transformer.js';

// Training.

export type { StepMetrics, TrainMetrics, ValidMetrics } from './training/metrics.js';
export type { RunResult } from './training/run_directory.js';
export { type ResumeOptions, Trainer } from './training/trainer.js';
export type { StopReason, TrainEvent } from './training/training_loop.js';

// Translation.

export {
  type LoadOptions,
  type TranslateOptions,
  type Translation,
  Translator,
} from './translation/translator.js';

// Interchange: fairseq's checkpoints, and directories for other programs.

export { exportModel, type ModelExport } from './interchange/export_model.js';
export {
  type FairseqCheckpoint,
  type InterchangeRun,
  readFairseqCheckpoint,
} from './interchange/fairseq_checkpoint.js';
export { type FairseqImport, importFairseq } from './interchange/import_fairseq.js';

// Evaluation.

export { type BleuScore, bleu } from './evaluation/bleu.js';

// Experiments: demo, sweep, statistics, report.

export {
  type DemoCorpus,
  type DemoCorpusOptions,
  demoCorpus,
  writeDemoCorpus,
} from './experiment/demo_corpus.js';
export { type RunSummary, writeReport } from './experiment/report.js';
export {
  type BootstrapInterval,
  bootstrapDifference,
  cohensD,
  compareRuns,
  meanDifference,
  type RunComparison,
  wilcoxonRankSum,
  wilcoxonSignedRank,
} from './experiment/statistics.js';
export { type SweepEvent, type SweepTrainOptions, sweep, type TrialName } from './experiment/sweep.js';
