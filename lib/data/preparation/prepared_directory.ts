import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Lock } from '../../lock/lock.js';
import { tokenizerFiles } from '../../text/tasks/text_tokenizer.js';
import { quietly } from '../../util/async/cleanup.js';
import { RdropError } from '../../util/errors.js';
import { makeDirectories, syncDirectory } from '../../util/files/durable.js';
import { pathExists } from '../../util/files/exists.js';
import { fileError } from '../../util/files/files.js';
import { unmakePath } from '../../util/files/make_path.js';
import { moveDirectory } from '../../util/files/move_directory.js';
import {
  claimBeside,
  clearLeftovers,
  discardReplaced,
  recoverReplaced,
} from '../../util/files/part_files.js';
import { checkWritableDirectory } from '../../util/files/writable.js';

/**
 * Checks that a directory can be made at this place: nothing there, an empty directory, or with `overwrite` true a
 * directory that rdrop prepared and that holds nothing else. Without `overwrite` nothing is ever replaced. One that stepped aside when a killed process replaced it is back first.
 *
 * @throws RdropError FILE_UNWRITABLE.
 */
export async function checkPlace(out: string, overwrite?: boolean): Promise<void> {
  let entries: string[];
  try {
    await recoverReplaced(out, isPrepared);
    entries = await readdir(out);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return checkWritableDirectory(out);
    throw fileError(error, out, 'write');
  }
  // It is moved to its place from beside it.
  await checkWritableDirectory(dirname(resolve(out)));
  if (entries.length === 0) return;
  if (overwrite === undefined) {
    throw new RdropError(
      'FILE_UNWRITABLE',
      `${out}: expected a new or an empty directory, got one that holds ${someOf(entries)}; choose another one`,
    );
  }
  // A run has a text.json as well, and what it has learned besides: only what preparing makes is replaced.
  const foreign = entries.filter((name) => !isOwn(name));
  if (!entries.includes(keyFile) || foreign.length > 0) {
    throw new RdropError(
      'FILE_UNWRITABLE',
      `${out}: expected a new or prepared directory, got one that holds other files (${someOf(foreign)}); choose another one`,
    );
  }
  if (!overwrite) {
    throw new RdropError(
      'FILE_UNWRITABLE',
      `${out}: is there already; choose another directory or ask to overwrite it (--overwrite)`,
    );
  }
}

/**
 * Names that preparing makes: text.json, manifest.json, dict.txt or dict.<language>.txt, codes, labels.txt, the files of a tokenizer, raw,
 * <split>.<language> or <split>.<kind>.
 */
const madeName =
  /^(?:text\.json|manifest\.json|(?:dict\.(?:.+\.)?|labels\.)txt|codes|raw|(?:train|valid|test)\..+)$/s;
const isOwn = (name: string): boolean => madeName.test(name) || tokenizerFiles.includes(name);

/** Some of these names, for a message. */
const someOf = (names: readonly string[]): string =>
  [...names].sort().slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');

/** Whether rdrop prepared a directory. */
export const isPrepared = (directory: string): Promise<boolean> => pathExists(join(directory, keyFile));

/** What a prepared directory is known by; the last of its files where it has to be moved file by file. */
const keyFile = 'text.json';

/**
 * Fills a directory beside its place and moves it there when `fill` has succeeded, so that it appears whole or not at
 * all. What was there before stays until then; when the process ends between the two renames, the next process that opens or
 * prepares the directory brings it back (recoverReplaced). One process at a time makes it.
 *
 * @throws whatever `fill` throws; RdropError FILE_UNWRITABLE, DISK_FULL, RUN_LOCKED, RUN_LOST.
 */
export async function makeDirectoryAtomically(
  out: string,
  fill: (directory: string) => Promise<void>,
  { overwrite, unlock = false }: { overwrite?: boolean | undefined; unlock?: boolean | undefined } = {},
): Promise<void> {
  const place = resolve(out);
  const beside = claimBeside(place, 'part');
  const old = claimBeside(place, 'old');
  let lock: Lock | undefined;
  let made: string | undefined;
  try {
    made = await makeDirectories(dirname(place));
    lock = await Lock.acquire(`${place}.lock`, { what: 'directory', unlock });
    // Again: somebody else may have made it before the lock was ours.
    await checkPlace(out, overwrite);
    await clearLeftovers(place);
    await mkdir(beside.path);
    await fill(beside.path);
    await syncTree(beside.path);
    const replaces = await isPrepared(place);
    await lock.verify();
    if (replaces) await moveDirectory(place, old.path, keyFile);
    try {
      await moveDirectory(beside.path, place, keyFile);
    } catch (error) {
      if (replaces) await quietly(() => moveDirectory(old.path, place, keyFile));
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
    lock?.release();
    // Where nothing came of it: one that is not empty stays.
    await unmakePath(dirname(place), made);
  }
}

/** Flushes the entries of a directory and of those below it. */
async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncTree(join(directory, entry.name));
  }
  await syncDirectory(directory);
}
