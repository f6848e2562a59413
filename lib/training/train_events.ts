import type { RdropWarning } from '../util/warnings.js';
import type { TrainMetrics, ValidationMetrics } from './metrics.js';
import type { RunResult } from './run/run_directory.js';

/** Why training ended: at a limit, by `pauseAt` of fit(), or by its signal. */
export type StopReason = 'maxUpdates' | 'maxEpochs' | 'maxMinutes' | 'patience' | 'paused' | 'aborted';

/** The events of fit(), in the order in which they happen. Later versions may add types; pass over those you do not know. */
export type TrainEvent =
  | TrainMetrics
  | (ValidationMetrics & { best: boolean })
  /** Before the first update, or when it shows; it is passed to process.emitWarning as well. */
  | (RdropWarning & { type: 'warning'; update: number; epoch: number })
  | { type: 'checkpoint'; update: number; epoch: number; path: string; best: boolean }
  | { type: 'end'; reason: StopReason; update: number; epoch: number; result: RunResult | null };
