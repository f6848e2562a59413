import type { Alternative } from '../options/statistics.js';
import { normalCdf } from './distributions.js';

/** The distributions of rank sums under the null hypothesis, counted out or approximated. */

/** ways[s]: the subsets of `size` of the whole numbers that add up to s. */
export function subsetSums(numbers: readonly number[], size: number): Float64Array {
  const length = sum(numbers) + 1;
  const ways = Array.from({ length: size + 1 }, () => new Float64Array(length));
  (ways[0] as Float64Array)[0] = 1;
  for (const number of numbers) {
    for (let chosen = size; chosen > 0; chosen--) {
      const from = ways[chosen - 1] as Float64Array;
      const to = ways[chosen] as Float64Array;
      for (let s = length - 1; s >= number; s--) {
        to[s] = (to[s] as number) + (from[s - number] as number);
      }
    }
  }
  return ways[size] as Float64Array;
}

/** ways[s]: the subsets of the whole numbers, of any size, that add up to s. */
export function signedSums(numbers: readonly number[]): Float64Array {
  const ways = new Float64Array(sum(numbers) + 1);
  ways[0] = 1;
  for (const number of numbers) {
    for (let s = ways.length - 1; s >= number; s--) {
      ways[s] = (ways[s] as number) + (ways[s - number] as number);
    }
  }
  return ways;
}

export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** The p value of an observed sum; two-sided, twice the smaller tail and at most 1. */
export function exactP(ways: Float64Array, observed: number, alternative: Alternative): number {
  let below = 0;
  let above = 0;
  let all = 0;
  ways.forEach((count, s) => {
    all += count;
    if (s <= observed) below += count;
    if (s >= observed) above += count;
  });
  if (alternative === 'less') return below / all;
  if (alternative === 'greater') return above / all;
  return Math.min(1, (2 * Math.min(below, above)) / all);
}

/** The p value of a statistic that lies `deviation` above its mean, by the normal approximation with continuity correction. */
export function normalP(deviation: number, variance: number, alternative: Alternative): number {
  if (!(variance > 0)) return 1;
  const tail = (distance: number) => normalCdf((0.5 - distance) / Math.sqrt(variance));
  if (alternative === 'less') return tail(-deviation);
  if (alternative === 'greater') return tail(deviation);
  return Math.min(1, 2 * tail(Math.abs(deviation)));
}
