// What a hover shows: every option of every public function has a comment, and its tags say what the schema says.
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import * as options from '../../lib/options/index.js';
import { documentationOf, documentedInterfaces, optionsOf, programOf } from '../../scripts/docs/options.mjs';

const index = fileURLToPath(new URL('../../lib/index.ts', import.meta.url));
const { program, checker } = programOf('lib/index.ts', 'lib/options/index.ts');
const ours = (symbol: ts.Symbol) =>
  symbol.declarations?.some((each) => /\/lib\/(?!lib\.)/.test(each.getSourceFile().fileName)) &&
  !symbol.declarations.some((each) => each.getSourceFile().fileName.includes('/node_modules/'));

/** Of the platform, though lib/util/globals.ts names it too. */
const builtIn = (type: ts.Type) => type.symbol?.name === 'AbortSignal';

/** What another public function returned; its properties are results. */
const results = /\((result)\)$/;

/** Properties without a comment, of a type and of what its properties hold. */
function undocumented(type: ts.Type, path: string, seen: Set<ts.Type>): string[] {
  const some = checker.getNonNullableType(type);
  if (seen.has(some)) return [];
  seen.add(some);
  if (some.isUnion()) return some.types.flatMap((each) => undocumented(each, path, seen));
  if (checker.isArrayType(some) || checker.isTupleType(some))
    return checker
      .getTypeArguments(some as ts.TypeReference)
      .flatMap((each) => undocumented(each, path, seen));
  // A class documents its members where they are used; of functions the parameters count.
  if (!(some.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) || some.isClass()) return [];
  if (some.getCallSignatures().length > 0 || builtIn(some)) return [];
  return some
    .getProperties()
    .filter(ours)
    .flatMap((property) => {
      const at = `${path}.${property.name}`;
      const { text } = documentationOf(property, checker);
      const below = undocumented(checker.getTypeOfSymbol(property), at, seen);
      return text === '' ? [at, ...below] : below;
    });
}

const signaturesOf = (type: ts.Type): readonly ts.Signature[] => [
  ...type.getCallSignatures(),
  ...type.getConstructSignatures().filter(({ declaration }) => {
    const flags = declaration && ts.getCombinedModifierFlags(declaration);
    return flags !== undefined && !(flags & ts.ModifierFlags.Private);
  }),
];

function publicTypes(): { name: string; type: ts.Type }[] {
  const module = checker.getSymbolAtLocation(program.getSourceFile(index)!)!;
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const name = exported.name;
    const found: { name: string; type: ts.Type }[] = [];
    if (symbol.flags & ts.SymbolFlags.Type && /(Options|Config|Work|Control|Limits)$/.test(name))
      found.push({ name, type: checker.getDeclaredTypeOfSymbol(symbol) });
    if (!(symbol.flags & ts.SymbolFlags.Value)) return found;
    const value = checker.getTypeOfSymbol(symbol);
    const members: [string, ts.Type][] = [[name, value]];
    if (symbol.flags & ts.SymbolFlags.Class) {
      const instance = checker.getDeclaredTypeOfSymbol(symbol);
      for (const member of [...value.getProperties(), ...instance.getProperties()])
        if (member.name !== 'prototype' && ours(member))
          members.push([`${name}.${member.name}`, checker.getTypeOfSymbol(member)]);
    }
    for (const [at, type] of members)
      for (const signature of signaturesOf(type))
        for (const parameter of signature.getParameters())
          found.push({ name: `${at}(${parameter.name})`, type: checker.getTypeOfSymbol(parameter) });
    return found;
  });
}

describe('a hover', () => {
  it('shows a comment for every option of every public function', () => {
    const types = publicTypes();
    expect(types.length).toBeGreaterThan(100);
    const seen = new Set<ts.Type>();
    const given = types.filter(({ name }) => !results.test(name));
    expect(given.flatMap(({ name, type }) => undocumented(type, name, seen))).toEqual([]);
    // Not an accident of the walk: it came to the options of a part of a part.
    const train = types.find(({ name }) => name === 'TrainConfig')!;
    const model = checker.getTypeOfSymbol(train.type.getProperty('model')!);
    expect(documentationOf(model.getProperty('dropout')!, checker)).toEqual({
      text: 'Dropout rate on embeddings and on residual branches.',
      default: '0.3',
      range: '0 to below 1',
    });
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
  if (above !== null) return `above ${above}${below === null ? '' : `, below ${below}`}`;
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
