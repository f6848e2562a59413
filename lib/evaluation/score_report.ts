import type { BleuConfig, PairedTest, ScoreTableOptions } from '../options/evaluation.js';
import { type BleuScore, corpusBleu, warnOfTokenizer } from './bleu.js';
import { type ScoreRow, scoreGroups, scoreRows, type Texts } from './score_table.js';
import {
  bootstrapConfidence,
  type ConfidenceResult,
  type Interval,
  type PairedResult,
  pairedApproximateRandomization,
  pairedBootstrap,
} from './significance.js';

/** Another system's translations of the same sentences. */
export interface BaselineText {
  name: string;
  hypotheses: readonly string[];
}

export interface ScoreReportOptions {
  /** Whether the texts, the baselines' too, are tokenized. */
  tokenized: boolean;
  table: ScoreTableOptions;
  /** Of the one BLEU that stands in front. */
  tokenize: BleuConfig['tokenize'];
  /** Whether every score gets the interval of the bootstrap. */
  confidence: boolean;
  baselines: readonly BaselineText[];
  paired: PairedTest;
  /** Of all resampling; left out, what each test has by default. */
  samples?: number | undefined;
  seed?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface PairedReport {
  /** The baseline's name. */
  baseline: string;
  test: Exclude<PairedTest, 'both'>;
  metrics: PairedResult[];
}

export interface ScoreReport {
  /** Missing where BLEU was not asked for. */
  bleu?: BleuScore;
  metrics: (ScoreRow & { confidence?: Interval & { signature: string } })[];
  paired: PairedReport[];
}

/**
 * Everything that `rdrop score` prints: the table of scores, intervals, and each metric's paired tests against baselines.
 *
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH, ABORTED.
 */
export async function scoreReport(own: Texts, options: ScoreReportOptions): Promise<ScoreReport> {
  const { table, tokenize, confidence, baselines, paired, signal } = options;
  const work = signal === undefined ? {} : { signal };
  const resampling = {
    ...(options.samples === undefined ? {} : { samples: options.samples }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  };
  const texts = options.tokenized ? { tokenized: own } : own;
  const groups = scoreGroups(texts, table);
  const report: ScoreReport = { metrics: await scoreRows(texts, table, work), paired: [] };
  if (table.metrics?.includes('bleu') ?? true) {
    warnOfTokenizer(own.references, tokenize);
    report.bleu = corpusBleu(own.hypotheses, own.references, {
      tokenize,
      lowercase: table.lowercase ?? false,
    });
  }
  if (confidence) {
    const intervals: ConfidenceResult[] = [];
    for (const group of groups) intervals.push(...(await bootstrapConfidence(group, resampling, work)));
    report.metrics = report.metrics.map((row, r) => {
      const { mean, halfWidth, signature } = intervals[r] as ConfidenceResult;
      return { ...row, confidence: { mean, halfWidth, signature } };
    });
  }
  const tests = { bootstrap: pairedBootstrap, randomization: pairedApproximateRandomization };
  for (const { name, hypotheses } of baselines) {
    for (const test of ['bootstrap', 'randomization'] as const) {
      if (paired !== test && paired !== 'both') continue;
      const metrics: PairedResult[] = [];
      for (const group of groups) {
        metrics.push(...(await tests[test]({ ...group, baseline: hypotheses }, resampling, work)));
      }
      report.paired.push({ baseline: name, test, metrics });
    }
  }
  return report;
}
