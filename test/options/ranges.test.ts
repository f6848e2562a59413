// Every size that a schema takes has a largest value, whose products with others stay exact.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sizeOf } from '../../lib/data/safetensors/stored_tensor.js';
import { parameterShapes } from '../../lib/model/parameter_names.js';
import * as options from '../../lib/options/index.js';

/**
 * What is compared or counted up, and never a size of anything: seeds, updates, thresholds. zod's integers end at 2^53
 * anyway.
 */
const noSizes = [
  /seeds?$/i,
  /^epoch$/,
  /(Updates|Epochs|[iI]nterval|patience)$/,
  // Bytes of a file that is read in blocks; the default is beyond 2^31.
  /^maxUnpackedBytes$/,
  // However long, a translation ends at maxPositions.
  /^maxLenB$/,
  /^(threshold|nwords|minLength|maxLength|merges|vocabularyThreshold|ignoreIndex)$/,
];

/** `path → largest` of every whole number of a schema. */
function integers(schema: z.ZodType, path: string): [string, number][] {
  const def = schema.def as unknown as {
    innerType?: z.ZodType;
    shape?: Record<string, z.ZodType>;
    element?: z.ZodType;
    options?: z.ZodType[];
  };
  if (schema instanceof z.ZodNumber) {
    return schema.format === 'safeint' ? [[path, schema.maxValue ?? Number.POSITIVE_INFINITY]] : [];
  }
  const inner = [def.innerType, def.element, ...(def.options ?? [])].filter((each) => each !== undefined);
  return [
    ...inner.flatMap((each) => integers(each, path)),
    ...Object.entries(def.shape ?? {}).flatMap(([key, each]) => integers(each, `${path}.${key}`)),
  ];
}

const schemas = Object.entries(options as Record<string, unknown>).filter(
  (entry): entry is [string, z.ZodType] => entry[1] instanceof z.ZodType,
);

describe('sizes', () => {
  it('all have a maximum', () => {
    const found = schemas.flatMap(([name, schema]) => integers(schema, name));
    expect(found.length).toBeGreaterThan(60);
    const sizes = found.filter(([path]) => !noSizes.some((pattern) => pattern.test(path.split('.').at(-1)!)));
    expect(sizes.filter(([, largest]) => largest > 2 ** 31)).toEqual([]);
  });

  it('of a model have products that are exact', () => {
    const model = options.modelSchema.parse({
      vocabSize: 2 ** 24,
      embedDim: 65536,
      ffnDim: 2 ** 20,
      heads: 4096,
      encoderLayers: 1024,
      decoderLayers: 1024,
      maxPositions: 2 ** 20,
      shareEmbeddings: 'none',
    });
    let bytes = 0;
    for (const shape of parameterShapes(model).values()) bytes += 16 * sizeOf(shape);
    expect(Number.isSafeInteger(bytes)).toBe(true);
    const { maxTokens } = { maxTokens: 2 ** 31 - 1 };
    expect(BigInt(2 * maxTokens) * BigInt(model.vocabSize) * 8n).toBeLessThan(2n ** 63n);
  });

  it.each([
    ['vocabSize', 2 ** 24 + 1],
    ['embedDim', 65540],
    ['ffnDim', 2 ** 20 + 1],
    ['encoderLayers', 1025],
    ['maxPositions', 8998411743252952],
  ])('%s beyond it is told with its range', (option, value) => {
    const parsed = options.modelSchema.safeParse({ vocabSize: 10, [option]: value });
    expect(parsed.error?.issues).toMatchObject([{ code: 'too_big', path: [option] }]);
  });
});

/** `path: default` of every default that the schema behind it refuses. zod does not parse what it fills in. */
function refusedDefaults(schema: z.ZodType, path: string): string[] {
  const def = schema.def as unknown as {
    type: string;
    defaultValue?: unknown;
    innerType?: z.ZodType;
    shape?: Record<string, z.ZodType>;
    element?: z.ZodType;
    options?: z.ZodType[];
    in?: z.ZodType;
  };
  const refused =
    (def.type === 'default' || def.type === 'prefault') &&
    !def.innerType!.safeParse(def.defaultValue).success;
  const inner = [def.innerType, def.element, def.in, ...(def.options ?? [])].filter(
    (each) => each !== undefined,
  );
  return [
    ...(refused ? [`${path}: ${JSON.stringify(def.defaultValue)}`] : []),
    ...inner.flatMap((each) => refusedDefaults(each, path)),
    ...Object.entries(def.shape ?? {}).flatMap(([key, each]) => refusedDefaults(each, `${path}.${key}`)),
  ];
}

describe('a default', () => {
  it('is a value that its own schema takes', () => {
    expect(schemas.length).toBeGreaterThan(35);
    expect(schemas.flatMap(([name, schema]) => refusedDefaults(schema, name))).toEqual([]);
  });

  it('is found where it is none', () => {
    const inner = z.strictObject({ name: z.string().min(1).default(''), size: z.int().min(1).default(3) });
    const schema = z.object({
      part: inner.prefault({}),
      list: z.array(z.int().max(2).default(5).optional()),
    });
    expect(refusedDefaults(schema, 'schema')).toEqual(['schema.part.name: ""', 'schema.list: 5']);
  });
});
