/** `rdrop/evaluation`: the figures of every task and tests over sentences, without the addon. */

export type {
  BleuOptions,
  ChrfOptions,
  FairseqScoreOptions,
  MetricFamily,
  RandomizationOptions,
  ScoreTableOptions,
  SentenceBootstrapOptions,
  TerOptions,
} from '../options/evaluation.js';
export { type BleuScore, bleu, bleuMetric } from './bleu.js';
export { type ChrfScore, chrf, chrfMetric } from './chrf.js';
export {
  type ClassificationResult,
  type ClassScore,
  classificationScores,
} from './classification.js';
export { splitCompounds } from './compound_split.js';
export { pearson, regressionScores, spearman } from './correlation.js';
export { type FairseqScore, fairseqMetric, fairseqScore } from './fairseq_score.js';
export { type LanguageModelSums, languageModelScores } from './language_model.js';
export type { Metric } from './metric.js';
export { type ScoredTexts, type ScoreRow, scoreTable } from './score_table.js';
export type { References } from './segments.js';
export {
  bootstrapConfidence,
  type ConfidenceResult,
  type PairedCorpus,
  type PairedResult,
  pairedApproximateRandomization,
  pairedBootstrap,
  type SystemCorpus,
} from './significance.js';
export type { TaskScore } from './task_score.js';
export { type TerScore, ter, terMetric } from './ter.js';
