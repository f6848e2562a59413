import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { withCleanup } from '../async/cleanup.js';
import { makePath } from './make_path.js';

/** What a file system answers that cannot flush a directory by itself, or a system that does not let one open it. */
const cannotFlush = new Set([
  'EINVAL',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EISDIR',
  'EPERM',
  'EACCES',
  'EBADF',
]);

/**
 * Flushes the entries of a directory to the disk: a file that was made, renamed or removed in it is still so after a loss
 * of power. Flushing the file itself does not say that.
 */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, 'r');
    await withCleanup(
      () => directory.sync(),
      () => directory.close(),
    );
  } catch (error) {
    if (!cannotFlush.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/**
 * Makes a directory and those above it that are missing, and flushes the entries of all it made.
 *
 * @returns the first directory that was made, undefined where all were there
 */
export async function makeDirectories(path: string): Promise<string | undefined> {
  const first = await makePath(path);
  if (first === undefined) return undefined;
  const top = dirname(resolve(first));
  for (let above = dirname(resolve(path)); above.startsWith(top); above = dirname(above)) {
    await syncDirectory(above);
    if (above === dirname(above)) break;
  }
  return first;
}
