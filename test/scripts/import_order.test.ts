import { expect, test } from 'vitest';

const { importsOf, orderFaults } = (await import(
  new URL('../../scripts/import_order.mjs', import.meta.url).href
)) as {
  importsOf(files: Record<string, string>): Map<string, string[]>;
  orderFaults(imports: Map<string, string[]>, order?: string[]): string[];
};
const faults = (files: Record<string, string>) => orderFaults(importsOf(files), ['util', 'text', 'cli']);

test('imports from a folder itself and from those before it pass', () => {
  expect(
    faults({
      'lib/util/a.ts': "import { join } from 'node:path';",
      'lib/text/b.ts': "import { a } from '../util/a.js';",
      'lib/text/c.ts': "import './b.js';\nexport type { A } from '../util/a.js';",
      'lib/cli/d.ts': "const { c } = await import('../text/c.js');",
      'lib/index.ts': "export { d } from './cli/d.js';",
    }),
  ).toEqual([]);
});

test.each([
  ['static', "import { b } from '../text/b.js';"],
  ['type', "import type { B } from '../text/b.js';"],
  ['dynamic', "await import('../text/b.js');"],
])('a %s import that goes up is named', (_, text) => {
  expect(faults({ 'lib/util/a.ts': text, 'lib/text/b.ts': '' })).toEqual([
    'lib/util/a.ts imports lib/text/b.ts: text comes after util',
  ]);
});

test('a circle inside a folder is named by its files', () => {
  expect(
    faults({
      'lib/util/a.ts': "import './b.js';",
      'lib/util/b.ts': "import './c.js';",
      'lib/util/c.ts': "import type { A } from './a.js';",
    }),
  ).toEqual(['a circle: lib/util/a.ts → lib/util/b.ts → lib/util/c.ts → lib/util/a.ts']);
});

test('a folder that nobody listed is named', () => {
  expect(faults({ 'lib/attic/a.ts': '' })).toEqual([
    'lib/attic/a.ts: the folder is not in the list of scripts/import_order.mjs',
  ]);
});
