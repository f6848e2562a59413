// The steps of CUDA: a CUDA build of libtorch, then librdrop_cuda.so and, where it is wanted, an addon for that libtorch.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import {
  compiled,
  compileOnce,
  copyNative,
  hashOf,
  nativePackages,
  readStamp,
  root,
  StepError,
  withSetupProgress,
  writeStamp,
} from './steps.mjs';

/** Chips that a release is compiled for, in CMake's syntax: each of its own, and PTX of the last for newer ones. */
export const releaseArchitectures = '80-real;86-real;89-real;90';

/** The files of the CUDA flavor of the addon. */
export const cudaProducts = ['rdrop.node', 'librdrop_core.so', 'librdrop_distributed.so', 'librdrop_cuda.so'];

/** The path of nvcc: CUDACXX, CUDA_HOME, PATH, the usual place; null where there is none. */
export function findNvcc(env = process.env) {
  const candidates = [
    env.CUDACXX,
    env.CUDA_HOME && join(env.CUDA_HOME, 'bin/nvcc'),
    ...(env.PATH ?? '')
      .split(delimiter)
      .filter(isAbsolute)
      .map((directory) => join(directory, 'nvcc')),
    '/usr/local/cuda/bin/nvcc',
  ];
  for (const path of candidates) {
    if (!path) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there.
    }
  }
  return null;
}

/** nvcc, or TOOL_MISSING with the next command. */
export async function requireNvcc() {
  const nvcc = findNvcc();
  if (nvcc !== null) return nvcc;
  const { missingTool } = await compiled('tools.js');
  throw missingTool('nvcc');
}

/**
 * A libtorch with CUDA to compile against: the one that a variable names or the installed Python torch where
 * LIBTORCH_USE_PYTORCH asks for it, else the cache, provided when it is not there.
 */
export async function ensureCudaLibtorch() {
  const { compilableVersions, findLibtorch, hasCuda, probeLibtorch } = await compiled('probe.js');
  const { probes } = probeLibtorch();
  const asked = probes.find(({ source, path }) => source.endsWith('LIBTORCH') && path !== null);
  if (asked || (probes.length === 1 && probes[0].source === 'python')) {
    const found = findLibtorch();
    if (!hasCuda(found.directory))
      throw new StepError(
        `${found.directory} (found through ${found.source}) is a libtorch without CUDA. ` +
          'Next: unset RDROP_LIBTORCH, LIBTORCH and LIBTORCH_USE_PYTORCH, then npm run build:cuda',
      );
    if (!compilableVersions.some((version) => found.version.startsWith(`${version}.`)))
      throw new StepError(
        `LIBTORCH_VERSION: rdrop compiles against libtorch ${compilableVersions[0]} to ` +
          `${compilableVersions.at(-1)}; ${found.directory} is ${found.version}`,
      );
    return found;
  }
  const { setupCuda } = await compiled('cuda_setup.js');
  return withSetupProgress((options) => setupCuda({ extent: 'link', ...options }));
}

/**
 * Compiles librdrop_cuda.so for some chips, and with `core` an addon for the same libtorch.
 *
 * @param job - {directory, architectures, core, strict, output}: the build directory; CMake's list of chips; whether the
 *   addon is wanted; whether a spilled register is an error; where the products go (null leaves them in the directory);
 *   `mock`: only the mock CUDA runtime and what it needs, in the directory's mock/
 * @returns the directory of the products, from the checkout on
 */
export async function ensureCuda(
  libtorch,
  { directory, architectures, core, strict = false, output = null, mock = false },
) {
  const nvcc = await requireNvcc();
  const { requireTools } = await compiled('tools.js');
  requireTools(['cmake', 'compiler', 'make']);
  const version = spawnSync(nvcc, ['--version'], { encoding: 'utf8' }).stdout;
  const flag = (value) => (value ? 'ON' : 'OFF');
  const options = [
    `RDROP_LIBTORCH=${libtorch.directory}`,
    'RDROP_CUDA=ON',
    `RDROP_CORE=${flag(core)}`,
    `RDROP_CUDA_ARCHITECTURES=${architectures}`,
    `RDROP_CUDA_STRICT=${flag(strict)}`,
    `CMAKE_CUDA_COMPILER=${nvcc}`,
  ];
  const configured = hashOf([], nativePackages(), libtorch.version, version, root, ...options);
  const stamp = hashOf(['native', 'CMakeLists.txt', 'cmake'], configured);
  const products = core ? cudaProducts : ['librdrop_cuda.so'];
  const place = output ?? join(directory, 'Release');
  const stampPath = `${place}/${mock ? '.mock' : ''}.stamp`;
  await compileOnce({
    what: `librdrop_cuda.so for ${architectures.replaceAll(';', ', ')}${core ? ' and an addon beside it' : ''}`,
    directory,
    configured,
    options,
    target: mock ? 'cuda_mock' : 'all',
    upToDate: () =>
      readStamp(stampPath) === stamp && products.every((name) => existsSync(join(root, place, name))),
    done: () => {
      if (output !== null) copyNative(join(root, output), directory, products);
      writeStamp(stampPath, stamp);
    },
  });
  return place;
}

const forTests = { directory: '.cmake-cuda-test', architectures: '86-real', core: true, strict: true };

/** The flavor as npm run check:cuda compiles it: for sm_86 alone, where a spilled register is an error. */
export const ensureCudaForTests = (libtorch) => ensureCuda(libtorch, forTests);

/** Beside it, the mock CUDA runtime that it is tested on (native/test/cuda_mock/README.md). */
export const ensureCudaMock = (libtorch) => ensureCuda(libtorch, { ...forTests, mock: true });
