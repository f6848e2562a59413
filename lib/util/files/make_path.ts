import { mkdirSync, statSync } from 'node:fs';
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/**
 * Makes a directory and those above it that are missing. Node's own `recursive` never comes back where the directory above is there
 * and yet nothing can be made in it (ENOENT below /proc), and says ENOENT of a disk that can only be read.
 *
 * @returns the first directory that was made, undefined where all were there
 * @throws that of the system for the directory that could not be made
 */
export async function makePath(path: string, mode?: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return resolve(path);
  } catch (error) {
    if (await isDirectory(path)) return undefined;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const first = await makePath(dirname(path), mode);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!(await isDirectory(path))) throw error;
    return first;
  }
  return first ?? resolve(path);
}

/** makePath() for what cannot wait. @throws that of the system for the directory that could not be made */
export function makePathSync(path: string, mode?: number): void {
  const isThere = () => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  try {
    mkdirSync(path, { mode });
    return;
  } catch (error) {
    if (isThere()) return;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  makePathSync(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!isThere()) throw error;
  }
}

/**
 * Takes back what makePath() made, as far as it is empty.
 *
 * @param first what makePath() returned
 */
export async function unmakePath(path: string, first: string | undefined): Promise<void> {
  if (first === undefined) return;
  const top = resolve(first);
  try {
    for (let at = resolve(path); at.startsWith(top); at = dirname(at)) await rmdir(at);
  } catch {
    // Somebody has put something there: it stays, and so does what it lies in.
  }
}
