// npm run check looks at this project's own files, not at what a user's commands have made in the checkout.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { scratchDirectory } from '../support/scratch.js';

test('what README and docs write is not linted', () => {
  const directory = scratchDirectory();
  copyFileSync(join(packageRoot, 'biome.json'), join(directory, 'biome.json'));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  write('lib/own.ts', 'export const one = 1;\n');
  // Badly formatted, so that whoever looks at them complains.
  for (const path of ['exported/hf', 'theory', 'runs/first', 'peer/lib', 'anything/else', 'data'])
    write(`${path}/config.json`, '{"a":1,\n"b":   [ 1]}');
  write('mine.ts', 'var a = 1');
  execFileSync('git', ['init', '--quiet'], { cwd: directory });
  const biome = () =>
    spawnSync(process.execPath, [join(packageRoot, 'node_modules/@biomejs/biome/bin/biome'), 'check'], {
      cwd: directory,
      encoding: 'utf8',
    });
  expect(biome()).toMatchObject({ status: 0 });
  write('lib/own.ts', 'var one = 1');
  expect(biome().status).toBe(1);
});

test('the type checker looks at named folders', () => {
  const { include } = JSON.parse(readFileSync(join(packageRoot, 'tsconfig.json'), 'utf8')) as {
    include: string[];
  };
  expect(include).toEqual(['lib', 'test', 'benchmarks', 'scripts', 'examples', 'vitest.config.ts']);
});
