/** Searches: which of a sweep's conditions are trained, and how far. */
import * as z from 'zod';

const pattern = /^(?:random:([1-9]\d{0,5})(?::(\d{1,9}))?|halving(?::([1-9]\d{0,2}))?)$/;

/** A search as it is written, and what it says. */
export type WrittenSearch =
  /** samples: points of the grid; seed: of their choice. */
  | { kind: 'random'; samples: number; seed: number }
  /** factor: by which the updates grow and the conditions shrink from rung to rung. */
  | { kind: 'halving'; factor: number };

/** Where nothing else is written: the seed of random, the factor of halving (Li et al. 2018, Hyperband: 3 or 4). */
const defaults = { seed: 1, factor: 3 };

/** Null for what is not written as searches are. */
export function parseSearch(text: string): WrittenSearch | null {
  const found = pattern.exec(text);
  if (!found) return null;
  const [, samples, seed, factor] = found;
  if (samples !== undefined)
    return { kind: 'random', samples: Number(samples), seed: Number(seed ?? defaults.seed) };
  const by = Number(factor ?? defaults.factor);
  return by < 2 ? null : { kind: 'halving', factor: by };
}

export const searchSchema = z.string().refine((text) => parseSearch(text) !== null, {
  error:
    'expected random:N (N points of the grid), random:N:SEED, halving, or halving:FACTOR with a factor from 2 to 999',
});
