import { stat } from 'node:fs/promises';
import type { ReadEntry } from 'tar';
import { textLimitsSchema } from '../options/text.js';
import { fileBytes, unpacked } from '../text/lines/unpack.js';
import type { LineWork } from '../text/map_lines.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { fileError } from '../util/files/files.js';
import { loadPart } from '../util/load_part.js';

/** In bytes once unpacked: what one wanted member and all members together may have. */
export interface ArchiveLimits {
  member: number;
  archive: number;
}

/** A wanted member is held in memory. */
const largestMember = 2 ** 29;

const files: readonly string[] = ['File', 'OldFile', 'ContiguousFile'];

/**
 * Reads members of a tar archive, packed with gzip or not, into memory; nothing is written to the disk. The whole
 * archive is read, so that damage behind the wanted members is noticed. Of a member that is there twice the last
 * counts, as when it is unpacked. What stands behind the end mark is no part of the archive, as for tar.
 *
 * @param wanted names of members, without "./" before them.
 * @param work.onProgress is given bytes of the packed archive.
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY; MALFORMED_FILE, naming the member, for an archive
 *   that is damaged, ends too early or lacks a wanted member; TOO_LARGE beyond the limits; ABORTED.
 */
export async function readTarMembers(
  path: string,
  wanted: readonly string[],
  { signal, onProgress, limits }: LineWork & { limits?: Partial<ArchiveLimits> } = {},
): Promise<Map<string, Uint8Array>> {
  const { member, archive } = {
    member: largestMember,
    archive: textLimitsSchema.shape.maxUnpackedBytes.parse(undefined),
    ...limits,
  };
  throwIfAborted(signal, reading);
  const found = new Map<string, Uint8Array>();
  let failure: RdropError | undefined;
  let last: ReadEntry | undefined;
  let ended = false;
  let total = 0;
  const fail = (error: RdropError) => {
    failure ??= error;
  };

  const { Parser } = await loadPart(() => import('tar'));
  const parser = new Parser({
    strict: true,
    zstd: false,
    filter: (_, entry) => {
      last = entry as ReadEntry;
      total += 512 + last.size;
      const name = nameOf(last);
      if (total > archive) {
        fail(
          tooLarge(
            `${path}: expected at most ${archive} bytes once unpacked (maxUnpackedBytes), at ${name} it is more`,
          ),
        );
      }
      if (failure !== undefined || !wanted.includes(name)) return false;
      const { type, size } = last;
      if (!files.includes(type)) fail(malformed(`${path}: ${name}: expected a file, got a ${type}`));
      if (size > member) {
        fail(tooLarge(`${path}: ${name}: expected at most ${member} bytes, got ${size}`));
      }
      return failure === undefined;
    },
    onReadEntry: (entry) => {
      const chunks: Uint8Array[] = [];
      entry.on('data', (chunk) => chunks.push(chunk));
      entry.on('end', () => found.set(nameOf(entry), Buffer.concat(chunks)));
    },
  });
  parser.on('error', (error) => fail(damaged(path, error, last)));
  parser.on('eof', () => {
    ended = true;
  });

  let read = 0;
  let begun = false;
  try {
    const bytes = fileBytes(path, (count) => {
      read = count;
      onProgress?.(count);
    });
    for await (const piece of unpacked(bytes, path, { maxUnpackedBytes: archive })) {
      throwIfAborted(signal, reading);
      if (!begun && piece[0] === 0x1f && piece[1] === 0x8b) {
        throw malformed(`${path}: expected a tar archive, got one that is packed twice`);
      }
      begun = true;
      // Behind the end mark the parser would collect what comes; it is read on for the faults of the packing.
      if (!ended) parser.write(piece);
      if (failure !== undefined) break;
    }
  } catch (error) {
    const { cause } = error as RdropError;
    const unpacking = error instanceof RdropError && error.code === 'MALFORMED_FILE' && cause !== undefined;
    throw unpacking ? damaged(path, cause, last, true) : error;
  }
  if (failure === undefined && read === 0) {
    throw new RdropError('FILE_EMPTY', `${path}: expected a tar archive, got an empty file`);
  }
  if (failure === undefined) {
    await new Promise<void>((resolve) => {
      parser.once('end', resolve).once('error', () => resolve());
      parser.end();
    });
  }
  if (failure !== undefined) throw failure;
  const missing = wanted.filter((name) => !found.has(name));
  if (missing.length > 0) {
    const end = ended ? '' : ', and its end is missing';
    throw malformed(`${path}: expected a member ${missing.join(', ')}, the archive has none${end}`);
  }
  return found;
}

const reading = 'reading an archive';

const tooLarge = (message: string) => new RdropError('TOO_LARGE', message);

const malformed = (message: string, options?: ErrorOptions) =>
  new RdropError('MALFORMED_FILE', message, options);

const nameOf = ({ path }: ReadEntry) => path.replace(/^(\.\/+)+/, '');

function damaged(path: string, cause: unknown, last: ReadEntry | undefined, unpacking = false): RdropError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (last === undefined && !unpacking) {
    return malformed(`${path}: expected a tar archive, packed with gzip or not (${reason})`, { cause });
  }
  const place =
    last === undefined ? '' : ` ${last.remain > 0 ? 'inside' : 'behind'} the member ${nameOf(last)}`;
  return malformed(`${path}: damaged or cut off${place} (${reason})`, { cause });
}

/** The size of a file in bytes, or null for a directory. @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE. */
export async function fileSize(path: string): Promise<number | null> {
  try {
    const found = await stat(path);
    return found.isDirectory() ? null : found.size;
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}
