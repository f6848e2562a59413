import { RdropError } from '../util/errors.js';
import { ownText } from './own_text.js';

/** How often words occur, in the order in which they first came. */
export type WordCounts = Map<string, number>;

/** Adds to the count of a word. @throws RdropError TOO_LARGE at 2^24 different words, which is the most a Map holds. */
export function addWord(counts: WordCounts, word: string, count: number): void {
  const before = counts.get(word);
  if (before !== undefined) counts.set(word, before + count);
  else insert(counts, ownText(word), count);
}

function insert(counts: WordCounts, word: string, count: number): void {
  try {
    counts.set(word, count);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RdropError(
      'TOO_LARGE',
      `expected at most ${counts.size} different words, got more; is the text split into words?`,
      { cause: error },
    );
  }
}

/** Adds all of `more`, behind those that are there. @throws RdropError as addWord(). */
export function addCounts(counts: WordCounts, more: ReadonlyMap<string, number>): void {
  for (const [word, count] of more) {
    const before = counts.get(word);
    if (before !== undefined) counts.set(word, before + count);
    else insert(counts, word, count);
  }
}
