import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { hashInit } from '../../training/init.js';
import type { DataHashes } from '../../training/run/run_directory.js';
import { directoriesBelow } from './directories_below.js';

/** Runs with other parameters that are named where none has those that are looked for. */
const named = 3;

/**
 * The run below one of these directories that a trial begins with, found by its parameters and dictionaries: what the job says of paths
 * plays no part.
 *
 * @returns its directory, or why there is none
 */
export async function findInit(
  roots: readonly string[],
  init: DataHashes,
): Promise<{ directory: string } | { reason: string }> {
  const others: string[] = [];
  const below = [...new Set(roots.map((root) => resolve(root)))];
  for (const root of below) {
    for await (const directory of directoriesBelow(root, 'config.json')) {
      // What cannot be read is none of these.
      const found = await hashInit(directory, false).catch(() => null);
      if (found === null) continue;
      if (!isDeepStrictEqual(found, { ...init })) {
        others.push(`${directory} has ${shown(found)}`);
        continue;
      }
      // A run may be on its way here.
      const whole = await hashInit(directory, true).then(
        () => true,
        () => false,
      );
      if (whole) return { directory };
      others.push(`the file of ${directory} is damaged or incomplete`);
    }
  }
  const got = others.length === 0 ? 'there is no run' : others.slice(0, named).join(', ');
  return {
    reason:
      `no run below ${below.join(' or ')} has the parameters that it begins with (init; SHA-256 of parameters and dictionaries: ` +
      `${shown(init)}); ${got}${others.length > named ? ` and ${others.length - named} more have others` : ''}`,
  };
}

const shown = (hashes: DataHashes): string =>
  Object.values(hashes)
    .map((hash) => `${hash.slice(0, 12)}…`)
    .join(' and ');
