// Where libtorch is looked for, in which order, and what is said when it is not there.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  cachedLibtorch,
  type Environment,
  findLibtorch,
  libtorchVersion,
  probeLibtorch,
  versionOf,
} from '../../../lib/native/libtorch/probe.js';
import { fakeLibtorch } from '../../support/fake_libtorch.js';
import { scratchDirectory } from '../../support/scratch.js';

/** A machine with nothing on it but a shell. */
function bareMachine(): Environment & { HOME: string; RDROP_CACHE: string; PATH: string } {
  const home = scratchDirectory();
  mkdirSync(join(home, 'bin'));
  return { HOME: home, RDROP_CACHE: join(home, 'cache'), PATH: join(home, 'bin') };
}

/** Makes `python3` answer with a directory as that of its torch. */
function fakePython(env: { PATH: string }, torch: string) {
  writeFileSync(join(env.PATH, 'python3'), `#!/bin/sh\necho '${torch}'\n`, { mode: 0o755 });
}

test('missing libtorch: every place tried and the next command', () => {
  const env = bareMachine();
  expect(() => findLibtorch(env)).toThrow(
    expect.objectContaining({
      code: 'LIBTORCH_NOT_FOUND',
      message: [
        'no libtorch was found. Tried:',
        '  - RDROP_LIBTORCH: not set',
        '  - LIBTORCH: not set',
        `  - cache of rdrop setup (${join(env.RDROP_CACHE, `libtorch-${libtorchVersion}-cpu`)}): no such directory`,
        '  - Python package torch: python3 is not installed',
        'Next: npx rdrop setup',
      ].join('\n'),
    }),
  );
});

test('the order is RDROP_LIBTORCH, LIBTORCH, the cache, Python', () => {
  const env = bareMachine();
  const at = (name: string) => fakeLibtorch(join(env.HOME, name));
  fakePython(env, at('python'));
  expect(findLibtorch(env).source).toBe('python');
  fakeLibtorch(cachedLibtorch(env));
  expect(findLibtorch(env)).toEqual({
    source: 'cache',
    directory: cachedLibtorch(env),
    version: libtorchVersion,
  });
  const both = { ...env, LIBTORCH: at('second') };
  expect(findLibtorch(both)).toMatchObject({ source: 'LIBTORCH', directory: join(env.HOME, 'second') });
  const all = { ...both, RDROP_LIBTORCH: at('first') };
  expect(findLibtorch(all)).toMatchObject({ source: 'RDROP_LIBTORCH', directory: join(env.HOME, 'first') });
  expect(findLibtorch({ ...all, LIBTORCH_USE_PYTORCH: '1' }).source).toBe('python');
  expect(probeLibtorch({ env: all }).probes.length).toBe(1);
  expect(probeLibtorch({ env: all, all: true }).probes.map(({ found }) => found)).toEqual([
    true,
    true,
    true,
    true,
  ]);
});

test('a variable that names no libtorch ends the search: that one was asked for', () => {
  const env = bareMachine();
  fakeLibtorch(cachedLibtorch(env));
  const wrong = join(env.HOME, 'wrong');
  expect(() => findLibtorch({ ...env, LIBTORCH: wrong })).toThrow(
    expect.objectContaining({
      code: 'LIBTORCH_NOT_FOUND',
      message: expect.stringContaining(`LIBTORCH (${wrong}): no such directory`),
    }),
  );
  fakeLibtorch(wrong);
  rmSync(join(wrong, 'lib/libc10.so'));
  expect(probeLibtorch({ env: { ...env, LIBTORCH: wrong } }).probes.at(-1)!.detail).toBe(
    'has no lib/libc10.so',
  );
  fakeLibtorch(wrong);
  rmSync(join(wrong, 'version.py'));
  expect(probeLibtorch({ env: { ...env, LIBTORCH: wrong } }).probes.at(-1)!.detail).toContain(
    'version could not be read',
  );
});

test('a Python without torch, and one that fails, are told apart', () => {
  const env = bareMachine();
  fakePython(env, '');
  expect(probeLibtorch({ env }).probes.at(-1)!.detail).toBe('python3 has no package torch');
  writeFileSync(join(env.PATH, 'python3'), '#!/bin/sh\necho "it is broken" >&2\nexit 3\n', { mode: 0o755 });
  expect(probeLibtorch({ env }).probes.at(-1)!.detail).toBe('python3 failed: it is broken');
});

test('the version is read from a wheel, a zip and the headers', () => {
  const directory = scratchDirectory();
  expect(versionOf(directory)).toBeNull();
  mkdirSync(join(directory, 'include/torch/headeronly'), { recursive: true });
  writeFileSync(
    join(directory, 'include/torch/headeronly/version.h'),
    '#define TORCH_VERSION \\\n  "2.11.2"\n',
  );
  expect(versionOf(directory)).toBe('2.11.2');
  writeFileSync(join(directory, 'build-version'), '2.12.1+cpu\n');
  expect(versionOf(directory)).toBe('2.12.1');
  writeFileSync(join(directory, 'version.py'), "from typing import Any\n__version__ = '2.14.0+cu130'\n");
  expect(versionOf(directory)).toBe('2.14.0');
});

test('the cache is RDROP_CACHE, else the XDG one, else in the home', () => {
  const name = `libtorch-${libtorchVersion}-cpu`;
  expect(cachedLibtorch({ RDROP_CACHE: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' })).toBe(`/a/${name}`);
  expect(cachedLibtorch({ XDG_CACHE_HOME: '/b', HOME: '/c' })).toBe(`/b/rdrop/${name}`);
  expect(cachedLibtorch({ XDG_CACHE_HOME: 'relative', HOME: '/c' })).toBe(`/c/.cache/rdrop/${name}`);
});

test('a link to a libtorch is one', () => {
  const env = bareMachine();
  const real = fakeLibtorch(join(env.HOME, 'real'));
  symlinkSync(real, join(env.HOME, 'link'));
  expect(findLibtorch({ ...env, LIBTORCH: join(env.HOME, 'link') }).version).toBe(libtorchVersion);
  expect(existsSync(real)).toBe(true);
});
