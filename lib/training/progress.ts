import type { TrainConfig } from '../options/training.js';
import type { TrainingState } from './checkpoint.js';
import type { StopReason } from './train_events.js';

/** How far a run has come, and what ends it: derived from its state alone. */

/** What of an epoch is done, in batches: how many of them make an update may change when a run is resumed. */
export interface Place {
  epoch: number;
  batches: number;
}
type Limits = Pick<TrainConfig, 'maxUpdates' | 'maxEpochs' | 'maxMinutes'>;

/** Where the next update lies: the end of an epoch is the beginning of the next. */
export const following = ({ epoch, batches }: Place, batchesPerEpoch: number): Place =>
  batches < batchesPerEpoch ? { epoch, batches } : { epoch: epoch + 1, batches: 0 };

/** Epochs done, with the fraction of the last one. */
export const epochsDone = ({ epoch, batches }: Place, batchesPerEpoch: number): number =>
  epoch - 1 + batches / batchesPerEpoch;

/** Whether a run has trained as long as it may, by this process's clock. */
export const timeIsUp = ({ maxMinutes }: Limits, { elapsedSeconds }: TrainingState): boolean =>
  maxMinutes > 0 && elapsedSeconds >= 60 * maxMinutes;

/**
 * @param timeUp whether the time is up, which the ranks of a run agree on
 * @param pauseAt updates after which training pauses, or where a limit ends it before; 0 never does
 */
export function limitReached(
  limits: Limits & Pick<TrainConfig, 'validation'>,
  state: TrainingState & Place,
  batchesPerEpoch: number,
  timeUp: boolean,
  pauseAt = 0,
): Exclude<StopReason, 'aborted'> | null {
  const reached = ownLimitReached(limits, state, batchesPerEpoch, timeUp);
  const paused = pauseAt > 0 && (reached !== null || state.update >= pauseAt);
  return paused ? 'paused' : reached;
}

function ownLimitReached(
  { maxUpdates, maxEpochs, validation }: Limits & Pick<TrainConfig, 'validation'>,
  state: TrainingState & Place,
  batchesPerEpoch: number,
  timeUp: boolean,
): Exclude<StopReason, 'aborted' | 'paused'> | null {
  if (maxUpdates > 0 && state.update >= maxUpdates) return 'maxUpdates';
  if (maxEpochs > 0 && following(state, batchesPerEpoch).epoch > maxEpochs) return 'maxEpochs';
  if (timeUp) return 'maxMinutes';
  if (validation.patience > 0 && state.sinceBest >= validation.patience) return 'patience';
  return null;
}

/** How much of a run is done, from 0 to 1, by whichever limit is nearest. */
export function progressOf(
  { maxUpdates, maxEpochs, maxMinutes }: Limits,
  state: TrainingState & Place,
  batchesPerEpoch: number,
): number {
  const parts = [
    [state.update, maxUpdates],
    [epochsDone(state, batchesPerEpoch), maxEpochs],
    [state.elapsedSeconds / 60, maxMinutes],
  ] as const;
  return Math.min(1, Math.max(...parts.map(([done, limit]) => (limit > 0 ? done / limit : 0))));
}
