/** Ranges that options share. */
import { lazily, z } from './zod.js';

/** What is counted, and multiplied with other counts, stays far below 2^53. */
const mostCounted = 2 ** 31 - 1;
export const countTo = (most: number) => z.int().min(1).max(most);
export const count = lazily(() => countTo(mostCounted));
export const dropoutRate = lazily(() => z.number().min(0).lt(1));
export const positive = lazily(() => z.number().positive());
export const nonNegative = lazily(() => z.number().min(0));

/** A language as a file name ends in it. */
export const languageCode = lazily(() =>
  z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'expected a language code such as "de"'),
);
