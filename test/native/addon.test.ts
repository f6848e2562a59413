// The choice among the addons that lie beside each other, each for one minor version of libtorch.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkVersion, findAddon, loadLoader, otherAddons } from '../../lib/native/addon.js';
import { openNative } from '../../lib/native/binding.js';
import { contractVersion } from '../../lib/native/contract.js';
import { doctor } from '../../lib/native/libtorch/doctor.js';
import type { Libtorch } from '../../lib/native/libtorch/probe.js';
import { fakeLibtorch } from '../support/fake_libtorch.js';
import { scratchDirectory } from '../support/scratch.js';

const own = findAddon();
const version = loadLoader(own).compiledAgainst;
const platform = `${process.platform}-${process.arch}`;

/** A loader that claims another version of the same length, 2.14.1 for 2.13.0, with empty libraries beside it. */
function fakeAddon(directory: string, compiledAgainst: string, cuda: boolean): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'rdrop.node');
  const bytes = readFileSync(own);
  const at = bytes.indexOf(`${version}\0`);
  bytes.write(compiledAgainst, at);
  writeFileSync(path, bytes);
  for (const name of ['librdrop_core.so', ...(cuda ? ['librdrop_cuda.so'] : [])])
    writeFileSync(join(directory, name), '');
  return path;
}

/** A package with two prebuilt addons, 2.13.0 without and 2.14.1 with CUDA. */
function packageWithBoth() {
  const root = scratchDirectory();
  return {
    root,
    usual: fakeAddon(join(root, 'prebuilds', platform), '2.13.0', false),
    cuda: fakeAddon(join(root, 'prebuilds', `${platform}-cuda`), '2.14.1', true),
  };
}

function libtorch(directory: string, version: string, cuda = false): Libtorch {
  fakeLibtorch(directory, version);
  if (cuda)
    for (const name of ['libc10_cuda.so', 'libtorch_cuda.so'])
      writeFileSync(join(directory, 'lib', name), '');
  return { source: 'LIBTORCH', directory, version };
}

test.each([
  ['2.13.0', false, 'usual'],
  ['2.13.7', false, 'usual'],
  // The libtorch is a CUDA build that no CUDA addon serves: it trains on the CPU.
  ['2.13.0', true, 'usual'],
  ['2.14.1', true, 'cuda'],
  ['2.14.0', false, 'cuda'],
] as const)('libtorch %s, CUDA %s: the addon that fits', (version, cuda, expected) => {
  const both = packageWithBoth();
  expect(findAddon(both.root, libtorch(join(both.root, 'libtorch'), version, cuda))).toBe(both[expected]);
});

test('none fits: LIBTORCH_VERSION names every version there is an addon for, and doctor lists them', async () => {
  const { root, usual, cuda } = packageWithBoth();
  const old = libtorch(join(root, 'libtorch'), '2.12.0');
  const env = { HOME: root, PATH: '', RDROP_LIBTORCH: old.directory };
  expect(() => openNative(root, env)).toThrow(
    expect.objectContaining({
      code: 'LIBTORCH_VERSION',
      message: expect.stringMatching(
        /against libtorch 2\.13\.0 and needs a 2\.13\.x; another, with CUDA, needs a 2\.14\.x; .* is 2\.12\.0\. Next: npx rdrop setup/,
      ),
    }),
  );
  const { addon } = await doctor({ root, env });
  expect(addon).toMatchObject({
    path: usual,
    compiledAgainst: '2.13.0',
    failure: { code: 'LIBTORCH_VERSION' },
    others: [{ path: cuda, compiledAgainst: '2.14.1', cuda: true }],
  });
});

test('a CUDA build that no addon fits: the message says what provides one', () => {
  const { root } = packageWithBoth();
  const newer = libtorch(join(root, 'libtorch'), '2.15.0', true);
  expect(() => checkVersion('2.13.0', newer)).toThrow(/setup --cuda provides one .*npm run build:cuda/);
});

test('an addon that lacks librdrop_cuda.so or does not open is passed over', () => {
  const { root, usual, cuda } = packageWithBoth();
  const newer = libtorch(join(root, 'libtorch'), '2.14.1', true);
  rmSync(join(dirname(cuda), 'librdrop_cuda.so'));
  expect(findAddon(root, newer)).toBe(usual);
  const broken = packageWithBoth();
  // Another file of this name: the one that is open stays mapped.
  rmSync(broken.cuda);
  writeFileSync(broken.cuda, 'no library');
  expect(findAddon(broken.root, newer)).toBe(broken.usual);
  expect(otherAddons(broken.root, broken.usual)).toEqual([]);
});

test('build/cuda of a checkout comes before what is prebuilt; build/Release before the usual prebuilt one', () => {
  const { root } = packageWithBoth();
  const built = fakeAddon(join(root, 'build/cuda'), '2.14.0', true);
  expect(findAddon(root, libtorch(join(root, 'new'), '2.14.1', true))).toBe(built);
  const release = join(root, 'build/Release/rdrop.node');
  mkdirSync(dirname(release));
  copyFileSync(own, release);
  expect(findAddon(root, libtorch(join(root, 'old'), version))).toBe(release);
});

test('the CUDA addon alone serves its own libtorch, and is not taken for the usual one', () => {
  const root = scratchDirectory();
  const cuda = fakeAddon(join(root, 'prebuilds', `${platform}-cuda`), '2.14.1', true);
  expect(findAddon(root, libtorch(join(root, 'new'), '2.14.1'))).toBe(cuda);
  expect(() => findAddon(root)).toThrow(expect.objectContaining({ code: 'ADDON_NOT_FOUND' }));
  expect(() => findAddon(root, libtorch(join(root, 'old'), '2.13.0'))).toThrow(
    expect.objectContaining({ code: 'ADDON_NOT_FOUND' }),
  );
});

test('a core of other sources is refused by both versions, before any call of it', (context) => {
  const root = scratchDirectory();
  const directory = join(root, 'build/Release');
  mkdirSync(directory, { recursive: true });
  copyFileSync(own, join(directory, 'rdrop.node'));
  const core = join(directory, 'librdrop_core.so');
  // What the core of a build from before the number exports, as far as this is asked.
  writeFileSync(join(root, 'old.c'), 'void *rdrop_core_init(void *env, void *exports) { return exports; }');
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-o', core, join(root, 'old.c')], { stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    context.skip('no C compiler (cc)');
  }
  expect(() => openNative(root)).toThrow(
    expect.objectContaining({
      code: 'ADDON_VERSION',
      message: expect.stringContaining(
        `${core} serves no numbered version of the contract between TypeScript and C++, and this rdrop needs version ${contractVersion}:`,
      ),
    }),
  );
  expect(openNative().contract).toBe(contractVersion);
});
