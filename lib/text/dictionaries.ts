import type { Dictionary } from './dictionary.js';

/** The dictionary of each language; one and the same object where the two languages share it. */
export interface Dictionaries {
  /** Of the source language. */
  readonly source: Dictionary;
  /** Of the target language. */
  readonly target: Dictionary;
}

/** A dictionary of both languages stands for two that are one. */
export const dictionariesOf = (given: Dictionary | Dictionaries): Dictionaries =>
  'symbols' in given ? { source: given, target: given } : given;

/** The first line of dict.txt in which two dictionaries give other ids, counted from 1; null where there is none. */
export function differingLine(a: Dictionary, b: Dictionary): number | null {
  const differs = a.symbols.findIndex((symbol, id) => symbol !== b.symbols[id]);
  if (differs < 0 && a.size === b.size) return null;
  return (differs < 0 ? a.size : differs) - 3;
}
