/**
 * What setup wrote, compared when it is loaded, cheaply: the seal holds, for each library, the SHA-256 and what the file
 * system tells of a file that nobody has touched (size, times, inode). Where that differs the file is hashed, and the
 * seal is made anew when the content is the same: a cache that was copied costs one pass over it.
 */
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';
import { isLibrary, libraryDirectories } from './cache_trust.js';

/** Lies beside version.py. */
export const sealFile = 'SEAL';

/** The list of checksums inside an unpacked libtorch, in the format of sha256sum; written last. */
export const checksumFile = 'SHA256SUMS';

/** SHA-256 in hexadecimal by path below the libtorch. */
export type Checksums = ReadonlyMap<string, string>;

interface Sealed {
  sum: string;
  size: string;
  mtime: string;
  /** Inode and time of change, which no program can set. */
  identity: string;
}

const sealOf = (sum: string, stats: BigIntStats): Sealed => ({
  sum,
  size: String(stats.size),
  mtime: String(stats.mtimeNs),
  identity: `${stats.ino}:${stats.ctimeNs}`,
});

const lineOf = (path: string, { sum, size, mtime, identity }: Sealed) =>
  `${sum} ${size} ${mtime} ${identity} ${path}\n`;

/** The lines of sha256sum. */
export function parseChecksums(text: string, name: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const match = /^([0-9a-f]{64}) {2}(.+)$/.exec(line);
    if (!match?.[1] || !match[2])
      throw new RdropError('MALFORMED_FILE', `${name}:${index + 1}: expected a line of sha256sum`);
    sums.set(match[2], match[1]);
  }
  return sums;
}

function readSeal(directory: string): Map<string, Sealed> | null {
  let text: string;
  try {
    text = readFileSync(join(directory, sealFile), 'utf8');
  } catch {
    return null;
  }
  const sealed = new Map<string, Sealed>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const match = /^([0-9a-f]{64}) (\d+) (-?\d+) (\d+:-?\d+) (.+)$/.exec(line);
    // A seal that is no seal is as good as none.
    if (!match) return null;
    const [, sum, size, mtime, identity, path] = match as unknown as string[];
    sealed.set(path!, { sum: sum!, size: size!, mtime: mtime!, identity: identity! });
  }
  return sealed;
}

function writeSeal(directory: string, sealed: ReadonlyMap<string, Sealed>): void {
  const beside = join(directory, `.${sealFile}-${process.pid}-${Date.now().toString(36)}.part`);
  try {
    writeFileSync(beside, [...sealed].map(([path, seal]) => lineOf(path, seal)).join(''), { mode: 0o644 });
    renameSync(beside, join(directory, sealFile));
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

/** The libraries of a libtorch, by path below it. */
function libraries(directory: string): string[] {
  return libraryDirectories(directory).flatMap((each) =>
    readdirSync(each, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && isLibrary(entry.name))
      .map((entry) => relative(directory, join(each, entry.name))),
  );
}

/**
 * Seals the libraries that setup has just written and hashed.
 *
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE.
 */
export function seal(directory: string, sums: Checksums): void {
  const sealed = new Map<string, Sealed>();
  try {
    for (const path of libraries(directory)) {
      const sum = sums.get(path);
      if (sum) sealed.set(path, sealOf(sum, statSync(join(directory, path), { bigint: true })));
    }
    writeSeal(directory, sealed);
  } catch (error) {
    throw fileError(error, join(directory, sealFile), 'write');
  }
}

function sumOf(path: string): string {
  // Loaded here alone: an import of the library must not wait for it.
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  const buffer = new Uint8Array(1 << 22);
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const bytes = readSync(file, buffer, 0, buffer.length, null);
      if (bytes === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytes));
    }
  } finally {
    closeSync(file);
  }
}

function writable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const directlyInLibraries = /^(?:lib|\.\.\/nvidia\/[^/]+\/lib)\/[^/]+$/;

/**
 * Compares the libraries of a cached libtorch with what setup wrote.
 *
 * @param recorded - the checksums of setup; read only where there is no seal. Null: an older setup recorded none.
 * @throws RdropError CACHE_UNTRUSTED, naming the file that is changed, missing or new.
 */
export function checkSeal(directory: string, recorded: () => Checksums | null): void {
  const changed = (path: string, what: string) =>
    new RdropError(
      'CACHE_UNTRUSTED',
      `${join(directory, path)}: ${what}. Nothing in it was opened. Next: rm -r ${directory} && npx rdrop setup`,
    );
  const seals = readSeal(directory);
  const known = seals === null ? recorded() : null;
  if (seals === null && known === null) return;
  const expected = new Map<string, string>();
  for (const [path, { sum }] of seals ?? []) expected.set(path, sum);
  for (const [path, sum] of known ?? []) expected.set(path, sum);

  const found = new Map<string, Sealed>();
  let stale = seals === null;
  try {
    for (const path of libraries(directory)) {
      const sum = expected.get(path);
      if (sum === undefined) throw changed(path, 'was not there when setup wrote the libtorch');
      const full = join(directory, path);
      const now = sealOf(sum, statSync(full, { bigint: true }));
      const before = seals?.get(path);
      const untouched = before?.size === now.size && before.mtime === now.mtime;
      if (!untouched || before?.identity !== now.identity) {
        // What this user cannot write has its new inode from being copied, and the seal could not be renewed.
        if (!untouched || writable(directory)) {
          const got = sumOf(full);
          if (got !== sum)
            throw changed(path, `its content changed since setup (SHA-256 ${sum} then, ${got} now)`);
        }
        stale = true;
      }
      found.set(path, now);
    }
    for (const path of expected.keys())
      if (isLibrary(path) && directlyInLibraries.test(path) && !found.has(path))
        throw changed(path, 'is missing, but was there when setup wrote the libtorch');
  } catch (error) {
    throw error instanceof RdropError ? error : fileError(error, directory, 'read');
  }
  if (!stale) return;
  try {
    writeSeal(directory, found);
  } catch {
    // A cache that cannot be written works as well; it is hashed again the next time.
  }
}

/** Where setup --cuda keeps the checksums of each wheel, beside torch/. */
export const partsDirectory = 'parts';

/**
 * What setup recorded of a libtorch, by path below it; null for a CUDA build of an older setup, which recorded nothing.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE.
 */
export function recordedChecksums(directory: string): Map<string, string> | null {
  const parts = join(directory, '..', partsDirectory);
  const cuda = new Map<string, string>();
  try {
    for (const name of readdirSync(parts)) {
      const text = readFileSync(join(parts, name), 'utf8');
      if (text === '') return null;
      for (const [path, sum] of parseChecksums(text, join(parts, name)))
        cuda.set(path.startsWith('torch/') ? path.slice('torch/'.length) : `../../${path}`, sum);
    }
    return cuda;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(error, parts, 'read');
  }
  const path = join(directory, checksumFile);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  return parseChecksums(text, path);
}

/**
 * Compares the libraries of a libtorch of the cache with what setup wrote, before they are opened.
 *
 * @throws RdropError CACHE_UNTRUSTED when a library changed, is missing or new, or nothing says what setup wrote.
 */
export function checkCache(directory: string): void {
  checkSeal(directory, () => {
    try {
      return recordedChecksums(directory);
    } catch (error) {
      throw new RdropError(
        'CACHE_UNTRUSTED',
        `${(error as Error).message}; expected the checksums that rdrop setup writes. ` +
          `Next: rm -r ${directory} && npx rdrop setup; or RDROP_LIBTORCH=${directory} names a libtorch of your own`,
        { cause: error },
      );
    }
  });
}
