// examples/scaling/torchrun.sh, with programs in the place of torchrun and npx that say what they were given.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { trainCommand } from '../../lib/cli/train.js';
import { packageRoot } from '../../lib/util/package_root.js';
import { scratchDirectory } from '../support/scratch.js';

/** What the script runs as `npx …`, and the options that it gives torchrun itself. */
function started(directory: string): { own: string[]; program: string[] } {
  const program = (name: string, text: string) => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(directory, name), 0o755);
  };
  // As torchrun does: what stands behind -- is the program, whatever it is called.
  program('torchrun', 'while [ "$1" != -- ]; do echo "$1" >> own; shift; done; shift; exec "$@"');
  program('npx', 'for each in "$@"; do echo "$each" >> program; done');
  for (const name of ['own', 'program']) writeFileSync(join(directory, name), '');
  execFileSync('sh', [join(packageRoot, 'examples/scaling/torchrun.sh')], {
    cwd: directory,
    env: { ...process.env, PATH: `${directory}:${process.env['PATH']}`, MASTER: 'first', RUN: 'runs/mine' },
  });
  const lines = (name: string) => readFileSync(join(directory, name), 'utf8').trim().split('\n');
  return { own: lines('own'), program: lines('program') };
}

test('torchrun.sh begins a run, and continues it where it has a checkpoint', () => {
  const directory = scratchDirectory();
  const known = trainCommand().options.map(({ long }) => long);
  const first = started(directory);
  expect(first.own).toContain('--no-python');
  expect(first.own).toContain('first:29400');
  expect(first.program.slice(0, 2)).toEqual(['rdrop', 'train']);
  expect(first.program.filter((each) => each.startsWith('--') && !known.includes(each))).toEqual([]);
  expect(first.program.slice(first.program.indexOf('--run')).slice(0, 2)).toEqual(['--run', 'runs/mine']);
  mkdirSync(join(directory, 'runs/mine/checkpoints/last'), { recursive: true });
  writeFileSync(join(directory, 'runs/mine/checkpoints/last/state.json'), '{}');
  expect(started(directory).program).toEqual(['rdrop', 'train', '--resume', '--run', 'runs/mine']);
});

test('the page on scaling writes -- before every program that torchrun starts', () => {
  const page = readFileSync(join(packageRoot, 'docs/scaling.md'), 'utf8');
  const commands = [...page.matchAll(/torchrun --no-python[^`\n]*/g)].map(([text]) => text);
  expect(commands.length).toBeGreaterThan(0);
  for (const command of commands) expect(command).toMatch(/ -- npx rdrop train /);
});
