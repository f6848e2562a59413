// Two copies of the package in one process, as npm installs them when two packages bring their own: each has a core with
// a thread of its own over one libtorch. In processes of their own, which use dist/, as programs do.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { findAddon } from '../../lib/native/addon.js';
import { packageRoot } from '../../lib/util/package_root.js';
import { scratchDirectory } from '../support/scratch.js';

const script = fileURLToPath(new URL('two_copies.mjs', import.meta.url));

/** A second copy of the package. */
function copyOfPackage(): string {
  const root = scratchDirectory();
  const addon = join(root, 'build/Release');
  mkdirSync(addon, { recursive: true });
  for (const name of ['rdrop.node', 'librdrop_core.so'])
    copyFileSync(join(dirname(findAddon()), name), join(addon, name));
  cpSync(join(packageRoot, 'dist'), join(root, 'dist'), { recursive: true });
  copyFileSync(join(packageRoot, 'package.json'), join(root, 'package.json'));
  symlinkSync(join(packageRoot, 'node_modules'), join(root, 'node_modules'));
  return root;
}

function compute(...roots: string[]): { digests: string[]; cores: string[] } {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, ...roots], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '2' },
  });
  expect(signal ?? status, stderr).toBe(0);
  return JSON.parse(stdout);
}

test('two copies compute side by side, on the main thread and in workers, with the bits of one alone', () => {
  const alone = compute(packageRoot);
  expect(alone.cores).toHaveLength(1);
  expect(new Set(alone.digests).size).toBe(1);
  const copy = copyOfPackage();
  const both = compute(packageRoot, copy);
  expect(both.cores.toSorted()).toEqual(
    [alone.cores[0], join(copy, 'build/Release/librdrop_core.so')].toSorted(),
  );
  expect(both.digests).toEqual(Array(6).fill(alone.digests[0]));
}, 60_000);

test('another libtorch in the process is LIBTORCH_UNUSABLE: two would end it', ({ skip }) => {
  // A library of libtorch's name that lies elsewhere.
  const other = join(scratchDirectory(), 'libc10.so');
  const compiler = ['-shared', '-Wl,-soname,libc10.so', '-x', 'c', '/dev/null', '-o', other];
  if (spawnSync(process.env['CC'] ?? 'cc', compiler).status !== 0) skip('no C compiler');
  const binding = pathToFileURL(join(packageRoot, 'dist/native/binding.js')).href;
  const program = `const { native } = await import('${binding}');
    try { native(); } catch ({ code, message }) { console.log(code, message); }`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, LD_PRELOAD: other },
  });
  expect(stdout).toMatch(
    /^LIBTORCH_UNUSABLE .*\/lib\/libc10\.so: this process has opened another libtorch, /,
  );
  expect(stdout).toContain(other);
});
