// What there is of CUDA without a GPU or nvcc: the choice of libtorch, what setup provides, and what is said of it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { cudaLibraries, native } from '../../../lib/native/binding.js';
import { setupCuda } from '../../../lib/native/libtorch/cuda_setup.js';
import {
  cachedCudaLibtorch,
  cachedLibtorch,
  findLibtorch,
  hasCuda,
  type Libtorch,
} from '../../../lib/native/libtorch/probe.js';
import { fakeLibtorch } from '../../support/fake_libtorch.js';
import { scratchDirectory } from '../../support/scratch.js';

test('without a driver: reported by info(), and CUDA_UNAVAILABLE with the reason when a device is asked for', async (context) => {
  const { available, reason, driver, devices } = native().info().cuda;
  if (driver !== null) return context.skip('there is an NVIDIA driver');
  expect({ available, devices }).toEqual({ available: false, devices: [] });
  expect(reason).toContain('no NVIDIA driver is installed');
  expect(reason).toContain('compute capability 8.0');
  await expect(native().openCuda(0)).rejects.toMatchObject({
    code: 'CUDA_UNAVAILABLE',
    message: expect.stringContaining(reason!),
  });
  // Nothing was opened that would keep the process from working on.
  expect(native().info().threads).toBeGreaterThan(0);
});

const withCuda = (directory: string) => {
  for (const name of ['libc10_cuda.so', 'libtorch_cuda.so']) writeFileSync(join(directory, 'lib', name), '');
  return directory;
};

test('what is lacking of CUDA is named with what provides it', () => {
  const scratch = scratchDirectory();
  const addon = join(scratch, 'addon', 'rdrop.node');
  mkdirSync(dirname(addon));
  const libtorch: Libtorch = {
    source: 'LIBTORCH',
    directory: fakeLibtorch(join(scratch, 'cpu')),
    version: '2.14.1',
  };
  expect(cudaLibraries(libtorch, addon).missing).toContain('is a build without CUDA (npx rdrop setup --cuda');
  withCuda(libtorch.directory);
  expect(cudaLibraries(libtorch, addon).missing).toContain('librdrop_cuda.so (npm run build:cuda');
  writeFileSync(join(dirname(addon), 'librdrop_cuda.so'), '');
  expect(cudaLibraries(libtorch, addon)).toEqual({
    libtorch: ['libc10_cuda.so', 'libtorch_cuda.so'].map((name) => join(libtorch.directory, 'lib', name)),
    rdropCuda: join(dirname(addon), 'librdrop_cuda.so'),
    missing: null,
  });
});

test('a CUDA build of the cache that only serves for linking is not taken', () => {
  const env = { HOME: scratchDirectory(), PATH: '' };
  fakeLibtorch(cachedLibtorch(env));
  withCuda(fakeLibtorch(cachedCudaLibtorch(env)));
  expect(hasCuda(cachedCudaLibtorch(env))).toBe(true);
  expect(findLibtorch(env).directory).toBe(cachedLibtorch(env));
});

test('setup --cuda without pip: TOOL_MISSING, nothing made', async () => {
  const env = { HOME: scratchDirectory(), PATH: '' };
  await expect(setupCuda({ extent: 'run', env })).rejects.toMatchObject({ code: 'TOOL_MISSING' });
  expect(existsSync(join(env.HOME, '.cache'))).toBe(false);
});

/** A python3 whose pip copies prepared wheels and notes what it was asked for; it fails for names in `broken`. */
function fakePip(home: string) {
  const wheels: Record<string, string[]> = {
    torch: ['libc10.so', 'libtorch_cpu.so', 'libc10_cuda.so', 'libtorch_cuda.so'].map(
      (name) => `torch/lib/${name}`,
    ),
    'nvidia-cuda-runtime': ['nvidia/cu13/lib/libcudart.so.13'],
    'nvidia-cuda-cupti': ['nvidia/cu13/lib/libcupti.so.13'],
  };
  for (const directory of ['bin', 'wheels', 'broken']) mkdirSync(join(home, directory), { recursive: true });
  for (const [name, members] of Object.entries(wheels)) {
    const files: Record<string, Uint8Array> = {};
    let record = '';
    for (const member of members) {
      files[member] = strToU8(member);
      record += `${member},sha256=${createHash('sha256').update(member).digest('base64url')},${member.length}\n`;
    }
    files[`${name}-1.dist-info/RECORD`] = strToU8(record);
    writeFileSync(join(home, 'wheels', `${name}.whl`), zipSync(files));
  }
  const script = `#!/bin/sh
    case "$*" in *--version*) exit 0;; esac
    while [ $# -gt 1 ]; do [ "$1" = --dest ] && dest=$2; shift; done
    name=\${1%%=*}
    echo "$name" >> '${home}/asked'
    if [ -e "${home}/broken/$name" ]; then echo 'no answer'; exit 1; fi
    cp "${home}/wheels/$name.whl" "$dest/"`;
  writeFileSync(join(home, 'bin/python3'), script, { mode: 0o755 });
  return {
    env: { HOME: home, PATH: `${join(home, 'bin')}:/usr/bin:/bin` },
    broken: (name: string) => join(home, 'broken', name),
    asked: () => readFileSync(join(home, 'asked'), 'utf8').trim().split('\n'),
  };
}

test('setup goes on with the wheel at which it stopped, and leaves nothing half-written', async () => {
  const { env, broken, asked } = fakePip(scratchDirectory());
  writeFileSync(broken('nvidia-cuda-cupti'), '');
  await expect(setupCuda({ extent: 'link', env })).rejects.toMatchObject({
    code: 'LIBTORCH_DOWNLOAD',
    message: expect.stringContaining('nvidia-cuda-cupti'),
  });
  expect(asked()).toEqual(['torch', 'nvidia-cuda-runtime', 'nvidia-cuda-cupti']);
  rmSync(broken('nvidia-cuda-cupti'));

  const libtorch = await setupCuda({ extent: 'link', env });
  expect(libtorch.directory).toBe(cachedCudaLibtorch(env));
  expect(asked().slice(3)).toEqual(['nvidia-cuda-cupti']);
  expect(hasCuda(libtorch.directory)).toBe(true);
  const beside = join(libtorch.directory, '../nvidia/cu13/lib');
  expect(readdirSync(beside).sort()).toEqual(['libcudart.so.13', 'libcupti.so.13']);
  expect(readdirSync(join(env.HOME, '.cache/rdrop')).filter((name) => name.startsWith('.'))).toEqual([]);

  await setupCuda({ extent: 'link', env });
  expect(asked().length).toBe(4);
});
