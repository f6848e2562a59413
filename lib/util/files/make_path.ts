import { mkdir, stat } from 'node:fs/promises';
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
