import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { RdropError } from './errors.js';

/** More files than Node has open at once while it reads any one part. */
const room = 64;

/**
 * Imports a part of the library that only some uses need. Node remembers an import that failed for as long as the process
 * lives. So that a process short of open files can go on once it may open some, room for them is looked for before.
 *
 * @param part - calls import()
 * @throws RdropError PROCESS_LIMIT where fewer than 64 files can be opened, which a part and what it imports may need
 */
export async function loadPart<T>(part: () => Promise<T>): Promise<T> {
  const opened: number[] = [];
  try {
    while (opened.length < room) opened.push(openSync(devNull, 'r'));
  } catch (error) {
    throw new RdropError(
      'PROCESS_LIMIT',
      `a part of rdrop could not be loaded: expected room for ${room} more open files, got ${opened.length} (${(error as NodeJS.ErrnoException).code}). ` +
        'Raise the limit (ulimit -n), or close some',
      { cause: error },
    );
  } finally {
    for (const file of opened) closeSync(file);
  }
  return part();
}
