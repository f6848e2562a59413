import type { CorpusScore } from '../evaluation/score_table.js';

/** A point of a learning curve. Losses per target token in base 2; the training loss sums both passes. */
export interface CurvePoint {
  update: number;
  trainLoss?: number;
  validLoss?: number;
  validBleu?: number;
  /** The metrics of a task other than translation, by name. */
  scores?: Record<string, number>;
  /** Divergence of the two passes, before it is weighted. */
  kl?: number;
  learningRate?: number;
  /** Those of the hook `validate` of fit(). */
  metrics?: Record<string, number>;
}

/** What the report knows of a run. */
export interface RunSummary {
  /** 'one-pass', 'baseline' (α 0), 'uni', 'uni-reverse' or 'bi'. */
  direction: string;
  /** The direction and every option in which runs of the report differ: the group in which seeds are pooled (withConditions). */
  condition?: string;
  seed: number;
  /** By the task's own metric, as BLEU of a translation; null until the run has finished. */
  testScore: number | null;
  /** That metric. Left out: BLEU, of which more is better. */
  metric?: { name: string; higherIsBetter: boolean };
  /** Of training alone; null until the run has finished. */
  seconds: number | null;
  /** By ascending update. */
  curve: CurvePoint[];
  /** Its directory's name, and the directory. */
  name?: string;
  directory?: string;
  state?: 'finished' | 'unfinished' | 'missing' | 'dropped';
  /** The rung of its sweep's halving after which it was dropped, from 1 on. */
  rung?: number;
  signature?: string;
  /** Every metric of the test split; absent in runs of earlier versions. */
  scores?: CorpusScore[];
  updates?: number;
  epochs?: number;
  bestUpdate?: number;
  /** Of the best validation. */
  validScore?: number | null;
  parameters?: number;
  /** config.json and environment.json as they are. */
  config?: Record<string, unknown>;
  environment?: Record<string, unknown>;
}
