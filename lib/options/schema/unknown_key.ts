import type * as z from 'zod';
import { mostSimilar } from '../../util/similar.js';

interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
}
const definition = (schema: z.ZodType): Definition => schema.def as unknown as Definition;

/** The object that a schema stands for, without its default and whatever else is around it. */
function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | null {
  const { type, shape, innerType } = definition(schema);
  if (type === 'object' && shape !== undefined) return shape;
  return innerType === undefined ? null : shapeOf(innerType);
}

/** Options that are refused wherever they stand (`vocabSize` of a run) are none. */
function isOption(schema: z.ZodType): boolean {
  const { type, innerType } = definition(schema);
  return innerType === undefined ? type !== 'undefined' : isOption(innerType);
}

const keysOf = (schema: z.ZodType): string[] =>
  Object.entries(shapeOf(schema) ?? {}).flatMap(([key, inner]) => (isOption(inner) ? [key] : []));

/** The paths of all options below a schema. */
const pathsOf = (schema: z.ZodType): string[] =>
  keysOf(schema).flatMap((key) => {
    const below = pathsOf((shapeOf(schema) as Record<string, z.ZodType>)[key] as z.ZodType);
    return below.length === 0 ? [key] : below.map((path) => `${key}.${path}`);
  });

/**
 * What an unknown key was probably meant to be, and the keys that there are.
 *
 * @param beside keys that may stand beside those of the schema, at its top
 */
export function unknownKeyText(
  schema: z.ZodType,
  path: readonly PropertyKey[],
  key: string,
  beside: readonly string[] = [],
): string {
  let at: z.ZodType | undefined = schema;
  for (const step of path) at = at && shapeOf(at)?.[String(step)];
  if (at === undefined) return 'unknown option';
  const keys = path.length === 0 ? [...keysOf(at), ...beside] : keysOf(at);
  // An option of the name may lie elsewhere: learningRate is optimizer.learningRate.
  const elsewhere = pathsOf(schema).find(
    (each) => each.split('.').at(-1)?.toLowerCase() === key.toLowerCase(),
  );
  const meant = elsewhere ?? mostSimilar(key, keys) ?? nearestPath(schema, key);
  return unknown(meant, keys);
}

const unknown = (meant: string | null, keys: readonly string[]): string =>
  `unknown option${meant === null ? '' : `, did you mean ${meant}?`}; expected one of ${keys.join(', ')}`;

/** The same where all the keys are known. */
export const unknownNameText = (key: string, keys: readonly string[]): string =>
  unknown(mostSimilar(key, keys), keys);

/** What a value outside a list was probably meant to be. */
export function unknownValueText(value: unknown, values: readonly unknown[]): string {
  const names = values.filter((each) => typeof each === 'string');
  const meant = typeof value === 'string' ? mostSimilar(value, names) : null;
  return meant === null ? '' : `, did you mean ${meant}?`;
}

function nearestPath(schema: z.ZodType, key: string): string | null {
  const paths = pathsOf(schema);
  const last = (path: string) => path.split('.').at(-1) as string;
  const found = mostSimilar(key, paths.map(last));
  return found === null ? null : (paths.find((path) => last(path) === found) ?? null);
}
