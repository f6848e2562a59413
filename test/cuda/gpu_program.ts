/** The program of native/test/gpu/ that npm run check:cuda compiles, and the environment that puts it on the mock CUDA runtime. */
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { packageRoot } from '../../lib/native/binding.js';

const directory = join(packageRoot, '.cmake-cuda-test');
const mock = join(directory, 'mock');

export const gpuProgram = join(directory, 'gpu/gpu_kernels');

/** The emulated kernels, which the mock runs, need the libtorch that they were compiled with. */
export function mockEnvironment(): Record<string, string> {
  const cache = readFileSync(join(directory, 'CMakeCache.txt'), 'utf8');
  const libtorch = /^RDROP_LIBTORCH:\w+=(.*)$/m.exec(cache)?.[1] ?? '';
  return {
    LD_PRELOAD: join(mock, 'libcuda_mock.so'),
    LD_LIBRARY_PATH: [mock, join(libtorch, 'lib')].join(delimiter),
  };
}
