import { textLimitsSchema } from '../../options/text.js';
import { type LineReading, linesOfPieces } from '../../text/lines/line_reader.js';
import { fileBytes, unpacked } from '../../text/lines/unpack.js';

/** A line of a text, and whether a line end stands behind it; it does but for a last line that has none. */
export interface TextLine {
  line: string;
  ends: boolean;
}

/** A text as lines, a block at a time; each call begins anew. */
export type TextStream = () => AsyncIterable<TextLine[]>;

/**
 * Reads a text file, plain or gzip data, block by block, and tells whether its last line ends.
 *
 * @throws RdropError as lineBlocks()
 */
export async function* textLineBlocks(path: string, reading: LineReading): AsyncGenerator<TextLine[]> {
  const limits = { ...textLimitsSchema.parse({}), ...reading.limits };
  let last = 0;
  const bytes = (async function* () {
    for await (const piece of unpacked(fileBytes(path, reading.onBytes), path, limits)) {
      last = piece.at(-1) ?? last;
      yield piece;
    }
  })();
  let waiting: string[] | null = null;
  for await (const lines of linesOfPieces(bytes, path, { ...reading, limits })) {
    if (waiting !== null) yield waiting.map((line) => ({ line, ends: true }));
    waiting = lines;
  }
  const end = waiting ?? [];
  yield end.map((line, at) => ({ line, ends: at < end.length - 1 || last === 10 }));
}

/** Characters (code points) of a line. */
export function codePointLength(line: string): number {
  let count = line.length;
  for (let i = 1; i < line.length; i++) {
    const unit = line.charCodeAt(i);
    // The second half of a surrogate pair; a text that was valid UTF-8 has no other.
    if (unit >= 0xdc00 && unit <= 0xdfff) count--;
  }
  return count;
}

/**
 * The part of a text before or behind its first `cut` characters, line ends counted.
 *
 * @param within whether a line may be cut; otherwise the one that the cut falls into belongs to the first part
 */
export async function* partOfText(
  text: AsyncIterable<TextLine[]>,
  part: 'before' | 'behind',
  cut: number,
  within: boolean,
): AsyncGenerator<TextLine[]> {
  let at = 0;
  for await (const block of text) {
    const found: TextLine[] = [];
    for (const item of block) {
      const start = at;
      const length = codePointLength(item.line);
      at += length + (item.ends ? 1 : 0);
      if (at <= cut || start >= cut || !within) {
        if (start < cut === (part === 'before')) found.push(item);
        continue;
      }
      const characters = [...item.line];
      const line = characters.slice(0, cut - start).join('');
      if (part === 'before') found.push({ line, ends: false });
      else found.push({ line: characters.slice(cut - start).join(''), ends: item.ends });
    }
    if (found.length > 0) yield found;
  }
}
