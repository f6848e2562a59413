// The cache is opened only where nobody else can have written to it, and only as setup left it.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openNative } from '../../../lib/native/binding.js';
import { untrusted } from '../../../lib/native/libtorch/cache_trust.js';
import { doctor } from '../../../lib/native/libtorch/doctor.js';
import {
  cacheDirectory,
  cachedLibtorch,
  type Environment,
  probeLibtorch,
} from '../../../lib/native/libtorch/probe.js';
import { checkCache } from '../../../lib/native/libtorch/seal.js';
import { setup } from '../../../lib/native/libtorch/setup.js';
import { fakeWheel } from '../../support/fake_libtorch.js';
import { scratchDirectory } from '../../support/scratch.js';

/** A cache that setup has filled, with a python3 that leaves a trace. */
async function filled() {
  const home = scratchDirectory();
  const env: Environment = { HOME: home, RDROP_CACHE: join(home, 'cache'), PATH: join(home, 'bin') };
  const from = join(home, 'torch.whl');
  writeFileSync(from, fakeWheel());
  await setup({ env, from });
  return { home, env, from, place: cachedLibtorch(env), cache: cacheDirectory(env) };
}

const refused = (env: Environment) => {
  const { libtorch, refused: error } = probeLibtorch({ env });
  expect(libtorch).toBeNull();
  return error;
};

const asRoot = process.getuid?.() === 0;

const parts: [what: string, path: (place: string) => string][] = [
  ['the cache', dirname],
  ['the libtorch', (place) => place],
  ['its directory of libraries', (place) => join(place, 'lib')],
  ['a library', (place) => join(place, 'lib/libc10.so')],
];

test.each(parts)('%s that everybody can write to is refused, by whatever opens it', async (_, pathOf) => {
  const { env, from, place } = await filled();
  const path = pathOf(place);
  expect(probeLibtorch({ env }).libtorch).not.toBeNull();
  chmodSync(path, statSync(path).mode | 0o002);
  const error = refused(env);
  expect(error).toMatchObject({
    code: 'CACHE_UNTRUSTED',
    message: expect.stringMatching(/can be written by everybody \(mode \d+\).*Next: (rm -r|chmod|remove) /),
  });
  expect(error!.message).toContain(`${path}: can be written`);
  expect(error!.message).toContain('npx rdrop setup');
  expect(() => openNative(undefined, env)).toThrow(expect.objectContaining({ code: 'CACHE_UNTRUSTED' }));
  await expect(setup({ env, from })).rejects.toMatchObject({ code: 'CACHE_UNTRUSTED' });
  const { core, next } = await doctor({ env });
  expect(core.failure?.code).toBe('CACHE_UNTRUSTED');
  expect(next).toContain('npx rdrop setup');
  // Named by the user, it is theirs to judge.
  expect(probeLibtorch({ env: { ...env, RDROP_LIBTORCH: place } }).libtorch?.source).toBe('RDROP_LIBTORCH');
});

test.each(parts)('%s of another user is refused', async (_, pathOf) => {
  const { env, place, cache } = await filled();
  const other = { uid: 4_000_001, gid: 4_000_001 };
  if (asRoot) {
    chownSync(pathOf(place), other.uid, other.gid);
    expect(refused(env)).toMatchObject({
      code: 'CACHE_UNTRUSTED',
      message: expect.stringContaining(`belongs to the user with id ${other.uid}`),
    });
  } else {
    expect(untrusted(cache, place, other)).toMatchObject({ code: 'CACHE_UNTRUSTED' });
  }
});

test('a group that is not the own one may not write; the own one may', async () => {
  const { env, place, cache } = await filled();
  const lib = join(place, 'lib');
  chmodSync(lib, 0o775);
  const { gid, uid } = statSync(lib);
  expect(untrusted(cache, place, { uid, gid })).toBeNull();
  if (asRoot) {
    chownSync(lib, uid, 4_000_001);
    expect(refused(env)?.message).toContain('can be written by the group with id 4000001 (mode 775)');
  }
});

test('a link leads to where the libraries lie: that place counts', async () => {
  const { env, home, place, cache } = await filled();
  const open = join(home, 'open');
  mkdirSync(open);
  renameSync(place, join(open, 'libtorch'));
  symlinkSync(join(open, 'libtorch'), place);
  expect(probeLibtorch({ env }).libtorch?.directory).toBe(place);
  chmodSync(open, 0o777);
  expect(untrusted(cache, place)?.message).toContain(`${open}: can be written by everybody`);
  // Who may write to a sticky directory cannot rename what others have there.
  chmodSync(open, 0o1777);
  expect(untrusted(cache, place)).toBeNull();
});

test('what setup makes is closed to others, whatever the umask is', async () => {
  const before = process.umask(0);
  onTestFinished(() => void process.umask(before));
  const { place, cache } = await filled();
  for (const entry of ['', ...(readdirSync(cache, { recursive: true }) as string[])])
    expect(statSync(join(cache, entry)).mode & 0o022, entry).toBe(0);
  expect(untrusted(cache, place)).toBeNull();
});

test('a library that changed, is new or is missing is refused when it is loaded, and says so', async () => {
  const { place } = await filled();
  const library = join(place, 'lib/libtorch_cpu.so');
  const original = readFileSync(library);
  const load = () => {
    try {
      checkCache(place);
    } catch (error) {
      return error as { code: string; message: string };
    }
    return null;
  };
  expect(load()).toBeNull();

  // The same size and time of modification: only the content differs.
  const { atime, mtime } = statSync(library);
  const changed = Buffer.from(original);
  changed[0]! ^= 1;
  writeFileSync(library, changed);
  utimesSync(library, atime, mtime);
  expect(load()).toMatchObject({ code: 'CACHE_UNTRUSTED' });
  expect(load()!.message).toMatch(
    /libtorch_cpu\.so: its content changed since setup \(SHA-256 [0-9a-f]{64} then/,
  );
  writeFileSync(library, original);
  expect(load()).toBeNull();

  // The loader would take it before the system's.
  const extra = join(place, 'lib/libstdc++.so.6');
  writeFileSync(extra, '');
  expect(load()!.message).toContain('libstdc++.so.6: was not there when setup wrote the libtorch');
  rmSync(extra);
  rmSync(library);
  expect(load()!.message).toContain('libtorch_cpu.so: is missing');
});

test('a cache that was copied or made by an older setup is hashed once', async () => {
  const { home, place } = await filled();
  const seal = () => readFileSync(join(place, 'SEAL'), 'utf8');
  const first = seal();
  rmSync(join(place, 'SEAL'));
  checkCache(place);
  expect(seal()).toBe(first);

  const library = join(place, 'lib/libc10.so');
  copyFileSync(library, join(home, 'copy'));
  rmSync(library);
  copyFileSync(join(home, 'copy'), library);
  checkCache(place);
  expect(seal()).not.toBe(first);
  const copied = seal();
  checkCache(place);
  expect(seal()).toBe(copied);
});

test('a cache without any checksums is none that setup made', async () => {
  const { place } = await filled();
  for (const name of ['SEAL', 'SHA256SUMS']) rmSync(join(place, name));
  expect(() => checkCache(place)).toThrow(
    expect.objectContaining({
      code: 'CACHE_UNTRUSTED',
      message: expect.stringContaining('expected the checksums that rdrop setup writes'),
    }),
  );
});
