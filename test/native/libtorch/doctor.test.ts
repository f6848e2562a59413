// rdrop doctor and the opening of the addon: a libtorch that is missing, of another version, or no library at all.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findAddon, loadLoader } from '../../../lib/native/addon.js';
import { distributedLibrary, openNative, packageRoot } from '../../../lib/native/binding.js';
import { diagnosisLines, doctor } from '../../../lib/native/libtorch/doctor.js';
import { cachedLibtorch, type Environment, findLibtorch } from '../../../lib/native/libtorch/probe.js';
import { setup } from '../../../lib/native/libtorch/setup.js';
import { fakeLibtorch, fakeWheel } from '../../support/fake_libtorch.js';
import { scratchDirectory } from '../../support/scratch.js';

/** No libtorch anywhere, no python3. */
const bareMachine = (): Environment & { HOME: string } => {
  const home = scratchDirectory();
  return { HOME: home, RDROP_CACHE: join(home, 'cache'), PATH: join(home, 'bin') };
};

const compiledAgainst = () => loadLoader(findAddon()).compiledAgainst;
const failing = (env: Environment, root = packageRoot) => {
  try {
    openNative(root, env);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('the native core opened');
};

// Before anything is opened: afterwards the other libtorch is refused without a look at its files.
test('files that are no libraries: LIBTORCH_UNUSABLE naming the file', () => {
  const env = bareMachine();
  const directory = fakeLibtorch(join(env.HOME, 'fake'), compiledAgainst());
  const { code, message } = failing({ ...env, RDROP_LIBTORCH: directory });
  expect(code).toBe('LIBTORCH_UNUSABLE');
  expect(message).toContain(`${join(directory, 'lib/libc10.so')}: libtorch could not be opened`);
  expect(message).toContain('Next: npx rdrop doctor');
});

test('missing libtorch: LIBTORCH_NOT_FOUND, and opening works once there is one', () => {
  const { code, message } = failing(bareMachine());
  expect(code).toBe('LIBTORCH_NOT_FOUND');
  for (const part of ['RDROP_LIBTORCH', 'LIBTORCH', 'cache of rdrop setup', 'Python package torch']) {
    expect(message).toContain(`- ${part}`);
  }
  expect(message).toContain('Next: npx rdrop setup');
  expect(openNative().info().compiledAgainst).toContain(compiledAgainst());
});

test('says whether the library for several processes lies beside the addon', async () => {
  const diagnosis = await doctor();
  expect(diagnosis.distributed).toBe(distributedLibrary());
  expect(diagnosisLines(diagnosis)).toContain(`  ✓ ${distributedLibrary()}`);
  expect(diagnosisLines(diagnosis)).toContain('  ✓ bullmq');
  const queue = { bullmq: true, ioredis: false };
  expect(diagnosisLines({ ...diagnosis, queue })).toContain(
    '  – ioredis: not installed (npm install bullmq ioredis)',
  );
  const lines = diagnosisLines({ ...diagnosis, distributed: null });
  expect(lines).toContain('  – no librdrop_distributed.so beside the addon');
  const withNccl = (nccl: string | null) =>
    diagnosisLines({ ...diagnosis, cuda: { ...diagnosis.cuda, ok: true, nccl } });
  expect(withNccl('/x/libnccl.so.2')).toContain(
    '  ✓ /x/libnccl.so.2, which carries the gradients of several processes',
  );
  expect(withNccl(null)).toContain(`  – no NCCL: several processes need distributed.backend 'gloo'`);
});

test('another version: LIBTORCH_VERSION naming both', () => {
  const env = bareMachine();
  const directory = fakeLibtorch(join(env.HOME, 'old'), '2.8.1');
  const { code, message } = failing({ ...env, LIBTORCH: directory });
  expect(code).toBe('LIBTORCH_VERSION');
  expect(message).toContain(`compiled against libtorch ${compiledAgainst()}`);
  expect(message).toContain(`${directory} (found through LIBTORCH) is 2.8.1`);
});

test('another patch of the same minor version is not refused for its version', () => {
  const env = bareMachine();
  const [major, minor] = compiledAgainst().split('.');
  const directory = fakeLibtorch(join(env.HOME, 'patched'), `${major}.${minor}.99`);
  expect(failing({ ...env, RDROP_LIBTORCH: directory }).code).toBe('LIBTORCH_UNUSABLE');
});

test('no addon, and a broken one: ADDON_NOT_FOUND', () => {
  const root = scratchDirectory();
  const missing = failing({}, root);
  expect(missing.code).toBe('ADDON_NOT_FOUND');
  expect(missing.message).toContain(join(root, 'build', 'Release'));
  expect(missing.message).toContain(join(root, 'prebuilds', `${process.platform}-${process.arch}`));
  mkdirSync(join(root, 'build/Release'), { recursive: true });
  writeFileSync(join(root, 'build/Release/rdrop.node'), 'no library');
  const broken = failing({}, root);
  expect(broken.code).toBe('ADDON_NOT_FOUND');
  expect(broken.message).toContain('could not be loaded');
});

test('doctor reports every probe and the next command', async () => {
  const env = bareMachine();
  const bare = await doctor({ env });
  expect(bare).toMatchObject({ ok: false, libtorch: null, cacheDamage: null, next: 'npx rdrop setup' });
  expect(bare.probes.map(({ source }) => source)).toEqual(['RDROP_LIBTORCH', 'LIBTORCH', 'cache', 'python']);
  expect(bare.core.failure?.code).toBe('LIBTORCH_NOT_FOUND');
  expect(bare.tools).toEqual({
    python3: null,
    pip: null,
    cmake: null,
    compiler: null,
    make: null,
    nvcc: null,
  });
  const lines = diagnosisLines(bare).join('\n');
  expect(lines).toContain('cmake: not installed (apt-get install cmake)');
  expect(lines).toContain('LIBTORCH_NOT_FOUND');

  const old = fakeLibtorch(join(env.HOME, 'old'), '2.8.1');
  const wrong = await doctor({ env: { ...env, LIBTORCH: old } });
  expect(wrong).toMatchObject({ ok: false, next: 'unset LIBTORCH && npx rdrop setup' });
  expect(wrong.addon.failure?.code).toBe('LIBTORCH_VERSION');

  const none = await doctor({ env, root: scratchDirectory() });
  expect(none.addon.failure?.code).toBe('ADDON_NOT_FOUND');
  expect(none.next).toContain('npm run build');
});

test('doctor finds a file of the cache that changed', async () => {
  const env = bareMachine();
  const wheel = join(env.HOME, 'torch.whl');
  writeFileSync(wheel, fakeWheel());
  await setup({ env, from: wheel });
  expect((await doctor({ env })).cacheDamage).toEqual([]);
  const file = join(cachedLibtorch(env), 'include/ATen/ATen.h');
  writeFileSync(file, '#pragma twice\n');
  expect((await doctor({ env })).cacheDamage).toEqual([`${file}: its content changed`]);
});

test('doctor is content with a libtorch that opens', async () => {
  // Through the variable, because doctor would read all 500 MB of the cache.
  const env = { ...process.env, RDROP_CACHE: scratchDirectory(), RDROP_LIBTORCH: findLibtorch().directory };
  const diagnosis = await doctor({ env });
  expect(diagnosis).toMatchObject({ ok: true, next: null, libtorch: { source: 'RDROP_LIBTORCH' } });
  expect(diagnosis.core.info?.threads).toBeGreaterThan(0);
  expect(diagnosisLines(diagnosis).at(-1)).toBe('All is well.');
  // Here or in a failure: nobody who reads doctor's answer needs to be sent to doctor.
  expect(diagnosisLines(diagnosis).join('\n')).not.toContain('npx rdrop doctor');
});
