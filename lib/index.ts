/**
 * The public API, in the order in which data flows. Importing it must stay quick: what begins long work (and may as well
 * wait for a file) is loaded by its first call, here; zod, vega and libtorch by whoever needs them.
 */

export type {} from './util/globals.js';

// Options and errors.

export {
  type Alternative,
  type BeamOptions,
  type BeamSearchOptions,
  type BleuOptions,
  type BpeApplyOptions,
  type ChrfOptions,
  type ComparisonOptions,
  type DictionaryOptions,
  type DropoutMomentsOptions,
  type FairseqScoreOptions,
  type KlDirection,
  klDirections,
  type LockConfig,
  type LossOptions,
  type ModelOptions,
  type MosesDetokenizeOptions,
  type NormalizeOptions,
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
  type TokenizeOptions,
  type TrainConfig,
  type TrainOptions,
  type TrialDirection,
} from './options/index.js';
export type { ExportFormat, ExportOptions, FairseqImportOptions } from './options/interchange.js';
export { type PartialTrainOptions, type PresetName, presets } from './options/presets.js';
export { type ErrorCode, errorCodes, RdropError } from './util/errors.js';

export { type RdropWarning, type WarningCode, warningCodes } from './util/warnings.js';

// Text, dictionary and byte pair encoding.

export { Dictionary } from './text/dictionary.js';
export { mosesDetokenize } from './text/moses/detokenizer.js';
export { normalisePunctuation } from './text/moses/normalizer.js';
export { readProtectedPatterns } from './text/moses/protected_patterns.js';
export { sacremosesDetokenize } from './text/moses/sacremoses_detokenizer.js';
export { mosesTokenize } from './text/moses/tokenizer.js';
export { Bpe } from './text/pieces/bpe.js';
export { countWords, readVocabulary } from './text/pieces/bpe_vocabulary.js';
export { joinPieces, type PieceConvention } from './text/pieces/pieces.js';
export { TextPipeline } from './text/pipeline.js';

// Corpus and batches, and the file format of parameters.

export { type BatchPlanOptions, planBatches } from './data/batches.js';
export type { CleanedCorpus, LengthLimits } from './data/preparation/clean_corpus.js';
/** cleanCorpus of lib/data/preparation/clean_corpus.ts. */
export const cleanCorpus: typeof import('./data/preparation/clean_corpus.js').cleanCorpus = async (...args) =>
  (await import('./data/preparation/clean_corpus.js')).cleanCorpus(...args);
export type { Split } from './data/pairs.js';
/** loadCorpus of lib/data/corpus.ts. */
export const loadCorpus: typeof import('./data/corpus.js').loadCorpus = async (...args) =>
  (await import('./data/corpus.js')).loadCorpus(...args);
/** loadReferences of lib/data/corpus.ts. */
export const loadReferences: typeof import('./data/corpus.js').loadReferences = async (...args) =>
  (await import('./data/corpus.js')).loadReferences(...args);
/** prepareIwslt14 of lib/data/iwslt14/iwslt14.ts. */
export const prepareIwslt14: typeof import('./data/iwslt14/iwslt14.js').prepareIwslt14 = async (...args) =>
  (await import('./data/iwslt14/iwslt14.js')).prepareIwslt14(...args);
/** prepareCorpus of lib/data/preparation/prepare.ts. */
export const prepareCorpus: typeof import('./data/preparation/prepare.js').prepareCorpus = async (...args) =>
  (await import('./data/preparation/prepare.js')).prepareCorpus(...args);
export type { PrepareProgress, PrepareResult, PrepareRun } from './data/preparation/stages.js';
export {
  encodeSafetensors,
  readSafetensors,
  type SafetensorsFile,
  type Tensor,
} from './data/safetensors/safetensors.js';

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

export type { StepMetrics, TrainMetrics, ValidationMetrics } from './training/metrics.js';
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
export type { FairseqCheckpoint, InterchangeRun } from './interchange/fairseq/checkpoint.js';
/** readFairseqCheckpoint of lib/interchange/fairseq/checkpoint.ts. */
export const readFairseqCheckpoint: typeof import('./interchange/fairseq/checkpoint.js').readFairseqCheckpoint =
  async (...args) => (await import('./interchange/fairseq/checkpoint.js')).readFairseqCheckpoint(...args);
export type { FairseqImport } from './interchange/fairseq/import_fairseq.js';
/** importFairseq of lib/interchange/fairseq/import_fairseq.ts. */
export const importFairseq: typeof import('./interchange/fairseq/import_fairseq.js').importFairseq = async (
  ...args
) => (await import('./interchange/fairseq/import_fairseq.js')).importFairseq(...args);

// Evaluation.

export { type BleuScore, bleu, bleuMetric } from './evaluation/bleu.js';
export { type ChrfScore, chrf, chrfMetric } from './evaluation/chrf.js';
export { splitCompounds } from './evaluation/compound_split.js';
export { type FairseqScore, fairseqMetric, fairseqScore } from './evaluation/fairseq_score.js';
export type { Metric } from './evaluation/metric.js';
export type { ScoredTexts, ScoreRow } from './evaluation/score_table.js';
/** scoreTable of lib/evaluation/score_table.ts. */
export const scoreTable: typeof import('./evaluation/score_table.js').scoreTable = async (...args) =>
  (await import('./evaluation/score_table.js')).scoreTable(...args);
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
/** pairedApproximateRandomization of lib/evaluation/significance.ts. */
export const pairedApproximateRandomization: typeof import('./evaluation/significance.js').pairedApproximateRandomization =
  async (...args) => (await import('./evaluation/significance.js')).pairedApproximateRandomization(...args);
/** pairedBootstrap of lib/evaluation/significance.ts. */
export const pairedBootstrap: typeof import('./evaluation/significance.js').pairedBootstrap = async (
  ...args
) => (await import('./evaluation/significance.js')).pairedBootstrap(...args);
export { type TerScore, ter, terMetric } from './evaluation/ter.js';

// Experiments: demo, sweep, statistics, theory, report.

export type { DemoCorpus, DemoCorpusOptions } from './demo/corpus.js';
/** demoCorpus of lib/demo/corpus.ts; a promise here, because its grammars are loaded by the first call. */
export const demoCorpus = async (
  ...args: Parameters<typeof import('./demo/corpus.js').demoCorpus>
): Promise<import('./demo/corpus.js').DemoCorpus> => (await import('./demo/corpus.js')).demoCorpus(...args);
/** writeDemoCorpus of lib/demo/corpus.ts. */
export const writeDemoCorpus: typeof import('./demo/corpus.js').writeDemoCorpus = async (...args) =>
  (await import('./demo/corpus.js')).writeDemoCorpus(...args);
export type { RunSummary } from './report/report.js';
export type { PlannedComparison } from './statistics/planned_comparison.js';
export { minimumPValue, type PlannedPower, plannedPower } from './statistics/planned_power.js';
/** writeReport of lib/report/report.ts. */
export const writeReport: typeof import('./report/report.js').writeReport = async (...args) =>
  (await import('./report/report.js')).writeReport(...args);
export {
  type BootstrapInterval,
  bootstrapDifference,
  cohensD,
  compareAllPairs,
  compareRuns,
  type EffectSize,
  effectSize,
  type HodgesLehmannEstimate,
  hedgesG,
  hodgesLehmann,
  holm,
  meanDifference,
  type PairOfConditions,
  pairedEffectSize,
  pairedHodgesLehmann,
  type RunComparison,
  wilcoxonRankSum,
  wilcoxonSignedRank,
} from './statistics/comparison.js';
export type { SweepEvent, SweepTrainOptions, TrialName } from './sweep/sweep.js';
/** sweep of lib/sweep/sweep.ts. */
export const sweep: typeof import('./sweep/sweep.js').sweep = async function* (...args) {
  yield* (await import('./sweep/sweep.js')).sweep(...args);
};
export type { DropoutMoments, DropoutMomentsRun } from './theory/theory.js';
/** dropoutMoments of lib/theory/theory.ts. */
export const dropoutMoments: typeof import('./theory/theory.js').dropoutMoments = async (...args) =>
  (await import('./theory/theory.js')).dropoutMoments(...args);
export type { DirectionEstimate, GroupEstimate } from './theory/estimates.js';
/** writeDropoutMoments of lib/theory/report.ts. */
export const writeDropoutMoments: typeof import('./theory/report.js').writeDropoutMoments = async (...args) =>
  (await import('./theory/report.js')).writeDropoutMoments(...args);
