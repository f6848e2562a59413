import { InvalidArgumentError } from 'commander';

/** The number that the text of a flag spells; the schemas judge its range. */
export function numberOr(expected: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError(`Expected ${expected}.`);
  return value;
}

/** The parser of an option: commander passes the former value too, which counts for nothing. */
export const toNumber = (text: string): number => numberOr('a number', text);
