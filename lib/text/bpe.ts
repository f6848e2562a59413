import { RdropError } from '../errors.js';
import { readLines, writeFileAtomically } from '../files.js';
import { BpeLearner, countWords, endOfWord } from './bpe_learner.js';
import { pythonSpace } from './characters.js';

/** Marks a piece that the next one continues. */
export const separator = '@@';

const trailingSpace = new RegExp(`[${pythonSpace}]+$`, 'u');

type Merge = readonly [first: string, second: string];

/**
 * Byte pair encoding of words (Sennrich, Haddow, Birch 2016), algorithm and file format of subword-nmt. Files of
 * version 0.2 are written; 0.1, where the end of a word is a symbol of its own, is read as well.
 */
export class Bpe {
  /** Rank of a merge by "first second"; a symbol never holds a space. */
  private readonly ranks = new Map<string, number>();
  private readonly cache = new Map<string, string>();

  private constructor(
    readonly merges: readonly Merge[],
    readonly version: '0.1' | '0.2' = '0.2',
  ) {
    merges.forEach(([first, second], rank) => {
      const key = `${first} ${second}`;
      if (!this.ranks.has(key)) this.ranks.set(key, rank);
    });
  }

  /**
   * Learns at most `merges` merges from lines of words separated by spaces; fewer when no pair of symbols occurs
   * minFrequency times any more.
   */
  static learn(lines: Iterable<string>, merges: number, { minFrequency = 2 } = {}): Bpe {
    const counts = new Map<string, number>();
    for (const line of lines) countWords(line, counts);
    return Bpe.ofMerges(learnMerges(counts, merges, minFrequency));
  }

  /** From merges in the order in which they were learned. */
  static ofMerges(merges: Iterable<Merge>): Bpe {
    return new Bpe([...merges]);
  }

  /**
   * Reads the text of a file of codes; `name` is what an error calls it.
   *
   * @throws RdropError FILE_EMPTY, MALFORMED_FILE, naming the line.
   */
  static parse(text: string, name: string): Bpe {
    if (text === '') throw new RdropError('FILE_EMPTY', `${name}: expected BPE codes, got an empty file`);
    const lines = text.split('\n');
    while (lines.at(-1) === '') lines.pop();
    return Bpe.ofLines(lines, name);
  }

  /** @throws RdropError as parse(), and FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_UTF8. */
  static async read(path: string): Promise<Bpe> {
    const lines = await readLines(path);
    while (lines.at(-1) === '') lines.pop();
    return Bpe.ofLines(lines, path);
  }

  private static ofLines(lines: string[], name: string): Bpe {
    const header = lines[0] ?? '';
    let version: '0.1' | '0.2' = '0.1';
    if (header.startsWith('#version:')) {
      const found = /^#version:\s*(\d+\.\d+)(?:\.0+)*\s*$/.exec(header)?.[1];
      if (found !== '0.1' && found !== '0.2') {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:1: expected BPE codes of version 0.1 or 0.2, got ${JSON.stringify(header)}`,
        );
      }
      version = found;
    }
    const start = header.startsWith('#version:') ? 1 : 0;
    const merges = lines.slice(start).map((line, i): Merge => {
      const parts = line.replace(/^[\r\n ]+|[\r\n ]+$/g, '').split(' ');
      if (parts.length !== 2 || parts[0] === '' || parts[1] === '') {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:${i + start + 1}: expected two symbols separated by a space, got ${JSON.stringify(line)}`,
        );
      }
      return [parts[0]!, parts[1]!];
    });
    return new Bpe(merges, version);
  }

  /** The content of a file of codes. */
  toString(): string {
    const header = this.version === '0.2' ? '#version: 0.2\n' : '#version: 0.1\n';
    return header + this.merges.map(([first, second]) => `${first} ${second}\n`).join('');
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  write(path: string): Promise<void> {
    return writeFileAtomically(path, this.toString());
  }

  /** Splits each word of a line into pieces: "lower" becomes "lo@@ w@@ er". Space around the line stays. */
  segment(line: string): string {
    const words = line.replace(/^[\r\n ]+|[\r\n ]+$/g, '');
    if (words === '') return line;
    const start = line.indexOf(words);
    const pieces: string[] = [];
    for (const word of words.split(' ')) if (word !== '') pieces.push(this.segmentWord(word));
    return line.slice(0, start) + pieces.join(' ') + line.slice(start + words.length);
  }

  private segmentWord(word: string): string {
    let pieces = this.cache.get(word);
    if (pieces === undefined) {
      pieces = this.encode(word).join(`${separator} `);
      this.cache.set(word, pieces);
    }
    return pieces;
  }

  private encode(word: string): string[] {
    let symbols = [...word];
    if (symbols.length === 1) return symbols;
    if (this.version === '0.1') symbols.push(endOfWord);
    else symbols[symbols.length - 1] += endOfWord;
    while (symbols.length > 1) {
      let best = Number.POSITIVE_INFINITY;
      for (let i = 1; i < symbols.length; i++) {
        const rank = this.ranks.get(`${symbols[i - 1]} ${symbols[i]}`);
        if (rank !== undefined && rank < best) best = rank;
      }
      if (best === Number.POSITIVE_INFINITY) break;
      symbols = applyMerge(symbols, this.merges[best]!);
    }
    const last = symbols.pop()!;
    if (last !== endOfWord) symbols.push(last.slice(0, -endOfWord.length));
    return symbols;
  }
}

/** Undoes segment(): "lo@@ w@@ er" becomes "lower" (fairseq's post_process for subword_nmt). */
export function joinPieces(line: string): string {
  return `${line} `.replaceAll(`${separator} `, '').replace(trailingSpace, '');
}

/** Generates merges, so that the caller may show progress and let others work in between. */
export function* learnMerges(
  counts: ReadonlyMap<string, number>,
  merges: number,
  minFrequency: number,
): Generator<[string, string]> {
  const learner = new BpeLearner(counts);
  for (let i = 0; i < merges; i++) {
    const merge = learner.next(minFrequency);
    if (merge === null) return;
    yield merge;
  }
}

function applyMerge(symbols: string[], [first, second]: Merge): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === first && symbols[i + 1] === second) {
      merged.push(first + second);
      i++;
    } else merged.push(symbols[i]!);
  }
  return merged;
}
