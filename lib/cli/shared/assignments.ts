/** Options by their path: `--set model.dropout=0.2`, and flags that are short for one. */
import { isDeepStrictEqual } from 'node:util';
import { RdropError } from '../../util/errors.js';

/** 'a.b=1' → ['a.b', 1]; what is not JSON is text. */
export function assignment(text: string): [path: string, value: unknown] {
  const at = text.indexOf('=');
  const value = text.slice(at + 1);
  try {
    return [text.slice(0, at), JSON.parse(value)];
  } catch {
    return [text.slice(0, at), value];
  }
}

/** ('a.b', 1) → {a: {b: 1}}. */
export const nested = (path: string, value: unknown): object =>
  path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;

/** A flag that was given. */
export interface GivenFlag {
  /** As it is typed, without the dashes. */
  flag: string;
  path: string;
  value: unknown;
}

/**
 * The values of `--set`, each checked.
 *
 * @param given flags that are short for an option
 * @throws RdropError INVALID_ARGUMENT for one without an option or a value, and for one that gives the option of a flag another value
 */
export function assignments(set: readonly string[], given: readonly GivenFlag[]): [string, unknown][] {
  const wrong = set.find((text) => text.indexOf('=') < 1);
  if (wrong !== undefined)
    throw new RdropError(
      'INVALID_ARGUMENT',
      `--set: expected <option>=<value>, got ${JSON.stringify(wrong)}`,
    );
  const assigned = set.map(assignment);
  for (const { flag, path, value } of given) {
    for (const each of assigned) {
      const other = valueAt(nested(...each), path);
      if (other === undefined || isDeepStrictEqual(other, value)) continue;
      throw new RdropError(
        'INVALID_ARGUMENT',
        `--${flag} and --set ${each[0]}: expected one value of ${path}, got ${JSON.stringify(value)} and ${JSON.stringify(other)}`,
      );
    }
  }
  return assigned;
}

const valueAt = (value: unknown, path: string): unknown =>
  path.split('.').reduce((at, key) => (at as Record<string, unknown> | null | undefined)?.[key], value);
