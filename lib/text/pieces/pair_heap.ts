/**
 * The most frequent pair of a table of counts. Entries that the table has outgrown are mended when they come up: a count
 * that fell needs no word, one that rose must be pushed again.
 */
export class PairHeap {
  /** A binary heap, greatest first: pairs and the counts with which they were pushed. */
  #pairs: number[] = [];
  #counts: number[] = [];

  /** @param compare which of two pairs of the same count goes first: the greater. */
  constructor(private readonly compare: (a: number, b: number) => number) {}

  /** Begins anew with all pairs of a table. */
  rebuild(table: ReadonlyMap<number, number>): void {
    this.#pairs = [...table.keys()];
    this.#counts = [...table.values()];
    for (let at = (this.#pairs.length >> 1) - 1; at >= 0; at--) this.#down(at);
  }

  push(pair: number, count: number): void {
    let at = this.#pairs.push(pair) - 1;
    this.#counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** The first pair by the counts of the table, which holds every pair that was pushed or has lost it since. */
  best(table: ReadonlyMap<number, number>): number | null {
    while (this.#pairs.length > 0) {
      const pair = this.#pairs[0]!;
      const count = table.get(pair);
      if (count === this.#counts[0]) return pair;
      // Lower than it was, or higher and then pushed with the higher count, or gone.
      if (count !== undefined && count < this.#counts[0]!) {
        this.#counts[0] = count;
        this.#down(0);
      } else this.#removeFirst();
    }
    return null;
  }

  #removeFirst(): void {
    const [pair, count] = [this.#pairs.pop()!, this.#counts.pop()!];
    if (this.#pairs.length === 0) return;
    this.#pairs[0] = pair;
    this.#counts[0] = count;
    this.#down(0);
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#pairs.length) return;
      if (child + 1 < this.#pairs.length && this.#before(child + 1, child)) child++;
      if (!this.#before(child, at)) return;
      this.#swap(child, at);
      at = child;
    }
  }

  #before(a: number, b: number): boolean {
    const difference = this.#counts[a]! - this.#counts[b]!;
    if (difference !== 0) return difference > 0;
    return this.compare(this.#pairs[a]!, this.#pairs[b]!) > 0;
  }

  #swap(a: number, b: number): void {
    [this.#pairs[a], this.#pairs[b]] = [this.#pairs[b]!, this.#pairs[a]!];
    [this.#counts[a], this.#counts[b]] = [this.#counts[b]!, this.#counts[a]!];
  }
}
