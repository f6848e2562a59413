import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import * as z from 'zod';
import { parseConfig } from '../options/schema/parse.js';

import { fileBytes } from '../text/lines/unpack.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { asRdropError, RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';
import { readJsonFile, writeFileAtomically } from '../util/files/files.js';

/** What a prepared directory holds, so that a file that was changed or lost since is told from one that was not. */

const manifestName = 'manifest.json';

/** A path below the directory: a manifest must lead to no other file, such as a device that has no end. */
const isInside = (name: string): boolean => name.split('/').every((part) => !['', '.', '..'].includes(part));

const manifestSchema = z.strictObject({
  version: z.literal(1),
  files: z.record(
    z.string().refine(isInside),
    z.strictObject({ bytes: z.int().min(0), sha256: z.string().length(64) }),
  ),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Files up to this size (bytes) are compared by content whenever a directory is opened, larger ones by size. */
const small = 4 << 20;

/** SHA-256 of a file, read by blocks. @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of fileBytes(path)) {
    throwIfAborted(signal, 'reading the data');
    hash.update(chunk);
  }
  return hash.digest('hex');
}

/** Writes manifest.json of every file below a directory. @throws RdropError FILE_UNREADABLE, DISK_FULL, FILE_UNWRITABLE */
export async function writeManifest(directory: string): Promise<void> {
  const files: Manifest['files'] = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const name = relative(directory, path).split(sep).join('/');
    files[name] = { bytes: (await stat(path)).size, sha256: await hashFile(path) };
  }
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
  const manifest: Manifest = { version: 1, files: sorted };
  await writeFileAtomically(join(directory, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** null where there is none: a directory of an earlier version, or one that rdrop did not prepare. */
async function readManifest(directory: string): Promise<Manifest | null> {
  const path = join(directory, manifestName);
  if (!(await pathExists(path))) return null;
  const value = await readJsonFile(path);
  try {
    return parseConfig(manifestSchema, value, path);
  } catch (error) {
    throw new RdropError('MALFORMED_FILE', asRdropError(error).message, { cause: error });
  }
}

/**
 * Compares the files of a prepared directory with its manifest: those whose hashes are given, and small ones, by content, the
 * others by size. A directory without a manifest is as it is.
 *
 * @param hashes SHA-256 of files that were read anyway, by name
 * @throws RdropError MANIFEST_MISMATCH, naming the first file that is missing or another; MALFORMED_FILE
 */
export async function checkManifest(
  directory: string,
  hashes: Readonly<Record<string, string>> = {},
): Promise<void> {
  const manifest = await readManifest(directory);
  if (manifest === null) return;
  const origin = join(directory, manifestName);
  for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
    const path = join(directory, name);
    if (!(await pathExists(path))) throw mismatch(path, origin, 'none');
    const { size } = await stat(path);
    if (size !== bytes) throw mismatch(path, origin, `one of ${size} bytes instead of ${bytes}`);
    const hash = hashes[name] ?? (bytes <= small ? await hashFile(path) : sha256);
    if (hash !== sha256) throw mismatch(path, origin, `one with the SHA-256 ${hash.slice(0, 12)}…`);
  }
}

/** A file that is not the one that `origin` speaks of. */
export function mismatch(path: string, origin: string, got: string): RdropError {
  return new RdropError(
    'MANIFEST_MISMATCH',
    `${path}: expected the file that ${origin} names, got ${got}; bring it back, make the directory anew, or continue with ` +
      'verify false (--no-verify)',
  );
}
