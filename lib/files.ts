import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { RdropError } from './errors.js';

/** Turns a file system error into a coded one that names the file. */
export function fileError(error: unknown, path: string, doing: 'read' | 'write'): RdropError {
  if (error instanceof RdropError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const options = { cause: error };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new RdropError('DISK_FULL', `${path}: no space left on the device; nothing was replaced`, options);
  }
  if (code === 'ENOENT' && doing === 'read') {
    return new RdropError('FILE_NOT_FOUND', `${path}: no such file or directory`, options);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return doing === 'read'
    ? new RdropError('FILE_UNREADABLE', `${path}: could not be read (${reason})`, options)
    : new RdropError('FILE_UNWRITABLE', `${path}: could not be written (${reason})`, options);
}

/**
 * Writes a file whole or not at all: beside its place, flushed to the disk, then renamed over it.
 *
 * @param fence awaited before the rename; what it throws leaves everything as it was
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE; the old file is then untouched and nothing is left beside it.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array>,
  { fence }: { fence?: () => Promise<void> } = {},
): Promise<void> {
  const { randomBytes } = await import('node:crypto');
  const beside = `${path}.${randomBytes(4).toString('hex')}.part`;
  let file: FileHandle | undefined;
  try {
    file = await open(beside, 'wx');
    const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
    for (const piece of pieces) await file.writeFile(piece);
    await file.sync();
    await file.close();
    file = undefined;
    await fence?.();
    await rename(beside, path);
  } catch (error) {
    await file?.close().catch(() => {});
    await rm(beside, { force: true });
    throw fileError(error, path, 'write');
  }
}

/** Editors of Windows write a byte-order mark before the text. */
export const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text);

/** @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE */
export async function readJsonFile(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  try {
    return JSON.parse(withoutMark(text));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError('MALFORMED_FILE', `${path}: expected JSON, ${reason}`, { cause: error });
  }
}
