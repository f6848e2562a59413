/**
 * A counter-based generator: draw i of a seed is a hash of (seed, i), 32 bits, the mixing function of Mulberry32
 * (Tommy Ettinger, public domain). The same draws on every machine, which Math.random would not give.
 */
export class DemoRandom {
  private counter: number;

  constructor(seed: number) {
    this.counter = Math.imul(seed + 1, 0x9e3779b9);
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.counter = (this.counter + 0x6d2b79f5) | 0;
    let word = Math.imul(this.counter ^ (this.counter >>> 15), 1 | this.counter);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the values, by weight. */
  weighted<T>(choices: readonly (readonly [T, number])[]): T {
    let left = this.next() * choices.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [value, weight] of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    return (choices.at(-1) as readonly [T, number])[0];
  }

  /** One of the values, earlier ones oftener: a power law, as Zipf found for words. */
  zipf<T>(values: readonly T[]): T {
    let left = this.next() * zipfTotal(values.length);
    for (const [place, value] of values.entries()) {
      left -= zipfWeight(place);
      if (left < 0) return value;
    }
    return values[values.length - 1] as T;
  }
}

/** A fifth of the nouns make up three quarters of those in the text. Without Math.pow, which may differ between engines. */
const zipfWeight = (place: number): number => 1 / ((place + 8) * (place + 8));

const zipfTotals = [0];
/** Sum of the weights of the first `count` places. */
function zipfTotal(count: number): number {
  for (let place = zipfTotals.length - 1; place < count; place++) {
    zipfTotals.push((zipfTotals[place] as number) + zipfWeight(place));
  }
  return zipfTotals[count] as number;
}
