import { compareCodePoints, pythonSpace } from './characters.js';

export const endOfWord = '</w>';

/** Ids of symbols stay below this, so that a pair of them is one exact number. */
const pairBase = 2 ** 26;

type PairCounts = Map<number, number>;

/** A word type: its symbols, which merging shortens, and how often it occurs. */
interface WordType {
  symbols: number[];
  readonly count: number;
  /** It holds a space other than the one that separates words. */
  readonly spaced: boolean;
}

const otherSpace = new RegExp(`[${pythonSpace}]`, 'v');

/** Adds the words of a line to the counts. Only the space separates, as in subword-nmt. */
export function countWords(line: string, counts: Map<string, number>): void {
  for (const word of line.replace(/^[\r\n ]+|[\r\n ]+$/g, '').split(' ')) {
    if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1);
  }
}

/**
 * The merges of byte pair encoding, one at a time, in the order in which subword-nmt's learn_bpe.py finds them: the
 * most frequent pair first; of equal ones the greatest by code points. (Sennrich, Haddow, Birch 2016, algorithm 1.)
 *
 * The statistics are kept incrementally and pruned as in the original. Pruning is part of the result, not only of the
 * speed: a symbol that arises a second time ("ab"+"c" after "a"+"bc") may raise a pair that was pruned before.
 */
export class BpeLearner {
  private readonly texts: string[] = [];
  private readonly ids = new Map<string, number>();
  private readonly words: WordType[] = [];
  /** Which words hold a pair, and how often each. */
  private readonly index = new Map<number, Map<number, number>>();
  /** Every pair's count when it was last complete; `live` holds those worth looking at. */
  private readonly all: PairCounts = new Map();
  private live: PairCounts;
  private threshold = 0;
  private round = 0;

  /** The distinct characters of the words, counted once inside words and once at their end (--total-symbols). */
  readonly characters: number;

  constructor(counts: ReadonlyMap<string, number>) {
    for (const [word, count] of counts) {
      const characters = [...word];
      characters[characters.length - 1] += endOfWord;
      const symbols = characters.map((symbol) => this.idOf(symbol));
      this.words.push({ symbols, count, spaced: otherSpace.test(word) });
      for (let i = 1; i < symbols.length; i++) {
        const pair = pairOf(symbols[i - 1]!, symbols[i]!);
        add(this.all, pair, count);
        this.addToIndex(pair, this.words.length - 1, 1);
      }
    }
    this.characters = this.texts.length;
    this.live = new Map(this.all);
    for (const count of this.all.values()) this.threshold = Math.max(this.threshold, count / 10);
  }

  /** The next merge, or null when no pair occurs at least minFrequency times. */
  next(minFrequency: number): [string, string] | null {
    const round = this.round++;
    let best = this.mostFrequent();
    if (best === null || (round > 0 && this.live.get(best)! < this.threshold)) {
      // The best pair may have been pruned: go back to the complete statistics.
      this.prune();
      this.live = new Map(this.all);
      best = this.mostFrequent();
      if (best === null) return null;
      this.threshold = (this.live.get(best)! * round) / (round + 10_000);
      this.prune();
    }
    if ((this.live.get(best) ?? 0) < minFrequency) return null;
    const [first, second] = symbolsOf(best);
    const merged = this.idOf(this.texts[first]! + this.texts[second]!);
    this.merge(best, first, second, merged);
    this.live.set(best, 0);
    if (round % 100 === 0) this.prune();
    return [this.texts[first]!, this.texts[second]!];
  }

  private idOf(symbol: string): number {
    let id = this.ids.get(symbol);
    if (id === undefined) {
      id = this.texts.push(symbol) - 1;
      this.ids.set(symbol, id);
    }
    return id;
  }

  private addToIndex(pair: number, word: number, change: number): void {
    let places = this.index.get(pair);
    if (places === undefined) {
      places = new Map();
      this.index.set(pair, places);
    }
    places.set(word, (places.get(word) ?? 0) + change);
  }

  private mostFrequent(): number | null {
    let best: number | null = null;
    let most = 0;
    for (const [pair, count] of this.live) {
      if (best === null || count > most || (count === most && this.compare(pair, best) > 0)) {
        best = pair;
        most = count;
      }
    }
    return best;
  }

  private compare(a: number, b: number): number {
    const [a1, a2] = symbolsOf(a);
    const [b1, b2] = symbolsOf(b);
    return (
      compareCodePoints(this.texts[a1]!, this.texts[b1]!) ||
      compareCodePoints(this.texts[a2]!, this.texts[b2]!)
    );
  }

  private prune(): void {
    for (const [pair, count] of this.live) {
      if (count >= this.threshold) continue;
      this.live.delete(pair);
      if (count < 0) add(this.all, pair, count);
      else this.all.set(pair, count);
    }
  }

  private merge(pair: number, first: number, second: number, merged: number): void {
    const places = this.index.get(pair) ?? new Map<number, number>();
    this.live.set(pair, 0);
    this.index.set(pair, new Map());
    for (const [place, occurrences] of places) {
      if (occurrences < 1) continue;
      const word = this.words[place]!;
      const before = word.symbols;
      word.symbols = word.spaced
        ? this.replaceInText(before, first, second)
        : replacePair(before, first, second, merged);
      this.subtract(before, first, second, place, word.count);
      this.credit(word.symbols, merged, place, word.count);
    }
  }

  /**
   * The original looks for the pair in the text of the word, its symbols separated by spaces, and any space bounds a
   * symbol there: the end of a symbol behind, say, a no-break space is taken for a whole one.
   */
  private replaceInText(symbols: number[], first: number, second: number): number[] {
    const pair = `${this.texts[first]} ${this.texts[second]}`;
    const pattern = new RegExp(
      `(?<![^${pythonSpace}])${pair.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&')}(?![^${pythonSpace}])`,
      'gv',
    );
    const text = symbols.map((symbol) => this.texts[symbol]).join(' ');
    const joined = text.replace(pattern, () => pair.replace(' ', ''));
    return joined.split(' ').map((symbol) => this.idOf(symbol));
  }

  /** Takes away the pairs that overlapped an occurrence of (first, second). */
  private subtract(before: number[], first: number, second: number, place: number, count: number): void {
    const change = (pair: number) => {
      add(this.live, pair, -count);
      this.addToIndex(pair, place, -1);
    };
    const last = before.length - 1;
    for (let i = before.indexOf(first); i >= 0; i = before.indexOf(first, i)) {
      if (i === last || before[i + 1] !== second) {
        i++;
        continue;
      }
      if (i > 0) change(pairOf(before[i - 1]!, first));
      // In A B C B C the pair (C B) is the one before the second occurrence, counted there.
      const next = before[i + 2];
      if (next !== undefined && (next !== first || before[i + 3] !== second)) change(pairOf(second, next));
      i += 2;
    }
  }

  /** Adds the pairs around each occurrence of the merged symbol. */
  private credit(after: number[], merged: number, place: number, count: number): void {
    const change = (pair: number) => {
      add(this.live, pair, count);
      this.addToIndex(pair, place, 1);
    };
    for (let i = after.indexOf(merged); i >= 0; i = after.indexOf(merged, i + 1)) {
      if (i > 0) change(pairOf(after[i - 1]!, merged));
      const next = after[i + 1];
      if (next !== undefined && next !== merged) change(pairOf(merged, next));
    }
  }
}

const pairOf = (first: number, second: number) => first * pairBase + second;

const symbolsOf = (pair: number): [number, number] => [Math.floor(pair / pairBase), pair % pairBase];

const add = (counts: PairCounts, pair: number, change: number) =>
  counts.set(pair, (counts.get(pair) ?? 0) + change);

/** From left to right, without overlap. */
function replacePair(symbols: number[], first: number, second: number, merged: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === first && symbols[i + 1] === second) {
      result.push(merged);
      i++;
    } else result.push(symbols[i]!);
  }
  return result;
}
