// npm test -- FILE builds what that file needs, and nothing else.
import { expect, test } from 'vitest';

const { filesThatShare, needsOf, needsOfFiles } = (await import(
  new URL('../../scripts/test_needs.mjs', import.meta.url).href
)) as {
  filesThatShare(): string[];
  needsOf(args: string[]): Record<string, boolean>;
  needsOfFiles(paths: string[], files: Map<string, string>): Record<string, boolean>;
};

const nothing = { everything: false, dist: false, addon: false, emulated: false };

test('a computation needs nothing, the network its addon, a command dist/, a test of the device the emulated one', () => {
  expect(needsOf(['test/evaluation/bleu.test.ts'])).toEqual(nothing);
  expect(needsOf(['./test/evaluation/bleu.test.ts'])).toEqual(nothing);
  expect(needsOf(['test/model/transformer.test.ts'])).toMatchObject({ dist: false, addon: true });
  expect(needsOf(['test/cli/train_translate.test.ts'])).toMatchObject({ dist: true, addon: true });
  expect(needsOf(['test/training/native/device_step.test.ts'])).toMatchObject({
    addon: true,
    emulated: true,
  });
  expect(needsOf(['test/evaluation', 'test/model/transformer'])).toMatchObject({ addon: true });
});

test('everything where no file is named', () => {
  const everything = { everything: true, dist: true, addon: true, emulated: true };
  expect(needsOf([])).toEqual(everything);
  expect(needsOf(['--bail', 'no_such_file'])).toEqual(everything);
});

test.each([
  [
    'the addon through an import of an import',
    "import { a } from '../lib/a.js';",
    { addon: true, dist: false },
  ],
  ['the addon through a dynamic import', "await import('../lib/a.js');", { addon: true, dist: false }],
  ['a process', "import { spawn } from 'node:child_process';", { addon: true, dist: true }],
  ['a script', "new URL('../scripts/s.mjs', import.meta.url);", { addon: true, dist: true }],
])('%s', (_, text, expected) => {
  const files = new Map([
    ['test/x.test.ts', text],
    ['lib/a.ts', "import { native } from './native/binding.js';"],
    ['lib/native/binding.ts', ''],
    ['scripts/s.mjs', ''],
  ]);
  expect(needsOfFiles(['test/x.test.ts'], files)).toMatchObject(expected);
});

test('a process is shared by computations and by tests that start programs, not by what opens the addon or measures', () => {
  const shared = new Set(filesThatShare());
  for (const name of ['evaluation/bleu', 'scripts/test_needs', 'imports', 'options/documentation'])
    expect(shared).toContain(`test/${name}.test.ts`);
  for (const name of [
    'model/transformer',
    'text/growth',
    'data/prepare_streaming',
    'lock/lock',
    'cuda/package',
  ])
    expect(shared).not.toContain(`test/${name}.test.ts`);
});
