import { compareCodePoints } from '../../util/characters.js';
import { trimLine } from '../trim.js';
import { addWord, type WordCounts } from '../word_counts.js';
import { BpeText, type PairChange } from './bpe_text.js';
import { PairHeap } from './pair_heap.js';

export { endOfWord } from './bpe_text.js';

type PairCounts = Map<number, number>;

/** Adds the words of a line to the counts. Only the space separates, as in subword-nmt. */
export function addWords(line: string, counts: WordCounts): void {
  for (const word of trimLine(line).split(' ')) {
    if (word !== '') addWord(counts, word, 1);
  }
}

/** Words that are taken in between two breaks. */
const wordsAtOnce = 1000;

/**
 * The merges of byte pair encoding, one at a time, in the order in which subword-nmt's learn_bpe.py finds them: the
 * most frequent pair first; of equal ones the greatest by code points. (Sennrich, Haddow, Birch 2016, algorithm 1.)
 *
 * The statistics are kept incrementally and pruned as in the original. Pruning is part of the result, not only of the
 * speed: a symbol that arises a second time ("ab"+"c" after "a"+"bc") may raise a pair that was pruned before.
 */
export class BpeLearner {
  private readonly text = new BpeText();
  /** Every pair's count when it was last complete; `live` holds those worth looking at. */
  private readonly all: PairCounts = new Map();
  private live: PairCounts = new Map();
  private readonly heap = new PairHeap((a, b) => this.text.compare(a, b, compareCodePoints));
  private threshold = 0;
  private round = 0;
  /** The distinct characters of the words, counted once inside words and once at their end (--total-symbols). */
  characters = 0;

  /** Takes the words in; yields now and then, so that the caller may let others work in between. */
  *take(counts: ReadonlyMap<string, number>): Generator<undefined> {
    const first: PairChange = (pair, _, count) => {
      this.all.set(pair, (this.all.get(pair) ?? 0) + count);
    };
    let words = 0;
    for (const [word, count] of counts) {
      this.text.addWord(word, count, first);
      if (++words % wordsAtOnce === 0) yield;
    }
    this.characters = this.text.symbols;
    this.live = new Map(this.all);
    yield;
    this.heap.rebuild(this.live);
    for (const count of this.all.values()) this.threshold = Math.max(this.threshold, count / 10);
    yield;
  }

  /** The next merge, or null when no pair occurs at least minFrequency times. */
  next(minFrequency: number): [string, string] | null {
    const round = this.round++;
    let best = this.heap.best(this.live);
    if (best === null || (round > 0 && this.live.get(best)! < this.threshold)) {
      // The best pair may have been pruned: go back to the complete statistics.
      this.prune();
      this.live = new Map(this.all);
      this.heap.rebuild(this.live);
      best = this.heap.best(this.live);
      if (best === null) return null;
      this.threshold = (this.live.get(best)! * round) / (round + 10_000);
      this.prune();
    }
    if ((this.live.get(best) ?? 0) < minFrequency) return null;
    const merge = this.text.textOf(best);
    const raised = new Set<number>();
    this.live.set(best, 0);
    this.text.merge(best, (pair, change, count) => {
      this.live.set(pair, (this.live.get(pair) ?? 0) + change * count);
      if (change > 0) raised.add(pair);
    });
    this.live.set(best, 0);
    for (const pair of raised) this.heap.push(pair, this.live.get(pair)!);
    if (round % 100 === 0) this.prune();
    return merge;
  }

  private prune(): void {
    for (const [pair, count] of this.live) {
      if (count >= this.threshold) continue;
      this.live.delete(pair);
      if (count < 0) this.all.set(pair, (this.all.get(pair) ?? 0) + count);
      else this.all.set(pair, count);
    }
  }
}
