import type * as z from 'zod';
import { RdropError } from '../../util/errors.js';
import { unknownKeyText, unknownValueText } from './unknown_key.js';

/**
 * Parses with a schema; a failure is an RdropError that names each option, what was expected and what came.
 *
 * @param beside names of options that the caller has taken out already, for the list of those that there are
 */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: string,
  code: 'INVALID_CONFIG' | 'INVALID_ARGUMENT' = 'INVALID_CONFIG',
  beside: readonly string[] = [],
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const path = [what, ...issue.path, key].join('.');
        const text = unknownKeyText(schema, issue.path, key, beside);
        return `${path}: ${text}; got ${describe(valueAt(value, [...issue.path, key]))}`;
      });
    }
    const path = [what, ...issue.path].join('.');
    const got = valueAt(value, issue.path);
    const meant = issue.code === 'invalid_value' ? unknownValueText(got, issue.values) : '';
    return `${path}: ${issue.message}, got ${describe(got)}${meant}`;
  });
  throw new RdropError(code, issues.join('; '));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  );
}

/** A short description of a value for an error message. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${(value as Uint8Array).length})`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') {
    const keys = Object.keys(value);
    return `{${keys.slice(0, 5).join(', ')}${keys.length > 5 ? ', …' : ''}}`;
  }
  return typeof value;
}
