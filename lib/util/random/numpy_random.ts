/**
 * numpy's legacy generator (np.random.RandomState): MT19937 by Matsumoto and Nishimura with numpy's seeding and its
 * masked rejection for bounded integers. fairseq draws the order of its data from it, so the published order of
 * batches can be reproduced. Source: numpy/random/src/mt19937/mt19937.c, numpy/random/mtrand.pyx (shuffle).
 */
export class NumpyRandom {
  readonly #key = new Uint32Array(624);
  #position = 624;

  /** @param seed from 0; from 2³² on it is seeded as numpy seeds [low word, high word]. */
  constructor(seed: number) {
    if (seed < 2 ** 32) this.#seed(seed >>> 0);
    else this.#seedWords([seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]);
  }

  #seed(seed: number): void {
    const key = this.#key;
    let word = seed;
    for (let i = 0; i < 624; i++) {
      key[i] = word;
      word = (Math.imul(1812433253, word ^ (word >>> 30)) + i + 1) >>> 0;
    }
    this.#position = 624;
  }

  /** init_by_array of the reference implementation. */
  #seedWords(words: readonly number[]): void {
    this.#seed(19650218);
    const key = this.#key;
    let i = 1;
    let j = 0;
    const wrap = () => {
      if (++i < 624) return;
      key[0] = key[623]!;
      i = 1;
    };
    for (let k = Math.max(624, words.length); k > 0; k--) {
      const before = key[i - 1]!;
      key[i] = (key[i]! ^ Math.imul(before ^ (before >>> 30), 1664525)) + words[j]! + j;
      j = (j + 1) % words.length;
      wrap();
    }
    for (let k = 623; k > 0; k--) {
      const before = key[i - 1]!;
      key[i] = (key[i]! ^ Math.imul(before ^ (before >>> 30), 1566083941)) - i;
      wrap();
    }
    key[0] = 0x80000000;
  }

  /** 32 random bits. */
  next(): number {
    if (this.#position === 624) this.#generate();
    let word = this.#key[this.#position++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  #generate(): void {
    const key = this.#key;
    for (let i = 0; i < 624; i++) {
      const word = (key[i]! & 0x80000000) | (key[(i + 1) % 624]! & 0x7fffffff);
      key[i] = key[(i + 397) % 624]! ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0);
    }
    this.#position = 0;
  }

  /** A whole number from 0 to max, both included. */
  below(max: number): number {
    if (max === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(max);
    for (;;) {
      const value = (this.next() & mask) >>> 0;
      if (value <= max) return value;
    }
  }

  /** np.random.shuffle: in place, from the end. */
  shuffle<T>(items: T[] | Int32Array): void {
    const list = items as T[];
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i);
      const moved = list[i]!;
      list[i] = list[j]!;
      list[j] = moved;
    }
  }

  /** np.random.permutation(count). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    this.shuffle(order);
    return order;
  }
}
