import { type TextLimits, textLimitsSchema } from '../../options/text.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { HeapGuard } from './heap_guard.js';
import { emptyText, type Keep, LineSplitter } from './line_splitter.js';
import { fileBytes, unpacked } from './unpack.js';

export interface LineReading {
  /** Default: those of textLimitsSchema. */
  limits?: Partial<TextLimits> | undefined;
  keep?: Keep | undefined;
  /** Shared by texts that are held in memory together. */
  guard?: HeapGuard | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the bytes of the file, packed as they are, that were read. */
  onBytes?: ((read: number) => void) | undefined;
}

/**
 * Reads a text file, plain or .gz, as blocks of lines without their ends (see LineSplitter); memory does not grow with
 * the file. A .gz may have several members, as `cat a.gz b.gz` makes, and zeros behind them.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, MALFORMED_FILE (broken gzip), INVALID_UTF8 and
 *   TOO_LARGE (name the line; or the limit of unpacking), ABORTED.
 */
export async function* lineBlocks(path: string, reading: LineReading = {}): AsyncGenerator<string[]> {
  const limits = { ...textLimitsSchema.parse({}), ...reading.limits };
  throwIfAborted(reading.signal, `reading ${path}`);
  const pieces = unpacked(fileBytes(path, reading.onBytes), path, limits);
  yield* linesOfPieces(pieces, path, { ...reading, limits });
}

/**
 * Lines of bytes that come in pieces, as blocks.
 *
 * @param name what an error calls the text.
 * @throws RdropError FILE_EMPTY, INVALID_UTF8, TOO_LARGE, ABORTED.
 */
export async function* linesOfPieces(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  { limits, keep, signal }: LineReading = {},
): AsyncGenerator<string[]> {
  const splitter = new LineSplitter(name, { ...textLimitsSchema.parse({}), ...limits }, keep);
  for await (const piece of pieces) {
    throwIfAborted(signal, `reading ${name}`);
    yield* splitter.push(piece);
  }
  yield* splitter.end();
  if (splitter.lines === 0) throw emptyText(name);
}

/**
 * All lines of a text file, plain or .gz: for those who need every line at once.
 *
 * @throws RdropError as lineBlocks(), and TOO_LARGE for a text that the memory of this process could not hold.
 */
export async function readLines(path: string, reading: LineReading = {}): Promise<string[]> {
  return collectLines(lineBlocks(path, reading), path, reading.guard);
}

/** All lines of blocks. @throws RdropError TOO_LARGE, before the memory of this process is used up. */
export async function collectLines(
  blocks: AsyncIterable<string[]>,
  name: string,
  guard = new HeapGuard(),
): Promise<string[]> {
  const lines: string[] = [];
  for await (const block of blocks) {
    for (const line of block) lines.push(line);
    guard.add(block, name);
  }
  return lines;
}
