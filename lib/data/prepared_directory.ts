import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RdropError } from '../errors.js';
import { fileError } from '../files.js';
import { quietly } from '../util/cleanup.js';
import { makeDirectories, syncDirectory } from '../util/durable.js';
import { pathExists } from '../util/exists.js';
import { claimBeside, clearLeftovers, discardReplaced, recoverReplaced } from '../util/part_files.js';

/**
 * Checks that a directory can be made at this place: nothing there, an empty directory, or with `overwrite` a
 * directory that rdrop prepared. One that stepped aside when a killed process replaced it is back first.
 *
 * @throws RdropError FILE_UNWRITABLE.
 */
export async function checkPlace(out: string, overwrite: boolean): Promise<void> {
  let entries: string[];
  try {
    await recoverReplaced(out, isPrepared);
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

/** Whether rdrop prepared a directory. */
export const isPrepared = (directory: string): Promise<boolean> => pathExists(join(directory, 'text.json'));

/**
 * Fills a directory beside its place and moves it there when `fill` has succeeded, so that it appears whole or not at
 * all. What was there before stays until then; when the process ends between the two renames, whoever opens or prepares the
 * directory next brings it back (recoverReplaced).
 *
 * @throws whatever `fill` throws; RdropError FILE_UNWRITABLE, DISK_FULL.
 */
export async function makeDirectoryAtomically(
  out: string,
  fill: (directory: string) => Promise<void>,
): Promise<void> {
  const place = resolve(out);
  const beside = claimBeside(place, 'part');
  const old = claimBeside(place, 'old');
  try {
    await makeDirectories(dirname(place));
    await clearLeftovers(place);
    await mkdir(beside.path);
    await fill(beside.path);
    await syncTree(beside.path);
    const replaces = await isPrepared(place);
    if (replaces) await rename(place, old.path);
    try {
      await rename(beside.path, place);
    } catch (error) {
      if (replaces) await quietly(() => rename(old.path, place));
      throw error;
    }
    await syncDirectory(dirname(place));
    // The new one stands: what cannot be removed now goes with the next one.
    if (replaces) await discardReplaced(old.path);
  } catch (error) {
    await quietly(() => rm(beside.path, { recursive: true, force: true }));
    throw fileError(error, out, 'write');
  } finally {
    beside.release();
    old.release();
  }
}

/** Flushes the entries of a directory and of those below it. */
async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncTree(join(directory, entry.name));
  }
  await syncDirectory(directory);
}
