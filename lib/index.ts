/**
 * The public API, in the order in which data flows. Importing it must stay quick: what begins long work (and may as well
 * wait for a file) is loaded by its first call, here; zod, vega and libtorch by whoever needs them.
 */

export type {} from './globals.js';

// Options and errors.

export type { ExportFormat, ExportOptions, FairseqImportOptions } from './config/interchange.js';
export {
  type Alternative,
  type Arm,
  type BeamOptions,
  type BleuOptions,
  type BpeApplyOptions,
  type ChrfOptions,
  type ComparisonOptions,
  type DictionaryOptions,
  type FairseqScoreOptions,
  type KlDirection,
  klDirections,
  type LockConfig,
  type LossOptions,
  type ModelOptions,
  type MosesDetokenizeOptions,
  type NormalizeOptions,
  type OneBestOptions,
  type OpenConfig,
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

export { type RdropWarning, type WarningCode, warningCodes } from './util/warnings.js';

// Text, dictionary and byte pair encoding.

export { Bpe } from './text/bpe.js';
export { readVocabulary, vocabularyOf } from './text/bpe_vocabulary.js';
export { mosesDetokenise } from './text/detokenise.js';
export { Dictionary } from './text/dictionary.js';
export { normalisePunctuation } from './text/normalise.js';
export { joinPieces, type PieceConvention } from './text/pieces.js';
export { TextPipeline } from './text/pipeline.js';
export { readProtectedPatterns } from './text/protected_patterns.js';
export { sacremosesDetokenise } from './text/sacremoses_detokenise.js';
export { mosesTokenise } from './text/tokenise.js';

// Corpus and batches, and the file format of parameters.

export { type BatchPlanOptions, planBatches } from './data/batches.js';
export type { CleanedCorpus, LengthLimits } from './data/clean_corpus.js';
/** cleanCorpus of lib/data/clean_corpus.ts. */
export const cleanCorpus: typeof import('./data/clean_corpus.js').cleanCorpus = async (...args) =>
  (await import('./data/clean_corpus.js')).cleanCorpus(...args);
export type { Split } from './data/corpus.js';
/** loadCorpus of lib/data/corpus.ts. */
export const loadCorpus: typeof import('./data/corpus.js').loadCorpus = async (...args) =>
  (await import('./data/corpus.js')).loadCorpus(...args);
/** loadRaw of lib/data/corpus.ts. */
export const loadRaw: typeof import('./data/corpus.js').loadRaw = async (...args) =>
  (await import('./data/corpus.js')).loadRaw(...args);
/** prepareIwslt14 of lib/data/iwslt14.ts. */
export const prepareIwslt14: typeof import('./data/iwslt14.js').prepareIwslt14 = async (...args) =>
  (await import('./data/iwslt14.js')).prepareIwslt14(...args);
/** prepareCorpus of lib/data/prepare.ts. */
export const prepareCorpus: typeof import('./data/prepare.js').prepareCorpus = async (...args) =>
  (await import('./data/prepare.js')).prepareCorpus(...args);
export type { PrepareProgress, PrepareResult, PrepareRun } from './data/prepare_stages.js';
export {
  encodeSafetensors,
  readSafetensors,
  type SafetensorsFile,
  type Tensor,
} from './data/safetensors.js';

// Model and loss.

export type { Batch } from './model/pack.js';
export { type LogitsArray, type RdropLossResult, rdropLoss, rdropLossSync } from './model/rdrop_loss.js';
export {
  type GradientOptions,
  type Hypothesis,
  type LossAndGradients,
  Transformer,
} from './model/transformer.js';

// Training.

export type { StepMetrics, TrainMetrics, ValidMetrics } from './training/metrics.js';
export type { RunResult } from './training/run_directory.js';
export type { TrainListener, TrainProgress, TrainStage } from './training/stages.js';
export type { StopReason, TrainEvent } from './training/train_events.js';
export {
  type CreateWork,
  type FitOptions,
  type OpenWork,
  type ResumeOptions,
  Trainer,
} from './training/trainer.js';

// Translation.

export {
  type LoadOptions,
  type NBestTranslation,
  type TextHypothesis,
  type TranslateOptions,
  type Translation,
  Translator,
} from './translation/translator.js';

// Interchange: fairseq's checkpoints, and directories for other programs.

export type { ModelExport } from './interchange/export_model.js';
/** exportModel of lib/interchange/export_model.ts. */
export const exportModel: typeof import('./interchange/export_model.js').exportModel = async (...args) =>
  (await import('./interchange/export_model.js')).exportModel(...args);
export type { FairseqCheckpoint, InterchangeRun } from './interchange/fairseq_checkpoint.js';
/** readFairseqCheckpoint of lib/interchange/fairseq_checkpoint.ts. */
export const readFairseqCheckpoint: typeof import('./interchange/fairseq_checkpoint.js').readFairseqCheckpoint =
  async (...args) => (await import('./interchange/fairseq_checkpoint.js')).readFairseqCheckpoint(...args);
export type { FairseqImport } from './interchange/import_fairseq.js';
/** importFairseq of lib/interchange/import_fairseq.ts. */
export const importFairseq: typeof import('./interchange/import_fairseq.js').importFairseq = async (
  ...args
) => (await import('./interchange/import_fairseq.js')).importFairseq(...args);

// Evaluation.

export { type BleuScore, bleu, bleuMetric } from './evaluation/bleu.js';
export { type ChrfScore, chrf, chrfMetric } from './evaluation/chrf.js';
export { splitCompounds } from './evaluation/compound_split.js';
export { type FairseqScore, fairseqMetric, fairseqScore } from './evaluation/fairseq_score.js';
export type { Metric } from './evaluation/metric.js';
export type { ScoredTexts, ScoreRow } from './evaluation/score_table.js';
/** scoreAll of lib/evaluation/score_table.ts. */
export const scoreAll: typeof import('./evaluation/score_table.js').scoreAll = async (...args) =>
  (await import('./evaluation/score_table.js')).scoreAll(...args);
export type { References } from './evaluation/segments.js';
export type {
  ConfidenceResult,
  PairedCorpus,
  PairedResult,
  SystemCorpus,
} from './evaluation/significance.js';
/** bootstrapConfidence of lib/evaluation/significance.ts. */
export const bootstrapConfidence: typeof import('./evaluation/significance.js').bootstrapConfidence = async (
  ...args
) => (await import('./evaluation/significance.js')).bootstrapConfidence(...args);
/** pairedApproximateRandomisation of lib/evaluation/significance.ts. */
export const pairedApproximateRandomisation: typeof import('./evaluation/significance.js').pairedApproximateRandomisation =
  async (...args) => (await import('./evaluation/significance.js')).pairedApproximateRandomisation(...args);
/** pairedBootstrap of lib/evaluation/significance.ts. */
export const pairedBootstrap: typeof import('./evaluation/significance.js').pairedBootstrap = async (
  ...args
) => (await import('./evaluation/significance.js')).pairedBootstrap(...args);
export { type TerScore, ter, terMetric } from './evaluation/ter.js';

// Experiments: demo, sweep, statistics, theory, report.

export type { DemoCorpus, DemoCorpusOptions } from './experiment/demo_corpus.js';
/** demoCorpus of lib/experiment/demo_corpus.ts; a promise here, because its grammars are loaded by the first call. */
export const demoCorpus = async (
  ...args: Parameters<typeof import('./experiment/demo_corpus.js').demoCorpus>
): Promise<import('./experiment/demo_corpus.js').DemoCorpus> =>
  (await import('./experiment/demo_corpus.js')).demoCorpus(...args);
/** writeDemoCorpus of lib/experiment/demo_corpus.ts. */
export const writeDemoCorpus: typeof import('./experiment/demo_corpus.js').writeDemoCorpus = async (
  ...args
) => (await import('./experiment/demo_corpus.js')).writeDemoCorpus(...args);
export type { PlannedComparison } from './experiment/planned_comparison.js';
export { type PlannedPower, plannedPower, smallestP } from './experiment/planned_power.js';
export type { RunSummary } from './experiment/report.js';
/** writeReport of lib/experiment/report.ts. */
export const writeReport: typeof import('./experiment/report.js').writeReport = async (...args) =>
  (await import('./experiment/report.js')).writeReport(...args);
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
export type { SweepEvent, SweepTrainOptions, TrialName } from './experiment/sweep.js';
/** sweep of lib/experiment/sweep.ts. */
export const sweep: typeof import('./experiment/sweep.js').sweep = async function* (...args) {
  yield* (await import('./experiment/sweep.js')).sweep(...args);
};
export type { TheoryResult, TheoryRun } from './experiment/theory.js';
/** theory of lib/experiment/theory.ts. */
export const theory: typeof import('./experiment/theory.js').theory = async (...args) =>
  (await import('./experiment/theory.js')).theory(...args);
export type { DirectionEstimate, GroupEstimate } from './experiment/theory_estimates.js';
/** writeTheory of lib/experiment/theory_report.ts. */
export const writeTheory: typeof import('./experiment/theory_report.js').writeTheory = async (...args) =>
  (await import('./experiment/theory_report.js')).writeTheory(...args);
