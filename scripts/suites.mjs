// The two suites: what npm test runs and what npm run check:cuda runs. .ci/run runs both.
import { checks } from './checks.mjs';
import {
  ensureAll,
  ensureEmulated,
  ensureLibtorch,
  ensureNative,
  ensurePackages,
  ensureTypescript,
} from './steps.mjs';
import { ensureCudaForTests, ensureCudaLibtorch, ensureCudaMock, findNvcc } from './steps_cuda.mjs';
import { isReported } from './tally.mjs';
import { needsOf } from './test_needs.mjs';

/** Brings about what the test files need; type errors do not stop it, they are a test of their own. */
async function provide({ dist, addon, emulated }) {
  if (dist || addon || emulated) ensureTypescript({ strict: false });
  if (!addon && !emulated) return;
  const libtorch = await ensureLibtorch();
  if (addon) await ensureNative(libtorch);
  if (emulated) await ensureEmulated(libtorch);
}

/**
 * Lint, format and types, one test each, then every test file; or the files that the arguments name and nothing that they
 * do not need.
 *
 * @param args - of vitest
 */
export async function usualSuite(tally, args = []) {
  ensurePackages();
  const needs = needsOf(args);
  await provide(needs);
  if (needs.everything)
    for (const check of checks) {
      if (check.run() === 0) tally.pass(check.name);
      else tally.fail(check.name);
    }
  tally.vitest(args);
}

/** Of a libtorch that cannot be had here; anything else is a fault. */
const unavailable = new Set(['LIBTORCH_DOWNLOAD', 'TOOL_MISSING', 'DISK_FULL']);

/** What needs nvcc: compiles the CUDA flavor for sm_86, then runs test/cuda/. */
export async function cudaSuite(tally, args = []) {
  const name = 'the CUDA flavor for sm_86 compiles and spills no register (nvcc)';
  if (findNvcc() === null)
    return tally.skip('npm run check:cuda', 'no nvcc (CUDACXX, CUDA_HOME, PATH, /usr/local/cuda)');
  ensurePackages();
  ensureTypescript({ strict: false });
  const env = { RDROP_TEST_CUDA: '1' };
  let libtorch;
  try {
    libtorch = await ensureCudaLibtorch();
  } catch (error) {
    if (!unavailable.has(error?.code)) throw error;
    env.RDROP_NO_CUDA_FLAVOR = `no CUDA build of libtorch can be had: ${error.message}`;
    tally.skip(name, env.RDROP_NO_CUDA_FLAVOR);
  }
  if (libtorch !== undefined) {
    await ensureAll();
    try {
      await ensureCudaForTests(libtorch);
      tally.pass(name);
    } catch (error) {
      if (!isReported(error)) throw error;
      tally.fail(name, error.message);
      env.RDROP_NO_CUDA_FLAVOR = 'it could not be compiled';
    }
    if (env.RDROP_NO_CUDA_FLAVOR === undefined) await ensureCudaMock(libtorch);
  }
  tally.vitest(args, { env, mayBeSkipped: true });
}
