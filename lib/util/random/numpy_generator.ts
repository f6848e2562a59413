/**
 * numpy's default generator (np.random.default_rng): O'Neill's PCG64 (128-bit linear congruential, XSL-RR output), seeded
 * through numpy's SeedSequence. sacreBLEU draws its resamples from it, so equal seeds give equal numbers here.
 * Source: numpy/random/bit_generator.pyx, src/pcg64/pcg64.h, src/distributions/distributions.c.
 */
export class NumpyGenerator {
  /** 128 bits in limbs of 16, the lowest first: products of limbs and their sums are exact in doubles. */
  readonly #state = new Float64Array(8);
  readonly #increment = new Float64Array(8);
  readonly #product = new Float64Array(8);
  /** The higher half of the last 64 bits, which the next call returns. */
  #kept = -1;

  /** @param seed a whole number from 0 to 2⁵³ - 1. */
  constructor(seed: number) {
    const words = seedWords(seed);
    // Each 128-bit number is two 64-bit ones, the higher first, and each of those two 32-bit ones, the lower first.
    const limbs = (from: number) =>
      [2, 3, 0, 1].flatMap((k) => {
        const word = words[from + k] as number;
        return [word & 0xffff, word >>> 16];
      });
    const start = limbs(0);
    let carry = 1;
    limbs(4).forEach((limb, k) => {
      this.#increment[k] = ((limb << 1) & 0xffff) | carry;
      carry = limb >>> 15;
    });
    this.#step();
    start.forEach((limb, k) => {
      this.#state[k] = (this.#state[k] as number) + limb;
    });
    this.#step();
  }

  /** state · multiplier + increment, modulo 2¹²⁸. */
  #step(): void {
    const state = this.#state;
    const product = this.#product;
    product.set(this.#increment);
    for (let i = 0; i < 8; i++) {
      const limb = state[i] as number;
      for (let j = 0; i + j < 8; j++) {
        product[i + j] = (product[i + j] as number) + limb * (multiplier[j] as number);
      }
    }
    let carry = 0;
    for (let k = 0; k < 8; k++) {
      const sum = (product[k] as number) + carry;
      carry = Math.floor(sum / 65536);
      state[k] = sum - carry * 65536;
    }
  }

  /** 32 random bits. */
  next(): number {
    if (this.#kept >= 0) {
      const kept = this.#kept;
      this.#kept = -1;
      return kept;
    }
    this.#step();
    const word = (k: number) => ((this.#state[2 * k + 1] as number) << 16) | (this.#state[2 * k] as number);
    const top = word(3);
    const high = top ^ word(1);
    const low = word(2) ^ word(0);
    const turn = top >>> 26;
    const by = turn & 31;
    const [a, b] = turn >= 32 ? [high, low] : [low, high];
    this.#kept = (by === 0 ? b : (b >>> by) | (a << (32 - by))) >>> 0;
    return (by === 0 ? a : (a >>> by) | (b << (32 - by))) >>> 0;
  }

  /**
   * Fills with whole numbers from 0 to below `count` (at most 2²¹), as `integers(count)` and `choice(count)` draw them:
   * Lemire's method.
   */
  fillBelow(count: number, into: Int32Array): void {
    if (count === 1) {
      into.fill(0);
      return;
    }
    const threshold = 2 ** 32 % count;
    for (let i = 0; i < into.length; i++) {
      let product = this.next() * count;
      while (product >>> 0 < threshold) product = this.next() * count;
      into[i] = Math.floor(product / 2 ** 32);
    }
  }

  /** The stream of `integers(2, size=…, dtype=bool)`: 32 of them from one word, the lowest bit first. */
  booleans(): () => boolean {
    let word = 0;
    let left = 0;
    return () => {
      if (left === 0) {
        word = this.next();
        left = 32;
      } else word >>>= 1;
      left--;
      return (word & 1) === 1;
    };
  }
}

const multiplier = Float64Array.of(0xf645, 0x9fcc, 0xdf64, 0x4385, 0x5da4, 0x1fc6, 0xed05, 0x2360);

/** SeedSequence(seed).generate_state(8). */
function seedWords(seed: number): number[] {
  const entropy = [seed >>> 0, Math.floor(seed / 2 ** 32), 0, 0];
  let constant = 0x43b0d7e5;
  const hashed = (value: number): number => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    const product = Math.imul(mixed, constant);
    return product ^ (product >>> 16);
  };
  const pool = entropy.map(hashed);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      const other = hashed(pool[from] as number);
      const mixed = Math.imul(0xca01f9dd, pool[to] as number) - Math.imul(0x4973f715, other);
      pool[to] = mixed ^ (mixed >>> 16);
    }
  }
  constant = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, k) => {
    const mixed = (pool[k % 4] as number) ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    const product = Math.imul(mixed, constant);
    return (product ^ (product >>> 16)) >>> 0;
  });
}
