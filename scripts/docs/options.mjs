// The documentation of options as TypeScript sees it: the comments of the interfaces in lib/options that a schema is checked against
// (`documented<Interface>()(schema)`). The tables of docs/configuration are made from this, and a test compares it with the schemas.
import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../steps.mjs';

/** A program of files of the repository, and its checker. */
export function programOf(...files) {
  const options = {
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, skipLibCheck: true, noEmit: true },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, types: ['node'] },
    ...{
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    },
  };
  const program = ts.createProgram(
    files.map((file) => join(root, file)),
    options,
  );
  return { program, checker: program.getTypeChecker() };
}

const plain = (parts) => ts.displayPartsToString(parts).replace(/\s+/g, ' ').trim();

/** What a hover shows of a property: its text, and the tags `default` and `range`. */
export function documentationOf(symbol, checker) {
  const tags = symbol.getJsDocTags(checker);
  const tag = (name) => {
    const found = tags.find((each) => each.name === name);
    return found === undefined ? null : plain(found.text);
  };
  return {
    text: plain(symbol.getDocumentationComment(checker)),
    default: tag('default'),
    range: tag('range'),
  };
}

/** The type of a property without undefined. */
export const typeOf = (symbol, checker) => checker.getNonNullableType(checker.getTypeOfSymbol(symbol));

/** Whether a type has options of its own: an interface or type of this repository that is no array and no function. */
export function isOptions(type, checker) {
  if (!(type.flags & ts.TypeFlags.Object) || checker.isArrayType(type) || checker.isTupleType(type))
    return false;
  return type.getCallSignatures().length === 0 && type.getProperties().length > 0;
}

/** In words: the literals of a union, or what kind of value it is. */
function valuesOf(type, checker) {
  const parts = type.isUnion() ? type.types : [type];
  if (parts.every((part) => part.isStringLiteral()))
    return parts.map((part) => `\`"${part.value}"\``).join(', ');
  if (checker.isArrayType(type)) return `list of ${valuesOf(checker.getTypeArguments(type)[0], checker)}`;
  return checker
    .typeToString(type)
    .split(' | ')
    .map(
      (each) =>
        ({ string: 'text', false: '`false`', true: '`true`', boolean: '`true`, `false`' })[each] ?? each,
    )
    .map((each) => (each.startsWith('"') ? `\`${each}\`` : each))
    .join(', ');
}

/** The options of an interface, those of its parts behind their path; without those that are always refused. */
export function optionsOf(type, checker, path = '') {
  return type.getProperties().flatMap((symbol) => {
    const inner = typeOf(symbol, checker);
    if (inner.flags & ts.TypeFlags.Never) return []; // vocabSize?: undefined
    const name = path === '' ? symbol.name : `${path}.${symbol.name}`;
    if (isOptions(inner, checker)) return optionsOf(inner, checker, name);
    const optional = (symbol.flags & ts.SymbolFlags.Optional) !== 0;
    return [{ name, optional, values: valuesOf(inner, checker), ...documentationOf(symbol, checker) }];
  });
}

/** Each interface that a schema is checked against, with the schema's name and the interface's type, in the order of the files. */
export function documentedInterfaces({ program, checker }) {
  const found = [];
  for (const file of program.getSourceFiles()) {
    if (!file.fileName.startsWith(join(root, 'lib/'))) continue;
    const visit = (node, schema) => {
      const name = ts.isVariableDeclaration(node) ? node.name.getText() : schema;
      if (
        ts.isCallExpression(node) &&
        ts.isIdentifier(node.expression) &&
        node.expression.text === 'documented'
      ) {
        const type = checker.getTypeFromTypeNode(node.typeArguments[0]);
        found.push({ name: node.typeArguments[0].getText(), schema: name, type });
        return;
      }
      ts.forEachChild(node, (child) => visit(child, name));
    };
    visit(file, null);
  }
  return found;
}
