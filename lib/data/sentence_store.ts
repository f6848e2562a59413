/** Tokens of the first array; each further one has room for twice as many, up to the most. */
const [firstSlabTokens, mostSlabTokens] = [2 ** 12, 2 ** 20];

/**
 * Sentences of token ids in few large arrays. A sentence that is asked for is a view: nothing is copied, and nobody may
 * write into it.
 */
export class SentenceStore {
  readonly #slabs: Int32Array[] = [];
  #used = 0;
  #count = 0;
  /** Of each sentence its slab, its first token there, and its tokens. */
  #slab = new Int32Array(1024);
  #first = new Int32Array(1024);
  #lengths = new Int32Array(1024);

  get length(): number {
    return this.#count;
  }

  /** Tokens of each sentence. */
  get lengths(): Int32Array {
    return this.#lengths.subarray(0, this.#count);
  }

  push(sentence: Int32Array): void {
    if (this.#used + sentence.length > (this.#slabs.at(-1)?.length ?? 0)) {
      const usual = Math.min(mostSlabTokens, firstSlabTokens * 2 ** this.#slabs.length);
      this.#slabs.push(new Int32Array(Math.max(usual, sentence.length)));
      this.#used = 0;
    }
    this.#slabs.at(-1)!.set(sentence, this.#used);
    if (this.#count === this.#lengths.length) this.#grow();
    this.#slab[this.#count] = this.#slabs.length - 1;
    this.#first[this.#count] = this.#used;
    this.#lengths[this.#count] = sentence.length;
    this.#used += sentence.length;
    this.#count++;
  }

  /** @param index from 0 to length - 1. */
  at(index: number): Int32Array {
    const first = this.#first[index]!;
    return this.#slabs[this.#slab[index]!]!.subarray(first, first + this.#lengths[index]!);
  }

  /** Every sentence as an array of its own. */
  toArray(): Int32Array[] {
    return Array.from({ length: this.#count }, (_, index) => this.at(index).slice());
  }

  #grow(): void {
    const grown = (array: Int32Array) => {
      const more = new Int32Array(2 * array.length);
      more.set(array);
      return more;
    };
    this.#slab = grown(this.#slab);
    this.#first = grown(this.#first);
    this.#lengths = grown(this.#lengths);
  }
}
