// Part of npm run check: the imports of lib/ point one way. A folder of lib/ imports from itself and from the folders
// before it in the list below, and no file imports itself through others. Types count like everything else.
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { filesUnder, root } from './steps.mjs';

/** From what everybody uses to what uses everybody. */
export const folders = [
  ...['util', 'options', 'native', 'lock', 'text', 'evaluation', 'data', 'model', 'tasks', 'training'],
  ...[
    'translation',
    'generation',
    'prediction',
    'interchange',
    'statistics',
    'sweep',
    'report',
    'theory',
    'demo',
    'benchmark',
    'cli',
  ],
];

/** Relative imports of each file of lib/, dynamic ones and types included. @param files - {path: text}, paths from lib/ on */
export function importsOf(files) {
  return new Map(
    Object.entries(files).map(([path, text]) => [
      path,
      [...text.matchAll(/(?:\bfrom|\bimport\(|\bimport)\s*'(\.{1,2}\/[^']+)'/g)].map(([, name]) =>
        normalize(join(dirname(path), name)).replace(/\.js$/, '.ts'),
      ),
    ]),
  );
}

/** One sentence for each import that goes up, each folder that is not listed, and each circle; empty: the order holds. */
export function orderFaults(imports, order = folders) {
  const faults = [];
  const folderOf = (path) => path.split('/')[1];
  for (const [path, names] of imports) {
    if (path === 'lib/index.ts') continue;
    const folder = order.indexOf(folderOf(path));
    if (folder < 0) faults.push(`${path}: the folder is not in the list of scripts/import_order.mjs`);
    for (const name of names)
      if (order.indexOf(folderOf(name)) > folder)
        faults.push(`${path} imports ${name}: ${folderOf(name)} comes after ${folderOf(path)}`);
  }
  for (const circle of circles(imports)) faults.push(`a circle: ${circle.join(' → ')}`);
  return faults;
}

/** Each circle once, from where the search met it. */
function circles(imports) {
  const found = [];
  const state = new Map();
  const trail = [];
  const visit = (path) => {
    state.set(path, 'open');
    trail.push(path);
    for (const name of imports.get(path) ?? []) {
      if (state.get(name) === 'open') found.push([...trail.slice(trail.indexOf(name)), name]);
      else if (!state.has(name)) visit(name);
    }
    trail.pop();
    state.set(path, 'done');
  };
  for (const path of imports.keys()) if (!state.has(path)) visit(path);
  return found;
}

/** Reports the faults of this checkout on standard error; the exit status. */
export function checkImportOrder() {
  const paths = filesUnder(['lib'], (path) => path.endsWith('.ts'));
  const files = Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
  const faults = orderFaults(importsOf(files));
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  return faults.length === 0 ? 0 : 1;
}
