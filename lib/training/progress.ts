import type { TrainConfig } from '../options/training.js';
import type { TrainingState } from './checkpoint.js';
import type { StopReason } from './train_events.js';

/** How far a run has come, and what ends it: derived from its state alone. */

export type Place = Pick<TrainingState, 'epoch' | 'position'>;
type Limits = Pick<TrainConfig, 'maxUpdates' | 'maxEpochs' | 'maxMinutes'>;

/** Where the next update lies: the end of an epoch is the beginning of the next. */
export const following = ({ epoch, position }: Place, updatesPerEpoch: number): Place =>
  position < updatesPerEpoch ? { epoch, position } : { epoch: epoch + 1, position: 0 };

/** Epochs done, with the fraction of the last one. */
export const epochsDone = ({ epoch, position }: Place, updatesPerEpoch: number): number =>
  epoch - 1 + position / updatesPerEpoch;

export function limitReached(
  { maxUpdates, maxEpochs, maxMinutes, validation }: Limits & Pick<TrainConfig, 'validation'>,
  state: TrainingState,
  updatesPerEpoch: number,
): Exclude<StopReason, 'aborted'> | null {
  if (maxUpdates > 0 && state.update >= maxUpdates) return 'maxUpdates';
  if (maxEpochs > 0 && following(state, updatesPerEpoch).epoch > maxEpochs) return 'maxEpochs';
  if (maxMinutes > 0 && state.elapsedSeconds >= 60 * maxMinutes) return 'maxMinutes';
  if (validation.patience > 0 && state.sinceBest >= validation.patience) return 'patience';
  return null;
}

/** How much of a run is done, from 0 to 1, by whichever limit is nearest. */
export function progressOf(
  { maxUpdates, maxEpochs, maxMinutes }: Limits,
  state: TrainingState,
  updatesPerEpoch: number,
): number {
  const parts = [
    [state.update, maxUpdates],
    [epochsDone(state, updatesPerEpoch), maxEpochs],
    [state.elapsedSeconds / 60, maxMinutes],
  ] as const;
  return Math.min(1, Math.max(...parts.map(([done, limit]) => (limit > 0 ? done / limit : 0))));
}
