/** The public API, in the order in which data flows. */

// Options and errors.

export {
  type Alternative,
  type Arm,
  type BeamOptions,
  type BleuOptions,
  type BpeApplyOptions,
  type ChrfOptions,
  type ComparisonOptions,
  type DictionaryOptions,
  type ExportFormat,
  type ExportOptions,
  type FairseqImportOptions,
  type FairseqScoreOptions,
  type KlDirection,
  klDirections,
  type LossOptions,
  type ModelOptions,
  type MosesDetokenizeOptions,
  type NormalizeOptions,
  type OneBestOptions,
  type OptimizerConfig,
  type PlannedPowerOptions,
  type PlannedTest,
  type RandomisationOptions,
  type RuntimeOptions,
  type ScoreTableOptions,
  type SentenceBootstrapOptions,
  type SweepOptions,
  type TerOptions,
  type TheoryOptions,
  type TokenizeOptions,
  type TrainConfig,
  type TrainOptions,
} from './config.js';
export { type ErrorCode, errorCodes, RdropError } from './errors.js';
export { type PartialTrainOptions, type PresetName, presets } from './presets.js';

// Text, dictionary and byte pair encoding.

export { Bpe } from './text/bpe.js';
export { readVocabulary, vocabularyOf } from './text/bpe_vocabulary.js';
export { mosesDetokenise } from './text/detokenise.js';
export { Dictionary } from './text/dictionary.js';
export { normalisePunctuation } from './text/normalise.js';
export { TextPipeline } from './text/pipeline.js';
export { readProtectedPatterns } from './text/protected_patterns.js';
export { sacremosesDetokenise } from './text/sacremoses_detokenise.js';
export { mosesTokenise } from './text/tokenise.js';

// Corpus and batches, and the file format of parameters.

export { type BatchPlanOptions, planBatches } from './data/batches.js';
export { type CleanedCorpus, cleanCorpus, type LengthLimits } from './data/clean_corpus.js';
export { loadCorpus, loadRaw, type Split } from './data/corpus.js';
export { prepareIwslt14 } from './data/iwslt14.js';
export { prepareCorpus } from './data/prepare.js';
export type { PrepareProgress, PrepareResult, PrepareRun } from './data/prepare_stages.js';
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

export { type BleuScore, bleu, bleuMetric } from './evaluation/bleu.js';
export { type ChrfScore, chrf, chrfMetric } from './evaluation/chrf.js';
export { splitCompounds } from './evaluation/compound_split.js';
export { type FairseqScore, fairseqMetric, fairseqScore } from './evaluation/fairseq_score.js';
export type { Metric } from './evaluation/metric.js';
export { type ScoredTexts, type ScoreRow, scoreAll } from './evaluation/score_table.js';
export type { References } from './evaluation/segments.js';
export {
  bootstrapConfidence,
  type ConfidenceResult,
  type PairedCorpus,
  type PairedResult,
  pairedApproximateRandomisation,
  pairedBootstrap,
  type SystemCorpus,
} from './evaluation/significance.js';
export { type TerScore, ter, terMetric } from './evaluation/ter.js';

// Experiments: demo, sweep, statistics, theory, report.

export {
  type DemoCorpus,
  type DemoCorpusOptions,
  demoCorpus,
  writeDemoCorpus,
} from './experiment/demo_corpus.js';
export type { PlannedComparison } from './experiment/planned_comparison.js';
export { type PlannedPower, plannedPower, smallestP } from './experiment/planned_power.js';
export { type RunSummary, writeReport } from './experiment/report.js';
export {
  type BootstrapInterval,
  bootstrapDifference,
  cohensD,
  compareAllPairs,
  compareRuns,
  type EffectSize,
  effectSize,
  hedgesG,
  hodgesLehmann,
  holm,
  meanDifference,
  type PairOfArms,
  pairedEffectSize,
  pairedHodgesLehmann,
  type RunComparison,
  type Shift,
  wilcoxonRankSum,
  wilcoxonSignedRank,
} from './experiment/statistics.js';
export { type SweepEvent, type SweepTrainOptions, sweep, type TrialName } from './experiment/sweep.js';
export { type TheoryResult, type TheoryRun, theory } from './experiment/theory.js';
export type { DirectionEstimate, GroupEstimate } from './experiment/theory_estimates.js';
export { writeTheory } from './experiment/theory_report.js';
