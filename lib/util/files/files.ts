import { isUtf8 } from 'node:buffer';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { quietly } from '../async/cleanup.js';
import { encodingHint } from '../encoding_hint.js';
import { RdropError } from '../errors.js';
import { syncDirectory } from './durable.js';
import { fileError } from './file_error.js';
import { claimBeside, clearLeftovers } from './part_files.js';
import { readSmallFile } from './small_file.js';

export { fileError };

/**
 * Writes a file whole or not at all: beside its place, flushed to the disk, then renamed over it. What killed writers have
 * left beside it is removed first.
 *
 * @param fence awaited before the rename; what it throws leaves everything as it was
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE; the old file is then untouched and nothing is left beside it. Only where the
 *   directory cannot be flushed has the new file, whole, taken its place already.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { fence }: { fence?: () => Promise<void> } = {},
): Promise<void> {
  await clearLeftovers(path);
  const { path: beside, release } = claimBeside(path, 'part');
  let file: FileHandle | undefined;
  try {
    file = await open(beside, 'wx');
    const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
    for await (const piece of pieces) await file.writeFile(piece);
    await file.sync();
    await file.close();
    file = undefined;
    await fence?.();
    await rename(beside, path);
    await syncDirectory(dirname(beside));
  } catch (error) {
    await file?.close().catch(() => {});
    await quietly(() => rm(beside, { force: true }));
    throw fileError(error, path, 'write');
  } finally {
    release();
  }
}

/** Editors of Windows write a byte-order mark before the text. */
export const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text);

/** @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE, TOO_LARGE (beyond 64 MiB) */
export async function readJsonFile(path: string): Promise<unknown> {
  let bytes: Buffer;
  try {
    bytes = await readSmallFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  if (!isUtf8(bytes)) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: expected JSON, got what is not valid UTF-8${encodingHint(bytes)}`,
    );
  }
  try {
    return JSON.parse(withoutMark(bytes.toString('utf8')));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError('MALFORMED_FILE', `${path}: expected JSON, ${reason}`, { cause: error });
  }
}
