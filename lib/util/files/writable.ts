import { open, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RdropError } from '../errors.js';
import { fileError } from './files.js';
import { claimBeside, clearLeftovers } from './part_files.js';

const kindOf = async (path: string): Promise<'file' | 'directory' | 'other' | null> => {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return 'directory';
    return found.isFile() ? 'file' : 'other';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw fileError(error, path, 'write');
  }
};

/**
 * Makes what would lie beside a file while it is written, and removes it: permissions, a read-only or a full disk, a name that is too
 * long show in no other way for certain.
 */
async function probe(file: string, path: string): Promise<void> {
  // What a process that was killed here has left.
  await clearLeftovers(file);
  const beside = claimBeside(file, 'part');
  try {
    const handle = await open(beside.path, 'wx');
    try {
      // A full disk may still have room for a name.
      await handle.write('x');
    } finally {
      await handle.close().finally(() => rm(beside.path, { force: true }));
    }
  } catch (error) {
    throw fileError(error, path, 'write');
  } finally {
    beside.release();
  }
}

const unwritable = (path: string, expected: string, got: string) =>
  new RdropError('FILE_UNWRITABLE', `${path}: expected ${expected}, got ${got}`);

/**
 * Whether a file can be written at this place (writeFileAtomically), asked before hours of work. Leaves nothing behind.
 *
 * @throws RdropError FILE_UNWRITABLE, DISK_FULL
 */
export async function checkWritableFile(path: string): Promise<void> {
  if (path === '') throw unwritable('output', 'the path of a file', 'an empty one');
  const kind = await kindOf(path);
  if (kind === 'directory') throw unwritable(path, 'a file', 'a directory');
  if (kind === 'other') throw unwritable(path, 'a regular file or a new one', 'a device, pipe or socket');
  const directory = dirname(resolve(path));
  const around = await kindOf(directory);
  if (around === null)
    throw unwritable(path, 'a place in a directory that exists', `no directory ${directory}`);
  if (around !== 'directory') throw unwritable(path, 'a place in a directory', `${directory}, which is none`);
  await probe(path, path);
}

/**
 * Whether a directory at this place can be made, with those above it, or be written to if it is there. Leaves nothing behind.
 *
 * @throws RdropError FILE_UNWRITABLE, DISK_FULL
 */
export async function checkWritableDirectory(path: string): Promise<void> {
  if (path === '') throw unwritable('output', 'the path of a directory', 'an empty one');
  let at = resolve(path);
  for (let kind = await kindOf(at); kind !== 'directory'; kind = await kindOf(at)) {
    if (kind !== null)
      throw unwritable(path, 'a directory', at === resolve(path) ? 'a file' : `the file ${at} above it`);
    if (dirname(at) === at) throw unwritable(path, 'a directory', 'a place that does not exist');
    at = dirname(at);
  }
  await probe(join(at, '.probe'), path);
}
