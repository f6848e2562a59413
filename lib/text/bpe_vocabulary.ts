import { RdropError } from '../errors.js';
import { readLines } from '../files.js';
import { countWords, endOfWord } from './bpe_learner.js';

const entry = /^[\r\n ]*([^ ]+) ([0-9]{1,15})[\r\n ]*$/;

function* entriesOf(lines: readonly string[], name: string): Generator<[word: string, count: number]> {
  for (const [i, line] of lines.entries()) {
    const [, word, count] = entry.exec(line) ?? [];
    if (word === undefined) {
      throw new RdropError(
        'MALFORMED_FILE',
        `${name}:${i + 1}: expected "word count", got ${JSON.stringify(line.slice(0, 80))}`,
      );
    }
    yield [word, Number(count)];
  }
}

/**
 * Counts from lines of the form "word count"; those of a word that comes twice add up.
 *
 * @param name what an error calls the lines.
 * @throws RdropError MALFORMED_FILE, naming the line.
 */
export function countsOfLines(lines: readonly string[], name: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word, count] of entriesOf(lines, name)) counts.set(word, (counts.get(word) ?? 0) + count);
  return counts;
}

/**
 * The words of lines with their counts, the most frequent first, equal ones in the order in which they come up: the
 * content of subword-nmt's get_vocab.py.
 */
export function vocabularyOf(lines: Iterable<string>): [word: string, count: number][] {
  const counts = new Map<string, number>();
  for (const line of lines) countWords(line, counts);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/**
 * Reads a file of vocabularyOf(); pieces that occur less often than `threshold` are left out.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE (names the line).
 */
export async function readVocabulary(path: string, threshold = 0): Promise<Set<string>> {
  const vocabulary = new Set<string>();
  for (const [word, count] of entriesOf(await readLines(path), path)) {
    if (count >= threshold) vocabulary.add(word);
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
  const place = (piece: string, last: boolean): void => {
    if (vocabulary.has(last ? piece : piece + separator)) {
      result.push(piece);
      return;
    }
    const origin = origins.get(last ? piece + endOfWord : piece);
    if (origin === undefined) {
      result.push(piece);
      return;
    }
    place(origin[0], false);
    place(last ? origin[1].slice(0, -endOfWord.length) : origin[1], last);
  };
  pieces.forEach((piece, i) => {
    place(piece, i === pieces.length - 1);
  });
  return result;
}
