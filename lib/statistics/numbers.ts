import { describe } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';

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

/**
 * The differences a[i] - b[i] of pairs, and the grain below which two of them are one: 37.34 - 37.19 and 0.15 are not equal in
 * binary.
 *
 * @throws RdropError INVALID_ARGUMENT (an empty sample, unequal lengths, not a number), NON_FINITE.
 */
export function checkedPairs(
  a: readonly number[],
  b: readonly number[],
  name: string,
): { differences: number[]; grain: number } {
  checkedNumbers(a, `${name}: a`);
  checkedNumbers(b, `${name}: b`);
  if (a.length !== b.length) {
    throw invalidNumbers(`${name}: b`, `as many numbers as a has (${a.length}), since they are pairs`, b);
  }
  const largest = (values: readonly number[]) =>
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const grain = Math.max(largest(a), largest(b)) * 1e-12;
  return { differences: a.map((value, i) => value - (b[i] as number)), grain };
}

export const mean = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0) / values.length;

export function squaredDeviations(values: readonly number[]): number {
  const center = mean(values);
  return values.reduce((total, value) => total + (value - center) ** 2, 0);
}

/** A number with so many digits behind the point; what rounds to zero has no sign. */
export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}

/** Whether two samples hold the same numbers, in whatever order. */
export function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  const sorted = (values: readonly number[]) => [...values].sort((one, other) => one - other);
  const others = sorted(b);
  return a.length === b.length && sorted(a).every((value, i) => value === others[i]);
}
