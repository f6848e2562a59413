// What a hover shows: every option of every public function has a comment, and its tags say what the schema says.
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import * as options from '../../lib/options/index.js';
import { documentationOf, documentedInterfaces, optionsOf, programOf } from '../../scripts/docs/options.mjs';
import { expectDocumented } from '../support/hovers.js';

const { program, checker } = programOf('lib/index.ts', 'lib/options/index.ts');

describe('a hover', () => {
  it('shows a comment for every option of every public function', () => {
    const own = (file: string) => /\/lib\/(?!lib\.)/.test(file) && !file.includes('/node_modules/');
    expectDocumented(program, fileURLToPath(new URL('../../lib/index.ts', import.meta.url)), own);
  }, 180_000);

  it('is found missing where there is none', () => {
    const text = 'export interface Bare {\n  /** Said. */\n  a?: number;\n  b?: { c: number }[];\n}';
    const jsDocParsingMode = ts.JSDocParsingMode.ParseAll;
    const how = { languageVersion: ts.ScriptTarget.ES2022, jsDocParsingMode };
    const source = ts.createSourceFile('/lib/bare.ts', text, how);
    const host: ts.CompilerHost = {
      ...ts.createCompilerHost({}),
      getSourceFile: (name) => (name === source.fileName ? source : undefined),
      fileExists: (name) => name === source.fileName,
    };
    const bare = ts.createProgram([source.fileName], { noLib: true }, host).getTypeChecker();
    const symbol = bare.getExportsOfModule(bare.getSymbolAtLocation(source)!)[0]!;
    const properties = bare.getDeclaredTypeOfSymbol(symbol).getProperties();
    expect(properties.map((each) => documentationOf(each, bare).text)).toEqual(['Said.', '']);
  });
});

interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  element?: z.ZodType;
  defaultValue?: unknown;
  checks?: { _zod: { def: { check: string; inclusive?: boolean; value?: number } } }[];
}
const definition = (schema: z.ZodType): Definition => schema.def as unknown as Definition;

const number = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: 20 });

/** In the words of the tag `@range`; null where every number may be given. */
function rangeOf(schema: z.ZodType): string | null {
  const { type, innerType, element } = definition(schema);
  const inner = innerType ?? element;
  if (type !== 'number') return inner === undefined ? null : rangeOf(inner);
  const checks = (definition(schema).checks ?? []).map((each) => each._zod.def);
  const bound = (check: string, inclusive: boolean, tightest: (...values: number[]) => number) => {
    const values = checks
      .filter((each) => each.check === check && each.inclusive === inclusive)
      .map((each) => each.value!);
    return values.length === 0 ? null : tightest(...values);
  };
  const above = bound('greater_than', false, Math.max);
  const from = bound('greater_than', true, Math.max);
  const below = bound('less_than', false, Math.min);
  const most = bound('less_than', true, Math.min);
  // 2^31 - 1 and 2^53 - 1 are what arithmetic holds, not what an option means.
  const to = most === 2 ** 31 - 1 || most === Number.MAX_SAFE_INTEGER ? null : most;
  if (above !== null) {
    const upTo = to === null ? '' : `, at most ${to}`;
    return `above ${above}${below === null ? upTo : `, below ${below}`}`;
  }
  if (from === null) return null;
  if (below !== null) return `${number(from)} to below ${below}`;
  return to === null ? `${number(from)} or more` : `${number(from)} to ${number(to)}`;
}

interface Expected {
  name: string;
  optional: boolean;
  default: unknown;
  range: string | null;
}

/** What the schema says of each option. */
function expectedOf(schema: z.ZodType, path = ''): Expected[] {
  let at = schema;
  let optional = false;
  let fallback: unknown;
  for (;;) {
    const { type, innerType, defaultValue } = definition(at);
    if (innerType === undefined) break;
    if (type === 'optional' || type === 'default' || type === 'prefault') optional = true;
    if (type === 'default') fallback = defaultValue;
    at = innerType;
  }
  const { type, shape } = definition(at);
  if (type === 'undefined') return [];
  if (shape === undefined) return [{ name: path, optional, default: fallback, range: rangeOf(schema) }];
  return Object.entries(shape).flatMap(([key, each]) =>
    expectedOf(each, path === '' ? key : `${path}.${key}`),
  );
}

describe('the tags of a comment', () => {
  const all = options as unknown as Record<string, z.ZodType | undefined>;
  const interfaces = documentedInterfaces({ program, checker }).filter(({ schema }) => all[schema]);
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

  it('are compared for every schema', () => {
    expect(interfaces.length).toBeGreaterThan(35);
    const compared = new Set(interfaces.map(({ schema }) => schema));
    const schemas = Object.keys(options).filter((name) => {
      const value = all[name] as z.ZodType | undefined;
      return name.endsWith('Schema') && value !== undefined && definition(value).type === 'object';
    });
    expect(schemas.filter((name) => !compared.has(name))).toEqual([]);
  });

  it.each(
    interfaces.filter(({ schema, name }) => interfaces.find((each) => each.schema === schema)?.name === name),
  )('$name: default and range are those of $schema', ({ schema, type }) => {
    const said = optionsOf(type, checker).map(({ name, optional, default: fallback, range }) => ({
      ...{ name, optional, range },
      default: fallback === null ? undefined : (JSON.parse(fallback) as unknown),
    }));
    expect(said.sort(byName)).toEqual(expectedOf(all[schema]!).sort(byName));
  });

  it('and the text of an option without a default says what holds where it is left out', () => {
    const silent = interfaces.flatMap(({ name, type }) =>
      optionsOf(type, checker)
        .filter((each) => each.optional && each.default === null && !each.text.includes('Left out: '))
        .map((each) => `${name}.${each.name}`),
    );
    expect(silent).toEqual([]);
  });
});
