import * as z from 'zod';
import { describe } from '../../options/schema/parse.js';
import { RdropError } from '../../util/errors.js';

/** A JSON value of a tokenizer.json and where it stands: the file, and the names of the members that lead to it. */
export interface Place {
  path: string;
  name: string;
}

export const inside = ({ path, name }: Place, member: string | number): Place => ({
  path,
  name: name === '' ? String(member) : `${name}.${member}`,
});

/** What rdrop has no counterpart of. */
export const unsupported = ({ path, name }: Place, expected: string, got: unknown): RdropError =>
  new RdropError('NOT_EXPRESSIBLE', `${path}: ${name}: expected ${expected}, got ${describe(got)}`);

export const malformed = ({ path, name }: Place, expected: string, got: unknown): RdropError =>
  new RdropError('MALFORMED_FILE', `${path}: ${name}: expected ${expected}, got ${describe(got)}`);

/**
 * The value by a schema. A member that the schema does not know, and a value other than the one that it fixes, are what rdrop has
 * no counterpart of; a value of another type is a fault of the file.
 *
 * @throws RdropError NOT_EXPRESSIBLE, MALFORMED_FILE
 */
export function parsePart<S extends z.ZodType>(schema: S, value: unknown, place: Place): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue!.path.reduce<Place>((at, member) => inside(at, String(member)), place);
  const got = issue!.path.reduce<unknown>(
    (at, member) => (at as Record<PropertyKey, unknown> | null | undefined)?.[member],
    value,
  );
  if (issue!.code === 'unrecognized_keys') {
    const [key] = issue!.keys;
    const member = (got as Record<string, unknown>)[key!];
    throw unsupported(inside(where, key!), 'no such member', member);
  }
  if (issue!.code === 'invalid_value') {
    throw unsupported(where, issue!.values.map((one) => JSON.stringify(one)).join(' or '), got);
  }
  throw malformed(where, issue!.message.replace(/^Invalid input: expected /, ''), got);
}

/** A part of a tokenizer by its `type`: what each type that rdrop has makes of its members. */
export function partOf<T>(
  value: unknown,
  place: Place,
  types: Record<string, (value: unknown, place: Place) => T>,
): T {
  const { type } = parsePart(z.looseObject({ type: z.string() }), value, place);
  // A name such as "constructor" is no type.
  const make = Object.hasOwn(types, type) ? types[type] : undefined;
  if (make === undefined) {
    throw unsupported(inside(place, 'type'), `one of ${Object.keys(types).join(', ')}`, type);
  }
  return make(value, place);
}
