/** Ranges that options share. */
import * as z from 'zod';

/** What is counted, and multiplied with other counts, stays far below 2^53. */
export const mostCounted = 2 ** 31 - 1;
export const countTo = (most: number) => z.int().min(1).max(most);
export const count = countTo(mostCounted);
/** A number of updates, of occurrences and the like, where 0 has a meaning of its own. */
export const countOrZero = z.int().min(0);
/** A share that may be 0, as the rate of dropout. */
export const rate = z.number().min(0).lt(1);
/** A probability that is neither 0 nor 1, as the level of an interval. */
export const probability = z.number().gt(0).lt(1);
export const positive = z.number().positive();
export const nonNegative = z.number().min(0);
export const seed = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/** A path or a name. */
export const text = z.string().min(1);

export const distinct = <T>(values: readonly T[]): boolean => new Set(values).size === values.length;

/** A language as a file name ends in it. */
export const languageCode = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'expected a language code such as "de"');
