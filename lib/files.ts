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
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE; the old file is then untouched and nothing is left beside it.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array>,
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
    await rename(beside, path);
  } catch (error) {
    await file?.close().catch(() => {});
    await rm(beside, { force: true });
    throw fileError(error, path, 'write');
  }
}

/** @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE */
export async function readJsonFile(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError('MALFORMED_FILE', `${path}: expected JSON, ${reason}`, { cause: error });
  }
}

/**
 * Reads a text file, plain or .gz, as lines without their ends. Only LF ends a line, as in fairseq and the Moses
 * scripts: U+2028, U+0085 and a lone CR are ordinary characters.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, MALFORMED_FILE (broken gzip), INVALID_UTF8 (names the line).
 */
export async function readLines(path: string): Promise<string[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    const { gunzipSync } = await import('node:zlib');
    try {
      bytes = gunzipSync(bytes);
    } catch (error) {
      throw new RdropError('MALFORMED_FILE', `${path}: broken gzip data`, { cause: error });
    }
  }
  return linesOf(bytes, path);
}

/** The lines of UTF-8 bytes; `name` is what an error calls them. */
export function linesOf(bytes: Uint8Array, name: string): string[] {
  if (bytes.length === 0)
    throw new RdropError('FILE_EMPTY', `${name}: expected at least one line, got an empty file`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new RdropError('INVALID_UTF8', `${name}:${invalidLine(bytes)}: not valid UTF-8`, { cause: error });
  }
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function invalidLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    let end = bytes.indexOf(10, start);
    if (end < 0) end = bytes.length;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end + 1;
  }
  return line;
}
