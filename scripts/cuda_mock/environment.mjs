// The environment in which a program finds the mock instead of CUDA.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const mockDirectory = fileURLToPath(new URL('../../.cmake-cuda-test/mock', import.meta.url));

/** Preloads the mock, and what answers for the other libraries of CUDA, before any that libtorch would find. */
export function mockEnvironment() {
  const libraries = readdirSync(mockDirectory).filter((name) => /\.so\.\d+$/.test(name));
  return {
    LD_PRELOAD: ['libcuda_mock.so', ...libraries].map((name) => join(mockDirectory, name)).join(':'),
  };
}
