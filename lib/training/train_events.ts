import type { RdropWarning } from '../util/warnings.js';
import type { TrainMetrics, ValidationMetrics } from './metrics.js';
import type { RunResult } from './run_directory.js';

export type StopReason = 'maxUpdates' | 'maxEpochs' | 'maxMinutes' | 'patience' | 'aborted';

/** What fit() tells, in the order in which it happens. Later versions may tell more types; pass over those you do not know. */
export type TrainEvent =
  | TrainMetrics
  | (ValidationMetrics & { best: boolean })
  /** Before the first update, or when it shows; process.emitWarning has told it as well. */
  | (RdropWarning & { type: 'warning'; update: number; epoch: number })
  | { type: 'checkpoint'; update: number; epoch: number; path: string; best: boolean }
  | { type: 'end'; reason: StopReason; update: number; epoch: number; result: RunResult | null };
