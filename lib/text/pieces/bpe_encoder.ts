import { endOfWord } from './bpe_text.js';

export type Merge = readonly [first: string, second: string];

/** Up to so many symbols all of them are gone through for each merge; of more the pairs are kept in order. */
const shortWord = 48;

/** Joins the symbols of single words, merges of the lowest rank first, as subword-nmt's apply_bpe.py does. */
export class BpeEncoder {
  /** Rank of a merge by "first second"; a symbol never holds a space. */
  private readonly ranks = new Map<string, number>();

  constructor(
    private readonly merges: readonly Merge[],
    private readonly version: '0.1' | '0.2',
  ) {
    merges.forEach(([first, second], rank) => {
      const key = `${first} ${second}`;
      if (!this.ranks.has(key)) this.ranks.set(key, rank);
    });
  }

  /** The pieces of a word of at least two characters. */
  encode(characters: string[]): string[] {
    let symbols = characters;
    if (this.version === '0.1') symbols.push(endOfWord);
    else symbols[symbols.length - 1] += endOfWord;
    symbols = symbols.length > shortWord ? this.joinMany(symbols) : this.joinFew(symbols);
    const last = symbols.pop()!;
    if (last !== endOfWord) symbols.push(last.slice(0, -endOfWord.length));
    return symbols;
  }

  private joinFew(characters: string[]): string[] {
    let symbols = characters;
    while (symbols.length > 1) {
      let best = Number.POSITIVE_INFINITY;
      for (let i = 1; i < symbols.length; i++) {
        const rank = this.ranks.get(`${symbols[i - 1]} ${symbols[i]}`);
        if (rank !== undefined && rank < best) best = rank;
      }
      if (best === Number.POSITIVE_INFINITY) break;
      symbols = applyMerge(symbols, this.merges[best]!);
    }
    return symbols;
  }

  /** The same by a linked list: the places of each rank that comes up, and the ranks in a heap. */
  private joinMany(characters: string[]): string[] {
    const symbols: (string | null)[] = characters;
    const next = Int32Array.from(symbols, (_, i) => i + 1);
    const previous = Int32Array.from(symbols, (_, i) => i - 1);
    const places = new Map<number, number[]>();
    const waiting: number[] = [];
    const note = (first: number, second: number) => {
      const rank = this.ranks.get(`${symbols[first]} ${symbols[second]}`);
      if (rank === undefined) return;
      const there = places.get(rank);
      if (there !== undefined) there.push(first);
      else {
        places.set(rank, [first]);
        pushLeast(waiting, rank);
      }
    };
    for (let i = 1; i < symbols.length; i++) note(i - 1, i);
    while (waiting.length > 0) {
      // All places of the best pair are joined from left to right before any other pair, as in the original.
      const rank = popLeast(waiting);
      const [first, second] = this.merges[rank]!;
      const joined: number[] = [];
      const noted = Int32Array.from(places.get(rank)!).sort();
      places.delete(rank);
      for (const at of noted) {
        const then = next[at]!;
        if (symbols[at] !== first || then >= symbols.length || symbols[then] !== second) continue;
        symbols[at] = first + second;
        symbols[then] = null;
        next[at] = next[then]!;
        if (next[at]! < symbols.length) previous[next[at]!] = at;
        joined.push(at);
      }
      for (const [k, at] of joined.entries()) {
        // A neighbor that was joined too notes the pair of both itself.
        const before = previous[at]!;
        if (before >= 0 && before !== joined[k - 1]) note(before, at);
        if (next[at]! < symbols.length) note(at, next[at]!);
      }
    }
    return symbols.filter((symbol) => symbol !== null);
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

function pushLeast(heap: number[], value: number): void {
  let at = heap.push(value) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = value;
}

function popLeast(heap: number[]): number {
  const least = heap[0]!;
  const value = heap.pop()!;
  if (heap.length === 0) return least;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= value) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = value;
  return least;
}
