// What setup downloads and keeps.
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { unpack } from '../../dist/native/libtorch/archive.js';
import { versionOf } from '../../dist/native/libtorch/probe.js';
import { checkCache } from '../../dist/native/libtorch/seal.js';
import { byLines, bytes, inDirectory, sha256 } from './samples.mjs';

const wheel = () => {
  const version = bytes("__version__ = '2.13.0+cpu'\n");
  const sum = createHash('sha256').update(version).digest('base64url');
  return zipSync({
    'torch/version.py': version,
    'torch/lib/libtorch_cpu.so': bytes('no library'),
    'torch/lib/libc10.so': bytes('none either'),
    'torch-2.13.0.dist-info/RECORD': bytes(`torch/version.py,sha256=${sum},${version.length}\n`),
  });
};
const libraries = { 'cache/lib/libc10.so': 'x', 'cache/lib/libtorch_cpu.so': 'y' };
const sums = `${sha256('x')}  lib/libc10.so\n${sha256('y')}  lib/libtorch_cpu.so\n`;

export const targets = {
  wheel: {
    seeds: () => [wheel()],
    tokens: ['torch/lib/../../x', '/torch/lib/x', 'PK\u0001\u0002', 'PK\u0003\u0004', 'sha256='],
    mutators: [
      (_, random, generic) => {
        const names = [
          'torch/lib/a.so',
          'torch/lib/../../../x',
          '/torch/lib/x',
          'torch/lib/',
          'torch\\lib\\x',
          'torch/version.py',
        ];
        return zipSync({
          [random.pick(names)]: generic(bytes('content')),
          'torch/lib/libtorch_cpu.so': bytes('x'),
          'x.dist-info/RECORD': generic(
            bytes('torch/lib/libtorch_cpu.so,sha256=LXEWQrcmAEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\n'),
          ),
        });
      },
    ],
    run: async (input, world) => {
      writeFileSync(world, input);
      const into = `${world}-unpacked`;
      mkdirSync(into);
      try {
        await unpack(world, join(into, 'libtorch'));
      } finally {
        rmSync(into, { recursive: true });
      }
    },
  },
  cache_checksums: {
    seeds: () => [bytes(sums)],
    tokens: ['lib/libc10.so', '../', '  ', '\n'],
    mutators: [byLines],
    ...inDirectory(
      'cache/SHA256SUMS',
      async (world) => {
        try {
          checkCache(join(world, 'cache'));
        } finally {
          rmSync(join(world, 'cache/SEAL'), { force: true });
        }
      },
      libraries,
    ),
  },
  cache_seal: {
    seeds: () => [
      bytes(`${sha256('x')} 1 1 1:1 lib/libc10.so\n${sha256('y')} 1 1 1:1 lib/libtorch_cpu.so\n`),
    ],
    tokens: ['lib/libc10.so', '../', ' ', '\n', '-1'],
    mutators: [byLines],
    ...inDirectory('cache/SEAL', async (world) => checkCache(join(world, 'cache')), {
      ...libraries,
      'cache/SHA256SUMS': sums,
    }),
  },
  libtorch_version: {
    seeds: () => [bytes("__version__ = '2.13.0+cpu'\n")],
    tokens: ["'", '.', '2', '__version__'],
    ...inDirectory('version.py', async (world) => void versionOf(world)),
  },
};
