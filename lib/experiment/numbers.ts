import { describe } from '../config.js';
import { RdropError } from '../errors.js';

/** The error for a sample that is not what a statistic needs. */
export function invalidNumbers(name: string, expected: string, value: unknown): RdropError {
  return new RdropError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${describe(value)}`);
}

/**
 * Refuses what is not a non-empty array of finite numbers.
 *
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE; the message names the place.
 */
export function checkedNumbers(values: readonly number[], name: string): void {
  if (!Array.isArray(values) || values.length === 0) {
    throw invalidNumbers(name, 'a non-empty array of numbers', values);
  }
  values.forEach((value, i) => {
    if (typeof value !== 'number') throw invalidNumbers(`${name}[${i}]`, 'a number', value);
    if (!Number.isFinite(value)) {
      throw new RdropError('NON_FINITE', `${name}[${i}]: expected a finite number, got ${value}`);
    }
  });
}

/**
 * Reads numbers written as `37.34,37.29`.
 *
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE; the message names the option and the entry.
 */
export function parseNumbers(text: string, option: string): number[] {
  const values = text.split(',').map((entry, i) => {
    const written = entry.trim();
    if (/^[+-]?(nan|inf(inity)?)$/i.test(written)) {
      throw new RdropError(
        'NON_FINITE',
        `${option}: entry ${i + 1}: expected a finite number, got ${describe(written)}`,
      );
    }
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(written)) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `${option}: entry ${i + 1}: expected a number, as in 37.34,37.29, got ${describe(entry)}`,
      );
    }
    return Number(written);
  });
  checkedNumbers(values, option);
  return values;
}
