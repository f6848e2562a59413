// What a hover shows of options: the comments that TypeScript finds for the properties of the parameters of public functions.
import ts from 'typescript';
import { expect } from 'vitest';
import { documentationOf } from '../../scripts/docs/options.mjs';

/** Of the platform, though lib/util/globals.ts names it too. */
const builtIn = (type: ts.Type) => type.symbol?.name === 'AbortSignal';

/** What another public function returned; its properties are results. */
const results = /\((result)\)$/;

interface Walk {
  checker: ts.TypeChecker;
  /** Whether a file is rdrop's. */
  own: (file: string) => boolean;
  seen: Set<ts.Type>;
}

const ours = (symbol: ts.Symbol, { own }: Walk) =>
  symbol.declarations?.some((each) => own(each.getSourceFile().fileName)) ?? false;

/** Properties without a comment, of a type and of what its properties hold. */
function undocumented(type: ts.Type, path: string, walk: Walk): string[] {
  const { checker, seen } = walk;
  const some = checker.getNonNullableType(type);
  if (seen.has(some)) return [];
  seen.add(some);
  if (some.isUnion()) return some.types.flatMap((each) => undocumented(each, path, walk));
  if (checker.isArrayType(some) || checker.isTupleType(some))
    return checker
      .getTypeArguments(some as ts.TypeReference)
      .flatMap((each) => undocumented(each, path, walk));
  // A class documents its members where they are used; of functions the parameters count.
  if (!(some.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) || some.isClass()) return [];
  if (some.getCallSignatures().length > 0 || builtIn(some)) return [];
  return some
    .getProperties()
    .filter((each) => ours(each, walk))
    .flatMap((property) => {
      const at = `${path}.${property.name}`;
      const { text } = documentationOf(property, checker);
      const below = undocumented(checker.getTypeOfSymbol(property), at, walk);
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

function publicTypes(index: ts.SourceFile, walk: Walk): { name: string; type: ts.Type }[] {
  const { checker } = walk;
  return checker.getExportsOfModule(checker.getSymbolAtLocation(index)!).flatMap((exported) => {
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
        if (member.name !== 'prototype' && ours(member, walk))
          members.push([`${name}.${member.name}`, checker.getTypeOfSymbol(member)]);
    }
    for (const [at, type] of members)
      for (const signature of signaturesOf(type))
        for (const parameter of signature.getParameters())
          found.push({ name: `${at}(${parameter.name})`, type: checker.getTypeOfSymbol(parameter) });
    return found;
  });
}

/**
 * Every option of every public function has a comment.
 *
 * @param index - the file with the exports
 * @param own - whether a file is rdrop's
 */
export function expectDocumented(program: ts.Program, index: string, own: Walk['own']): void {
  const checker = program.getTypeChecker();
  const walk: Walk = { checker, own, seen: new Set() };
  const types = publicTypes(program.getSourceFile(index)!, walk);
  expect(types.length).toBeGreaterThan(100);
  const given = types.filter(({ name }) => !results.test(name));
  expect(given.flatMap(({ name, type }) => undocumented(type, name, walk))).toEqual([]);
  // Not an accident of the walk: it came to the options of a part of a part.
  const train = types.find(({ name }) => name === 'TrainConfig')!;
  const model = checker.getTypeOfSymbol(train.type.getProperty('model')!);
  expect(documentationOf(model.getProperty('dropout')!, checker)).toEqual({
    text: 'Dropout rate on embeddings and on residual branches.',
    default: '0.3',
    range: '0 to below 1',
  });
}
