import { pythonSpace } from '../../util/characters.js';
import { LongWord } from './long_word.js';
import { pairOf, symbolsOf } from './symbol_pair.js';

export const endOfWord = '</w>';

/** Words with more symbols find their pairs by an index of their own instead of going through all symbols. */
const longWord = 256;

/** Told that a pair occurs once more (1) or less (-1) in a word that occurs `count` times. */
export type PairChange = (pair: number, change: number, count: number) => void;

const otherSpace = new RegExp(`[${pythonSpace}]`, 'v');

/** Puts `replacement` for each `part` with a space or an end of the text on both sides; a part may be too long for an expression. */
function replaceWhole(text: string, part: string, replacement: string): string {
  const bounds = (at: number) => at < 0 || at === text.length || otherSpace.test(text[at]!);
  let result = '';
  let done = 0;
  for (let at = text.indexOf(part); at >= 0; ) {
    const end = at + part.length;
    const whole = bounds(at - 1) && bounds(end);
    if (whole) {
      result += text.slice(done, at) + replacement;
      done = end;
    }
    at = text.indexOf(part, whole ? end : at + 1);
  }
  return result + text.slice(done);
}

/** A larger array that begins with the first `used` numbers of another. */
function extended<T extends Int32Array | Uint32Array | Float64Array>(array: T, used: number, larger: T): T {
  larger.set(array.subarray(0, used));
  return larger;
}

/**
 * The words of the text that byte pair encoding learns from, as symbols that merging joins, and where each pair of
 * symbols occurs.
 */
export class BpeText {
  private readonly texts: string[] = [];
  private readonly ids = new Map<string, number>();
  /** The symbols of all words, one behind the other; a word leaves unused what merging has freed of its place. */
  private packed = new Int32Array(1024);
  private used = 0;
  private words = 0;
  /** Of each word: where its symbols begin, how many they are, and how often it occurs. Millions take half the memory of lists. */
  private starts = new Uint32Array(1024);
  private lengths = new Uint32Array(1024);
  private counts = new Float64Array(1024);
  /** Words that hold a space other than the one that separates words. */
  private readonly spaced = new Set<number>();
  private readonly long = new Map<number, LongWord>();
  /** The words that a pair came into, and as ~word those that it left, once for each time. */
  private readonly index = new Map<number, number[]>();

  /** Different symbols, so far. */
  get symbols(): number {
    return this.texts.length;
  }

  addWord(text: string, count: number, change: PairChange): void {
    const characters = [...text];
    characters[characters.length - 1] += endOfWord;
    const word = this.words++;
    if (word === this.counts.length) {
      this.starts = extended(this.starts, word, new Uint32Array(word + word / 2));
      this.lengths = extended(this.lengths, word, new Uint32Array(word + word / 2));
      this.counts = extended(this.counts, word, new Float64Array(word + word / 2));
    }
    const symbols = Int32Array.from(characters, (symbol) => this.idOf(symbol));
    this.counts[word] = count;
    this.starts[word] = this.used;
    this.lengths[word] = symbols.length;
    if (otherSpace.test(text)) this.spaced.add(word);
    if (symbols.length > longWord && !this.spaced.has(word)) this.long.set(word, new LongWord(symbols));
    else this.append(symbols);
    for (let i = 1; i < symbols.length; i++)
      this.change(pairOf(symbols[i - 1]!, symbols[i]!), 1, word, change);
  }

  /** The texts of both symbols of a pair. */
  textOf(pair: number): [string, string] {
    const [first, second] = symbolsOf(pair);
    return [this.texts[first]!, this.texts[second]!];
  }

  /** Orders pairs by their texts. */
  compare(a: number, b: number, compareText: (a: string, b: string) => number): number {
    const [a1, a2] = symbolsOf(a);
    const [b1, b2] = symbolsOf(b);
    return compareText(this.texts[a1]!, this.texts[b1]!) || compareText(this.texts[a2]!, this.texts[b2]!);
  }

  /** Joins a pair wherever it occurs, and reports how often that makes other pairs occur. */
  merge(pair: number, told: PairChange): void {
    const [first, second] = symbolsOf(pair);
    const merged = this.idOf(this.texts[first]! + this.texts[second]!);
    const places = new Map<number, number>();
    for (const entry of this.index.get(pair) ?? []) {
      const word = entry < 0 ? ~entry : entry;
      places.set(word, (places.get(word) ?? 0) + (entry < 0 ? -1 : 1));
    }
    this.index.delete(pair);
    const asText = this.spaced.size > 0 ? this.searchInText(first, second) : null;
    for (const [word, occurrences] of places) {
      if (occurrences < 1) continue;
      const change = (other: number, by: number) => this.change(other, by, word, told);
      const long = this.long.get(word);
      if (long !== undefined) {
        long.merge(first, second, merged, change);
        continue;
      }
      const start = this.starts[word]!;
      const end = start + this.lengths[word]!;
      this.subtract(start, end, first, second, change);
      const shorter =
        asText !== null && this.spaced.has(word)
          ? asText(start, end)
          : this.replace(start, end, first, second, merged);
      this.lengths[word] = shorter - start;
      this.credit(start, shorter, merged, change);
    }
  }

  private change(pair: number, by: number, word: number, told: PairChange): void {
    const entries = this.index.get(pair);
    const entry = by < 0 ? ~word : word;
    if (entries === undefined) this.index.set(pair, [entry]);
    else entries.push(entry);
    told(pair, by, this.counts[word]!);
  }

  private idOf(symbol: string): number {
    let id = this.ids.get(symbol);
    if (id === undefined) {
      id = this.texts.push(symbol) - 1;
      this.ids.set(symbol, id);
    }
    return id;
  }

  private append(symbols: Int32Array): void {
    const needed = this.used + symbols.length;
    if (needed > this.packed.length)
      this.packed = extended(this.packed, this.used, new Int32Array(needed + (needed >> 1)));
    this.packed.set(symbols, this.used);
    this.used += symbols.length;
  }

  /** From left to right, without overlap; returns the new end. */
  private replace(start: number, end: number, first: number, second: number, merged: number): number {
    const { packed } = this;
    let to = start;
    for (let i = start; i < end; i++) {
      if (packed[i] === first && i + 1 < end && packed[i + 1] === second) {
        packed[to++] = merged;
        i++;
      } else packed[to++] = packed[i]!;
    }
    return to;
  }

  /**
   * The original looks for the pair in the text of the word, its symbols separated by spaces, and any space bounds a
   * symbol there: the end of a symbol behind, say, a no-break space is taken for a whole one.
   */
  private searchInText(first: number, second: number): (start: number, end: number) => number {
    const pair = `${this.texts[first]} ${this.texts[second]}`;
    const joined = pair.replace(' ', '');
    return (start, end) => {
      const symbols = Array.from(this.packed.subarray(start, end), (symbol) => this.texts[symbol]);
      const text = replaceWhole(symbols.join(' '), pair, joined);
      let to = start;
      for (const symbol of text.split(' ')) this.packed[to++] = this.idOf(symbol);
      return to;
    };
  }

  /** Takes away the pairs that overlap an occurrence of (first, second). */
  private subtract(
    start: number,
    end: number,
    first: number,
    second: number,
    change: (pair: number, by: number) => void,
  ): void {
    const { packed } = this;
    for (let i = start; i + 1 < end; i++) {
      if (packed[i] !== first || packed[i + 1] !== second) continue;
      if (i > start) change(pairOf(packed[i - 1]!, first), -1);
      // In A B C B C the pair (C B) is the one before the second occurrence, counted there.
      if (i + 2 < end) {
        const next = packed[i + 2]!;
        const again = next === first && i + 3 < end && packed[i + 3] === second;
        if (!again) change(pairOf(second, next), -1);
      }
      i++;
    }
  }

  /** Adds the pairs around each occurrence of the merged symbol. */
  private credit(
    start: number,
    end: number,
    merged: number,
    change: (pair: number, by: number) => void,
  ): void {
    const { packed } = this;
    for (let i = start; i < end; i++) {
      if (packed[i] !== merged) continue;
      if (i > start) change(pairOf(packed[i - 1]!, merged), 1);
      if (i + 1 < end && packed[i + 1] !== merged) change(pairOf(merged, packed[i + 1]!), 1);
    }
  }
}
