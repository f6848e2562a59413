import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import type { TextLimits } from '../../options/text.js';
import { quietly } from '../../util/async/cleanup.js';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';

const blockBytes = 2 ** 18;
/** Of the blocks at the end of a file. */
const endBytes = 2 ** 12;

/**
 * The bytes of a file, piece by piece.
 *
 * @param onBytes is called with the bytes that were taken so far.
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE.
 */
export async function* fileBytes(
  path: string,
  onBytes?: ((read: number) => void) | undefined,
): AsyncGenerator<Buffer> {
  const told = (error: unknown): never => {
    throw fileError(error, path, 'read');
  };
  const file = await open(path, 'r').catch(told);
  try {
    const { size } = await file.stat().catch(told);
    for (let read = 0; ; ) {
      // No larger than what is left, since most files are small; a pipe has no size, and a file may have grown.
      const left = size === 0 ? blockBytes : Math.max(size - read + 1, endBytes);
      const block = Buffer.allocUnsafeSlow(Math.min(blockBytes, left));
      const { bytesRead } = await file.read(block, 0, block.length, null).catch(told);
      if (bytesRead === 0) return;
      yield block.subarray(0, bytesRead);
      read += bytesRead;
      onBytes?.(read);
    }
  } finally {
    await quietly(() => file.close());
  }
}

/**
 * The bytes as they are, or if they are gzip data what these hold. They may have several members, as
 * `cat a.gz b.gz` makes, and zeros behind them.
 *
 * @param path what an error calls them.
 * @throws RdropError MALFORMED_FILE (the cause is zlib's), TOO_LARGE beyond the limit.
 */
export async function* unpacked(
  packed: AsyncGenerator<Buffer>,
  path: string,
  { maxUnpackedBytes }: Pick<TextLimits, 'maxUnpackedBytes'>,
): AsyncGenerator<Buffer> {
  const head: Buffer[] = [];
  let headBytes = 0;
  while (headBytes < 2) {
    const { value, done } = await packed.next();
    if (done) break;
    head.push(value);
    headBytes += value.length;
  }
  const first = Buffer.concat(head);
  const source = (async function* () {
    try {
      if (first.length > 0) yield first;
      yield* packed;
    } finally {
      // Left at the first piece, it has not come to closing the file.
      await packed.return(undefined);
    }
  })();
  if (first[0] !== 0x1f || first[1] !== 0x8b) {
    yield* source;
    return;
  }
  // The end of the data that are not zero: the unpacker must have come that far.
  let passed = 0;
  let end = 0;
  const watched = (async function* () {
    for await (const piece of source) {
      let last = piece.length;
      while (last > 0 && piece[last - 1] === 0) last--;
      if (last > 0) end = passed + last;
      passed += piece.length;
      yield piece;
    }
  })();
  const { createGunzip } = await import('node:zlib'); // only where something is packed
  const gunzip = createGunzip({ chunkSize: blockBytes });
  pipeline(Readable.from(watched), gunzip, () => {});
  let bytes = 0;
  try {
    for await (const piece of gunzip) {
      bytes += (piece as Buffer).length;
      if (bytes > maxUnpackedBytes) {
        throw new RdropError(
          'TOO_LARGE',
          `${path}: expected at most ${maxUnpackedBytes} bytes once unpacked (maxUnpackedBytes), got more`,
        );
      }
      yield piece as Buffer;
    }
  } catch (error) {
    if (error instanceof RdropError) throw error;
    throw new RdropError('MALFORMED_FILE', `${path}: broken gzip data${reasonOf(error)}`, { cause: error });
  }
  if (end > gunzip.bytesWritten) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: broken gzip data, something else stands behind their end`,
    );
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? ` (${error.message})` : '');
