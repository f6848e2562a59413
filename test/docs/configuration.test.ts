import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import * as config from '../../lib/options/index.js';

const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

/** Schemas that are parts of others, and so documented with them. */
const parts = [
  'lossSchema',
  'optimizerSchema',
  'runtimeSchema',
  'batchPlanSchema',
  'trainBatchSchema',
  'validationBeamSchema',
  'resumeSchema',
  'setupSchema',
  'textSchema',
  'textLimitsSchema',
  'beamSearchSchema',
  'runModelSchema',
  'mosesDetokenizeSchema',
];

interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  defaultValue?: unknown;
}
const definition = (schema: z.ZodType): Definition => schema.def as unknown as Definition;

/** `path → default` of every option; a default is JSON, `required`, or nothing where the option may be left out. */
function options(schema: z.ZodType, path = '', fallback: unknown = undefined): [string, string][] {
  const { type, shape, innerType, defaultValue } = definition(schema);
  if (innerType && type !== 'object') {
    const inner = type === 'default' || type === 'prefault' ? defaultValue : fallback;
    if (type === 'optional' && definition(innerType).type === 'undefined') return [];
    return options(innerType, path, type === 'optional' ? 'none' : inner);
  }
  if (!shape) {
    if (fallback === 'none') return [[path, '']];
    return [[path, fallback === undefined ? 'required' : JSON.stringify(fallback)]];
  }
  const given = (fallback ?? {}) as Record<string, unknown>;
  return Object.entries(shape).flatMap(([key, value]) => {
    const rows = options(value, path === '' ? key : `${path}.${key}`);
    // A default of the whole object stands above those of its parts.
    return rows.map(([name, each]): [string, string] => {
      const own = given[key];
      return own === undefined || typeof own === 'object' ? [name, each] : [name, JSON.stringify(own)];
    });
  });
}

/** The rows `| name | default | … |` of the section whose heading names the schema. */
function documented(name: string): [string, string][] {
  const section = text.split(/^## /m).find((part) => part.split('\n')[0]?.includes(`\`${name}\``));
  if (section === undefined) throw new Error(`docs/configuration.md has no section for ${name}`);
  return [...section.matchAll(/^\| `([^`]+)` \| (?:`([^`]*)`|(required|)) \|/gm)].map(
    ([, option = '', value, word]): [string, string] => [option, value ?? word ?? ''],
  );
}

const schemas = (Object.entries(config) as [string, unknown][]).filter(
  (entry): entry is [string, z.ZodType] =>
    entry[1] instanceof z.ZodType && definition(entry[1]).type === 'object' && !parts.includes(entry[0]),
);

describe('docs/configuration.md', () => {
  it.each(schemas)('lists every option of %s with its default', (name, schema) => {
    expect(documented(name)).toEqual(options(schema));
  });

  it('knows the schemas it should', () => {
    expect(schemas.map(([name]) => name)).toEqual(
      expect.arrayContaining([
        'trainSchema',
        'prepareSchema',
        'iwslt14Schema',
        'sweepSchema',
        'beamSchema',
        'lossOptionsSchema',
        'tokenizeSchema',
        'detokenizeSchema',
        'normalizeSchema',
        'bpeSchema',
        'bpeApplySchema',
        'dictionarySchema',
      ]),
    );
  });
});
