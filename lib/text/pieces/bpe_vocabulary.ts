import { RdropError } from '../../util/errors.js';
import { lineBlocks } from '../lines/line_reader.js';
import { ownText } from '../own_text.js';
import { pythonInt } from '../python_int.js';
import { trimLine } from '../trim.js';
import { addWord, type WordCounts } from '../word_counts.js';
import { addWords, endOfWord } from './bpe_learner.js';

/** A line as subword-nmt reads it: "word count" without what strips off around it, and for the count Python's int(). */
function entryOf(line: string, lineNumber: number, name: string): [word: string, count: bigint] {
  const parts = trimLine(line).split(' ');
  const count = parts.length === 2 ? pythonInt(parts[1]!) : null;
  if (count === null || parts[0] === '') {
    throw new RdropError(
      'MALFORMED_FILE',
      `${name}:${lineNumber}: expected "word count", got ${JSON.stringify(line.slice(0, 80))}`,
    );
  }
  return [parts[0]!, count];
}

/**
 * Counts from lines of the form "word count"; those of a word that comes twice add up.
 *
 * @param name what an error calls the lines.
 * @throws RdropError MALFORMED_FILE, naming the line.
 */
export function countsOfLines(lines: Iterable<string>, name: string): WordCounts {
  const counts: WordCounts = new Map();
  let number = 0;
  for (const line of lines) addEntry(line, ++number, name, counts);
  return counts;
}

/** Adds the count of one line. @throws RdropError MALFORMED_FILE, naming the line. */
export function addEntry(line: string, lineNumber: number, name: string, counts: WordCounts): void {
  const [word, count] = entryOf(line, lineNumber, name);
  const exact = Number(count);
  if (!Number.isSafeInteger(exact)) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${name}:${lineNumber}: expected a count of at most 2^53 - 1, got ${count}`,
    );
  }
  addWord(counts, word, exact);
}

/**
 * The words of lines with their counts, the most frequent first, equal ones in the order in which they come up: the
 * content of subword-nmt's get_vocab.py.
 */
export function countWords(lines: Iterable<string>): [word: string, count: number][] {
  const counts: WordCounts = new Map();
  for (const line of lines) addWords(line, counts);
  return byFrequency(counts);
}

/** Words with their counts, the most frequent first, equal ones in the order in which they came. */
export const byFrequency = (counts: WordCounts): [word: string, count: number][] =>
  [...counts].sort((a, b) => b[1] - a[1]);

/**
 * Reads a file of countWords(); pieces that occur less often than `threshold` are left out.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE (names the line).
 */
export async function readVocabulary(
  path: string,
  threshold = Number.NEGATIVE_INFINITY,
): Promise<Set<string>> {
  const vocabulary = new Set<string>();
  let number = 0;
  for await (const block of lineBlocks(path)) {
    for (const line of block) {
      const [word, count] = entryOf(line, ++number, path);
      if (count >= threshold) vocabulary.add(ownText(word));
    }
  }
  return vocabulary;
}

/**
 * Undoes merges, the last ones first, until each piece is in the vocabulary or is no merge (apply_bpe.py
 * --vocabulary). Pieces that are not the last of their word stand in the vocabulary with the separator.
 *
 * @param origins by the text of a merge, the two symbols that it joined.
 */
export function splitUnknown(
  pieces: readonly string[],
  vocabulary: ReadonlySet<string>,
  separator: string,
  origins: ReadonlyMap<string, readonly [string, string]>,
): string[] {
  const result: string[] = [];
  // What is still to be placed, the next on top: a merge may rest on thousands of others.
  const waiting: [piece: string, last: boolean][] = pieces
    .map((piece, i): [string, boolean] => [piece, i === pieces.length - 1])
    .reverse();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [piece, last] = next;
    const known = vocabulary.has(last ? piece : piece + separator);
    const origin = known ? undefined : origins.get(last ? piece + endOfWord : piece);
    if (origin === undefined) {
      result.push(piece);
      continue;
    }
    const [first, second] = origin;
    waiting.push([last ? second.slice(0, -endOfWord.length) : second, last], [first, false]);
  }
  return result;
}
