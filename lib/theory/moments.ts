import { setImmediate } from 'node:timers/promises';
import type { FloatArray } from '../native/contract.js';
import { throwIfAborted } from '../util/async/yield_timer.js';

/**
 * Moments of gradients over mask pairs, without keeping the samples.
 *
 * Letters: c gradient of the cross-entropy, u and r of D(P1‖P2) and D(P2‖P1) for the same masks, s = ½(u + r), that of
 * bi, d = ½(u - r). Then u = s + d and r = s - d, and the gradient of any direction and any α is a combination of the
 * three: products of c, s and d, summed over a parameter, give every norm, variance and cosine.
 */

/** Sums of products, in this order: c·c, c·s, c·d, s·s, s·d, d·d. */
export type Products = Float64Array;
export const productCount = 6;

/** Coefficients of c, s and d. */
export type Combination = readonly [c: number, s: number, d: number];

/** The product of two combinations, from the products of their parts. */
export function combine([ac, as, ad]: Combination, [bc, bs, bd]: Combination, of: ArrayLike<number>): number {
  return (
    ac * bc * of[0]! +
    (ac * bs + as * bc) * of[1]! +
    (ac * bd + ad * bc) * of[2]! +
    as * bs * of[3]! +
    (as * bd + ad * bs) * of[4]! +
    ad * bd * of[5]!
  );
}

/** What is left of all samples of one parameter, averaged over batches. */
export interface ParameterMoments {
  name: string;
  size: number;
  /**
   * (n-1) × 6: Welford's increments (i-1)/i · (x_i - x̄_{i-1})(y_i - ȳ_{i-1}) of the samples i = 2..n. Each has the
   * covariance as its expectation; their mean is the sample covariance with the divisor n - 1.
   */
  increments: Float64Array;
  /** Products of the sample means. */
  means: Products;
}

/** The three gradients of one mask pair: of loss = CE + weight·KL for both directions, and of CE alone. */
export interface GradientSample {
  uni: ReadonlyMap<string, FloatArray>;
  reverse: ReadonlyMap<string, FloatArray>;
  plain: ReadonlyMap<string, FloatArray>;
  /** Weight of the KL term in uni and reverse. */
  weight: number;
  /** Target tokens of one pass: the gradients are divided by it, as in training. */
  tokens: number;
}

/** Elements between two turns of the event loop: about 5 ms. */
const chunk = 1 << 19;

/**
 * Takes the samples of one batch after another, `pairs` of each. Memory: three float64 vectors of the model's size, and
 * 6 numbers a parameter and mask pair.
 */
export class GradientMoments {
  readonly #pairs: number;
  readonly #parameters: (ParameterMoments & { c: Float64Array; s: Float64Array; d: Float64Array })[];
  #taken = 0;
  #batches = 0;

  constructor(parameters: Iterable<readonly [name: string, size: number]>, pairs: number) {
    this.#pairs = pairs;
    this.#parameters = Array.from(parameters, ([name, size]) => ({
      name,
      size,
      increments: new Float64Array((pairs - 1) * productCount),
      means: new Float64Array(productCount),
      c: new Float64Array(size),
      s: new Float64Array(size),
      d: new Float64Array(size),
    }));
  }

  /** Adds a sample; after the last of a batch the next one begins. @throws RdropError ABORTED */
  async add(sample: GradientSample, signal?: AbortSignal): Promise<void> {
    this.#taken++;
    let sincePause = 0;
    for (const parameter of this.#parameters) {
      const products = new Float64Array(productCount);
      for (let start = 0; start < parameter.size; start += chunk) {
        const end = Math.min(start + chunk, parameter.size);
        accumulate(parameter, sample, start, end, this.#taken, products);
        sincePause += end - start;
        if (sincePause < chunk) continue;
        sincePause = 0;
        await setImmediate();
        throwIfAborted(signal, 'the experiment');
      }
      const row = (this.#taken - 2) * productCount;
      if (row < 0) continue;
      const factor = (this.#taken - 1) / this.#taken;
      for (let k = 0; k < productCount; k++) parameter.increments[row + k]! += factor * products[k]!;
    }
    if (this.#taken === this.#pairs) await this.#closeBatch();
  }

  async #closeBatch(): Promise<void> {
    for (const { c, s, d, means } of this.#parameters) {
      for (let i = 0; i < c.length; i++) addProducts(means, c[i]!, s[i]!, d[i]!);
      for (const vector of [c, s, d]) vector.fill(0);
      if (c.length > 1 << 16) await setImmediate();
    }
    this.#taken = 0;
    this.#batches++;
  }

  /** The moments, averaged over the batches taken whole. */
  result(): ParameterMoments[] {
    const share = 1 / this.#batches;
    return this.#parameters.map(({ name, size, increments, means }) => ({
      name,
      size,
      increments: increments.map((value) => value * share),
      means: means.map((value) => value * share),
    }));
  }
}

function addProducts(into: Float64Array, c: number, s: number, d: number): void {
  into[0]! += c * c;
  into[1]! += c * s;
  into[2]! += c * d;
  into[3]! += s * s;
  into[4]! += s * d;
  into[5]! += d * d;
}

/** Moves the means of elements start..end to include sample number `count`; adds the products of the deviations. */
function accumulate(
  parameter: { name: string; c: Float64Array; s: Float64Array; d: Float64Array },
  sample: GradientSample,
  start: number,
  end: number,
  count: number,
  products: Float64Array,
): void {
  const { c, s, d, name } = parameter;
  const uni = sample.uni.get(name)!;
  const reverse = sample.reverse.get(name)!;
  const plain = sample.plain.get(name)!;
  const scale = 1 / sample.tokens;
  const klScale = scale / sample.weight;
  // Scalars, not addProducts: the compiler keeps them in registers, and this loop sees every element of every sample.
  let [cc, cs, cd, ss, sd, dd] = [0, 0, 0, 0, 0, 0];
  for (let i = start; i < end; i++) {
    const p = plain[i]!;
    const u = uni[i]!;
    const r = reverse[i]!;
    const ec = p * scale - c[i]!;
    const es = (0.5 * (u + r) - p) * klScale - s[i]!;
    const ed = 0.5 * (u - r) * klScale - d[i]!;
    c[i]! += ec / count;
    s[i]! += es / count;
    d[i]! += ed / count;
    cc += ec * ec;
    cs += ec * es;
    cd += ec * ed;
    ss += es * es;
    sd += es * ed;
    dd += ed * ed;
  }
  products[0]! += cc;
  products[1]! += cs;
  products[2]! += cd;
  products[3]! += ss;
  products[4]! += sd;
  products[5]! += dd;
}
