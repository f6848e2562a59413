import { join, resolve } from 'node:path';
import { Lock } from '../lock/lock.js';
import type { SweepConfig } from '../options/sweep.js';
import { fileError } from '../util/files/files.js';
import { makePath, unmakePath } from '../util/files/make_path.js';

/**
 * The events of a sweep while it alone writes to its directory.
 *
 * @param events given a signal that is aborted, with RUN_LOST as its reason, when another sweep takes the directory over, and a
 *   function that finds out at once
 * @throws RdropError RUN_LOCKED, FILE_UNWRITABLE, DISK_FULL, and what the events throw
 */
export async function* whileLocked<T>(
  { directory, unlock }: Pick<SweepConfig, 'directory' | 'unlock'>,
  events: (lost: AbortSignal, verify: () => Promise<void>) => AsyncGenerator<T, void>,
): AsyncGenerator<T, void, undefined> {
  const path = resolve(directory);
  let made: string | undefined;
  try {
    made = await makePath(path);
  } catch (error) {
    throw fileError(error, path, 'write');
  }
  const lost = new AbortController();
  let lock: Lock | undefined;
  try {
    const held = await Lock.acquire(join(path, 'sweep.lock'), {
      what: 'sweep',
      unlock,
      onLost: (error) => lost.abort(error),
    });
    lock = held;
    yield* events(lost.signal, () => held.verify());
  } finally {
    lock?.release();
    // A sweep that could not begin leaves no directory: one that is not empty stays.
    await unmakePath(path, made);
  }
}
