import { createHash, type Hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, statSync, writeSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Unzip, UnzipInflate, UnzipPassThrough } from 'fflate';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';
import { makePathSync } from '../../util/files/make_path.js';
import { checksumFile, recordedChecksums, type Checksums as Sums, seal } from './seal.js';

/** Of what a setup makes: nobody else may write it, whatever the umask allows. */
export const directoryMode = 0o755;
export const fileMode = 0o644;

/** Reports how much of a stage is done, in bytes. */
export type Tick = (done: number, total: number | null) => void;

const chunkBytes = 1 << 20;
const wanted = /^(?:torch|libtorch)\/((?:include|lib|share\/cmake)\/.+|version\.py|build-version)$/;
const record = /^[^/]+\.dist-info\/RECORD$/;

/** Where a member of an archive goes below the directory; null leaves it out. */
export type Select = (member: string) => string | null;

/** Of a torch wheel or a libtorch zip: what the addon needs, without the archive's own top directory. */
const selectLibtorch: Select = (member) => wanted.exec(member)?.[1] ?? null;

interface Checksums {
  /** Path below the unpacked directory → SHA-256 in hexadecimal. */
  written: Map<string, string>;
  /** The same as the wheel's own RECORD has it; empty for a zip, which has none. */
  recorded: Map<string, string>;
}

/** The lines `path,sha256=<base64url>,size` of a wheel's RECORD (PEP 427). */
function parseRecord(text: string, select: Select): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^"?([^",]+)"?,sha256=([\w-]+),/.exec(line);
    const path = select(match?.[1] ?? '');
    if (path && match?.[2]) sums.set(path, Buffer.from(match[2], 'base64url').toString('hex'));
  }
  return sums;
}

/** Writes the wanted members of an archive below a directory, hashing them on the way. */
async function extract(
  archive: string,
  directory: string,
  select: Select,
  tick: Tick,
  signal?: AbortSignal,
): Promise<Checksums> {
  const written = new Map<string, string>();
  let recordText = '';
  let failure: unknown = null;
  const opened = new Map<string, number>();
  const unzip = new Unzip((member) => {
    if (record.test(member.name)) {
      const decoder = new TextDecoder();
      member.ondata = (error, data, final) => {
        if (error) failure ??= error;
        else recordText += decoder.decode(data, { stream: !final });
      };
      member.start();
      return;
    }
    const path = select(member.name);
    if (!path || path.endsWith('/') || path.split('/').includes('..')) return;
    const target = join(directory, path);
    let hash: Hash | null = null;
    let bytes = 0;
    member.ondata = (error, data, final) => {
      if (error) failure ??= error;
      if (failure) return;
      try {
        let file = opened.get(path);
        if (file === undefined) {
          makePathSync(dirname(target), directoryMode);
          file = openSync(target, 'wx', fileMode);
          opened.set(path, file);
        }
        hash ??= createHash('sha256');
        hash.update(data);
        for (let at = 0; at < data.length; ) at += writeSync(file, data, at);
        bytes += data.length;
        if (!final) return;
        closeSync(file);
        opened.delete(path);
        if (member.originalSize !== undefined && member.originalSize !== bytes) {
          failure ??= new Error(`${member.name}: expected ${member.originalSize} bytes, got ${bytes}`);
        }
        written.set(path, hash.digest('hex'));
      } catch (cause) {
        failure ??= cause;
      }
    };
    member.start();
  });
  unzip.register(UnzipInflate);
  unzip.register(UnzipPassThrough);

  const total = statSync(archive).size;
  const file = await open(archive, 'r');
  try {
    const buffer = new Uint8Array(chunkBytes);
    for (let done = 0; done < total; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, chunkBytes);
      if (bytesRead === 0) break;
      done += bytesRead;
      // A copy: fflate keeps a reference to what it could not use yet.
      unzip.push(buffer.slice(0, bytesRead), done >= total);
      if (failure) throw failure;
      tick(done, total);
    }
    if (opened.size > 0) throw new Error(`the archive ends inside ${[...opened.keys()][0]}`);
  } finally {
    for (const descriptor of opened.values()) closeSync(descriptor);
    await file.close();
  }
  return { written, recorded: parseRecord(recordText, select) };
}

/**
 * Unpacks the selected members of a wheel or zip below a directory. A wheel's files are compared with its own RECORD.
 *
 * @returns the SHA-256 of each file, by its path below the directory.
 * @throws RdropError LIBTORCH_DOWNLOAD when the archive is damaged; DISK_FULL, FILE_UNWRITABLE; ABORTED.
 */
export async function unpackSelected(
  archive: string,
  directory: string,
  select: Select,
  tick: Tick = () => {},
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  let sums: Checksums;
  try {
    sums = await extract(archive, directory, select, tick, signal);
  } catch (error) {
    if (signal?.aborted) throw new RdropError('ABORTED', 'unpacking libtorch was aborted', { cause: error });
    if (typeof (error as NodeJS.ErrnoException | null)?.code === 'string')
      throw fileError(error, directory, 'write');
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError('LIBTORCH_DOWNLOAD', `${archive}: not a readable zip archive (${reason})`, {
      cause: error,
    });
  }
  for (const [path, sum] of sums.recorded) {
    const got = sums.written.get(path);
    if (got === sum) continue;
    throw new RdropError(
      'LIBTORCH_DOWNLOAD',
      `${archive}: ${path}: expected SHA-256 ${sum} (RECORD of the wheel), got ${got ?? 'no such file'}`,
    );
  }
  return sums.written;
}

/**
 * Unpacks what the addon needs of a torch wheel or a libtorch zip (include/, lib/, share/cmake/, the version) into a
 * directory, and lists the checksums in SHA256SUMS.
 *
 * @throws RdropError as unpackSelected(), and LIBTORCH_DOWNLOAD when the archive holds no libtorch.
 */
export async function unpack(
  archive: string,
  directory: string,
  tick: Tick = () => {},
  signal?: AbortSignal,
): Promise<void> {
  const written = await unpackSelected(archive, directory, selectLibtorch, tick, signal);
  if (!written.has('lib/libtorch_cpu.so')) {
    throw new RdropError(
      'LIBTORCH_DOWNLOAD',
      `${archive}: holds no libtorch for Linux (no lib/libtorch_cpu.so)`,
    );
  }
  try {
    const file = await open(join(directory, checksumFile), 'wx', fileMode);
    await file.writeFile(checksumText(written));
    await file.close();
  } catch (error) {
    throw fileError(error, join(directory, checksumFile), 'write');
  }
  seal(directory, written);
}

/** Checksums in the format of sha256sum. */
export const checksumText = (sums: Sums): string =>
  [...sums]
    .sort()
    .map(([path, sum]) => `${sum}  ${path}\n`)
    .join('');

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
    hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/**
 * Compares an archive with the SHA-256 that the user expects.
 *
 * @throws RdropError LIBTORCH_DOWNLOAD naming both.
 */
export async function requireSha256(archive: string, name: string, expected: string): Promise<void> {
  const got = await sha256(archive);
  if (got === expected) return;
  throw new RdropError(
    'LIBTORCH_DOWNLOAD',
    `${name}: expected SHA-256 ${expected} (--sha256), got ${got}; nothing of it was unpacked`,
  );
}

/**
 * Compares every file with what setup recorded (about two seconds for 500 MB).
 *
 * @returns what is wrong, one line a file; empty when all is well.
 */
export async function damage(directory: string, tick: Tick = () => {}): Promise<string[]> {
  let sums: Map<string, string> | null;
  try {
    sums = recordedChecksums(directory);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  if (sums === null) return [];
  const wrong: string[] = [];
  let done = 0;
  for (const [name, sum] of sums) {
    const path = join(directory, name);
    try {
      if ((await sha256(path)) !== sum) wrong.push(`${path}: its content changed`);
    } catch {
      wrong.push(`${path}: missing or unreadable`);
    }
    tick(++done, sums.size);
  }
  return wrong;
}

/** Bytes of the files below a directory; files that vanish meanwhile count nothing. */
export async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(directory, { recursive: true }).catch(() => []);
  for (const entry of entries) {
    const info = statSync(join(directory, entry), { throwIfNoEntry: false });
    if (info?.isFile()) bytes += info.size;
  }
  return bytes;
}
