import type { WatchLine } from './messages.js';

/** The limits of a configuration; 0 for none. */
export interface Limits {
  maxUpdates: number;
  maxEpochs: number;
  maxMinutes: number;
}

/**
 * How much of a run is done, from 0 to 1, and the seconds that are left, by whichever limit is nearest: from the last line of its
 * metrics. Null where no limit is known. The translation of the test split is not counted.
 */
export function runProgress(
  { maxUpdates, maxEpochs, maxMinutes }: Limits,
  line: Pick<WatchLine, 'update' | 'epoch' | 'seconds'> | null,
  validationSeconds: number,
): { progress: number | null; secondsLeft: number | null } {
  if (line === null) return { progress: 0, secondsLeft: null };
  const elapsed = line.seconds + validationSeconds;
  const parts = [
    [line.update, maxUpdates],
    // Within an epoch its middle is as good as any place.
    [line.epoch - 0.5, maxEpochs],
    [elapsed / 60, maxMinutes],
  ] as const;
  const known = parts.filter(([, limit]) => limit > 0).map(([done, limit]) => done / limit);
  if (known.length === 0) return { progress: null, secondsLeft: null };
  const progress = Math.min(1, Math.max(...known));
  return { progress, secondsLeft: progress > 0 ? (elapsed * (1 - progress)) / progress : null };
}
