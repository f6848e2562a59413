import { randomBytes } from 'node:crypto';
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RdropError } from '../errors.js';
import { fileError } from '../files.js';

/**
 * Checks that a directory can be made at this place: nothing there, an empty directory, or with `overwrite` a
 * directory that rdrop prepared.
 *
 * @throws RdropError FILE_UNWRITABLE.
 */
export async function checkPlace(out: string, overwrite: boolean): Promise<void> {
  let entries: string[];
  try {
    entries = await readdir(out);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw fileError(error, out, 'write');
  }
  if (entries.length === 0) return;
  if (!entries.includes('text.json')) {
    throw new RdropError(
      'FILE_UNWRITABLE',
      `${out}: expected a new or prepared directory, got one that holds other files`,
    );
  }
  if (!overwrite) {
    throw new RdropError(
      'FILE_UNWRITABLE',
      `${out}: is there already; choose another directory or ask to overwrite it`,
    );
  }
}

/**
 * Fills a directory beside its place and moves it there when `fill` has succeeded, so that it appears whole or not at
 * all. What was there before stays until then.
 *
 * @throws whatever `fill` throws; RdropError FILE_UNWRITABLE, DISK_FULL.
 */
export async function makeDirectoryAtomically(
  out: string,
  fill: (directory: string) => Promise<void>,
): Promise<void> {
  const place = resolve(out);
  const tag = randomBytes(4).toString('hex');
  const beside = `${place}.${tag}.part`;
  const old = `${place}.${tag}.old`;
  try {
    await mkdir(dirname(place), { recursive: true });
    await mkdir(beside);
    await fill(beside);
    const replaces = await access(join(place, 'text.json')).then(
      () => true,
      () => false,
    );
    if (replaces) await rename(place, old);
    try {
      await rename(beside, place);
    } catch (error) {
      if (replaces) await rename(old, place);
      throw error;
    }
    if (replaces) await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw fileError(error, out, 'write');
  }
}
