import { isUtf8 } from 'node:buffer';
import { type TextLimits, textLimitsSchema } from '../../options/text.js';
import { encodingHint } from '../../util/encoding_hint.js';
import { RdropError } from '../../util/errors.js';
import { HeapGuard } from './heap_guard.js';

const lineFeed = 10;

/** What stays in the lines, for programs that are imitated to the byte. */
export interface Keep {
  /** The byte-order mark. */
  mark?: boolean;
  carriageReturns?: boolean;
}

export const asWritten: Keep = { mark: true, carriageReturns: true };

/**
 * Cuts UTF-8 bytes, which come in pieces of any size, into lines; no more is held than a piece and the line that it
 * leaves unfinished. Only LF ends a line, as in fairseq and the Moses scripts: U+2028, U+0085 and a lone CR are ordinary
 * characters. A CR before the LF, or at the very end, belongs to the end of the line, and a byte-order mark at the very
 * beginning to no line: a file of Windows is read as its twin of Unix.
 */
export class LineSplitter {
  readonly #name: string;
  readonly #longest: number;
  readonly #keep: Keep;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #lines = 0;
  #begun = false;

  /**
   * @param name what an error calls the text.
   */
  constructor(name: string, limits?: Pick<TextLimits, 'maxLineBytes'>, keep: Keep = {}) {
    this.#name = name;
    this.#longest = limits?.maxLineBytes ?? textLimitsSchema.shape.maxLineBytes.parse(undefined);
    this.#keep = keep;
  }

  /** Lines given so far. */
  get lines(): number {
    return this.#lines;
  }

  /**
   * The lines that the piece completes, if any; those before a fault come first, then the error.
   *
   * @throws RdropError INVALID_UTF8, TOO_LARGE, naming the line.
   */
  *push(piece: Uint8Array): Generator<string[]> {
    const end = piece.lastIndexOf(lineFeed) + 1;
    if (end > 0) {
      const bytes = Buffer.concat([...this.#rest, piece.subarray(0, end)]);
      this.#rest = [];
      this.#restBytes = 0;
      yield* this.#decode(bytes);
    }
    if (end < piece.length) {
      this.#rest.push(piece.subarray(end));
      this.#restBytes += piece.length - end;
      if (this.#restBytes > this.#longest) throw this.#tooLong(this.#lines + 1);
    }
  }

  /** The last line, if it has no LF. @throws RdropError as push(). */
  *end(): Generator<string[]> {
    if (this.#rest.length === 0) return;
    const bytes = Buffer.concat(this.#rest);
    this.#rest = [];
    yield* this.#decode(bytes);
  }

  *#decode(bytes: Buffer): Generator<string[]> {
    const mark = !this.#begun && !this.#keep.mark;
    const start = mark && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    this.#begun = true;
    const body = bytes.subarray(start, bytes.at(-1) === lineFeed ? bytes.length - 1 : bytes.length);
    if (start === bytes.length) return;
    const tooLong = body.length > this.#longest && this.#hasLongLine(body);
    if (isUtf8(body) && !tooLong) {
      const lines = this.#linesOf(body);
      this.#lines += lines.length;
      yield lines;
      return;
    }
    yield* this.#upToFault(body);
  }

  #hasLongLine(body: Buffer): boolean {
    for (let start = 0; start <= body.length; ) {
      const end = endOfLine(body, start);
      if (end - start > this.#longest) return true;
      start = end + 1;
    }
    return false;
  }

  *#upToFault(body: Buffer): Generator<string[]> {
    for (let start = 0; start <= body.length; ) {
      const end = endOfLine(body, start);
      const line = body.subarray(start, end);
      const good = end - start <= this.#longest && isUtf8(line);
      if (!good) {
        if (start > 0) {
          const lines = this.#linesOf(body.subarray(0, start - 1));
          this.#lines += lines.length;
          yield lines;
        }
        if (end - start > this.#longest) throw this.#tooLong(this.#lines + 1);
        throw new RdropError(
          'INVALID_UTF8',
          `${this.#name}:${this.#lines + 1}: not valid UTF-8${encodingHint(body)}`,
        );
      }
      start = end + 1;
    }
  }

  #linesOf(body: Buffer): string[] {
    const text = body.toString('utf8');
    if (this.#keep.carriageReturns || !text.includes('\r')) return text.split('\n');
    return text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  #tooLong(line: number): RdropError {
    return new RdropError(
      'TOO_LARGE',
      `${this.#name}:${line}: expected a line of at most ${this.#longest} bytes (maxLineBytes), got a longer one`,
    );
  }
}

function endOfLine(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(lineFeed, start);
  return end < 0 ? bytes.length : end;
}

export const emptyText = (name: string) =>
  new RdropError('FILE_EMPTY', `${name}: expected at least one line, got an empty file`);

/**
 * All lines of bytes, byte-order mark and CR included.
 *
 * @throws RdropError FILE_EMPTY, INVALID_UTF8, TOO_LARGE (name the line).
 */
export function linesAsWritten(bytes: Uint8Array, name: string): string[] {
  const splitter = new LineSplitter(name, undefined, asWritten);
  const guard = new HeapGuard();
  const lines: string[] = [];
  const append = (block: readonly string[]) => {
    guard.add(block, name);
    for (const line of block) lines.push(line);
  };
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    for (const block of splitter.push(bytes.subarray(start, start + pieceBytes))) append(block);
  }
  for (const block of splitter.end()) append(block);
  if (splitter.lines === 0) throw emptyText(name);
  return lines;
}

const pieceBytes = 2 ** 20;
