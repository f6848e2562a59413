/** The program of native/test/gpu/ that npm run check:cuda compiles, and the environment that puts it on the mock CUDA runtime. */
import { join } from 'node:path';
import { packageRoot } from '../../lib/native/binding.js';

const directory = join(packageRoot, '.cmake-cuda-test');
const mock = join(directory, 'mock');

export const gpuDirectory = join(directory, 'gpu');
export const gpuProgram = join(gpuDirectory, 'gpu_kernels');
export const mockEnvironment = { LD_PRELOAD: join(mock, 'libcuda_mock.so'), LD_LIBRARY_PATH: mock };
