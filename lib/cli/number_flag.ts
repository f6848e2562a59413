import { InvalidArgumentError } from 'commander';

/** The number that the text of a flag spells; the schemas judge its range. */
export function numberOr(expected: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError(`Expected ${expected}.`);
  return value;
}

/** numberOr as commander calls it, with the value before as a second argument. */
export const toNumber = (text: string): number => numberOr('a number', text);
