/** Ranges that options share. */
import { z } from 'zod';

export const count = z.int().min(1);
export const dropoutRate = z.number().min(0).lt(1);
export const positive = z.number().positive();
export const nonNegative = z.number().min(0);

/** A language as a file name ends in it. */
export const languageCode = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'expected a language code such as "de"');
