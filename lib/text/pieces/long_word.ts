import { pairOf } from './symbol_pair.js';

const none = -1;

/**
 * A word of many symbols as a linked list, with the places of each pair and of each symbol: a merge costs what it
 * changes, not the length of the word. The changes that it reports are those of BpeText for short words.
 */
export class LongWord {
  readonly #symbols: Int32Array;
  readonly #previous: Int32Array;
  readonly #next: Int32Array;
  /** Where a pair begins or once began, and where a symbol stands or once stood. */
  readonly #pairs = new Map<number, number[]>();
  readonly #places = new Map<number, number[]>();

  constructor(symbols: Int32Array) {
    const last = symbols.length - 1;
    this.#symbols = symbols.slice();
    this.#previous = symbols.map((_, i) => (i === 0 ? none : i - 1));
    this.#next = symbols.map((_, i) => (i === last ? none : i + 1));
    symbols.forEach((symbol, i) => {
      note(this.#places, symbol, i);
      if (i < last) note(this.#pairs, pairOf(symbol, symbols[i + 1]!), i);
    });
  }

  merge(first: number, second: number, merged: number, change: (pair: number, by: number) => void): void {
    const symbols = this.#symbols;
    const occurrences = this.#occurrences(first, second);
    for (const at of occurrences) {
      const before = this.#previous[at]!;
      if (before !== none) change(pairOf(symbols[before]!, first), -1);
      const behind = this.#next[this.#next[at]!]!;
      if (behind === none) continue;
      const then = this.#next[behind]!;
      const again = symbols[behind] === first && then !== none && symbols[then] === second;
      if (!again) change(pairOf(second, symbols[behind]!), -1);
    }
    for (const at of occurrences) {
      const gone = this.#next[at]!;
      const behind = this.#next[gone]!;
      symbols[at] = merged;
      symbols[gone] = none;
      this.#next[at] = behind;
      if (behind !== none) this.#previous[behind] = at;
      note(this.#places, merged, at);
    }
    for (const at of occurrences) {
      const [before, behind] = [this.#previous[at]!, this.#next[at]!];
      if (before !== none) note(this.#pairs, pairOf(symbols[before]!, merged), before);
      if (behind !== none) note(this.#pairs, pairOf(merged, symbols[behind]!), at);
    }
    // The merged symbol may have been there before, from other symbols: it counts again, as in the original.
    const places = (this.#places.get(merged) ?? []).filter((at) => symbols[at] === merged);
    this.#places.set(merged, places);
    for (const at of places) {
      const [before, behind] = [this.#previous[at]!, this.#next[at]!];
      if (before !== none) change(pairOf(symbols[before]!, merged), 1);
      if (behind !== none && symbols[behind] !== merged) change(pairOf(merged, symbols[behind]!), 1);
    }
  }

  /** Where (first, second) begins, from left to right, without overlap. */
  #occurrences(first: number, second: number): number[] {
    const symbols = this.#symbols;
    const pair = pairOf(first, second);
    const noted = Int32Array.from(this.#pairs.get(pair) ?? []).sort();
    this.#pairs.delete(pair);
    const found: number[] = [];
    let last = none;
    let taken = none;
    for (const at of noted) {
      if (at === last) continue;
      last = at;
      const then = this.#next[at]!;
      if (at === taken || symbols[at] !== first || then === none || symbols[then] !== second) continue;
      found.push(at);
      taken = then;
    }
    return found;
  }
}

function note(table: Map<number, number[]>, key: number, place: number): void {
  const places = table.get(key);
  if (places === undefined) table.set(key, [place]);
  else places.push(place);
}
