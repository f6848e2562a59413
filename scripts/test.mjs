// npm test: all the set-up, lint, format, types, then vitest. Arguments go to vitest (file filters, for instance). npm run
// test:long (--long) sets RDROP_TEST_LONG, by which tests that take a sample take everything, and gives them hours. The
// last line counts every suite; lint, format and types are one test each. Ends with status 1 on any failure, or when
// vitest ran nothing.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checks } from './checks.mjs';
import {
  ensureEmulated,
  ensureLibtorch,
  ensureNative,
  ensurePackages,
  ensureTypescript,
  main,
  root,
  run,
  StepError,
  say,
} from './steps.mjs';
import { ensureCudaForTests, findNvcc } from './steps_cuda.mjs';

if (process.argv.includes('--long')) process.env.RDROP_TEST_LONG = '1';

const total = { passed: 0, failed: 0, skipped: [] };

/** Runs vitest and adds its counts. */
function runVitest(args) {
  const directory = mkdtempSync(join(tmpdir(), 'rdrop-test-'));
  const summaryFile = join(directory, 'summary.json');
  try {
    const reporters = ['--reporter=default', '--reporter=./scripts/summary_reporter.mjs'];
    const status = run(
      process.execPath,
      [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...reporters, ...args],
      {
        env: { ...process.env, RDROP_TEST_SUMMARY: summaryFile },
      },
    );
    let summary;
    try {
      summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
    } catch {
      summary = { passed: 0, failed: 0, skipped: [], unhandled: 0 };
    }
    if (summary.passed + summary.failed === 0) say('vitest ran no test');
    // Errors outside every test end vitest with a status of its own.
    if (summary.failed === 0 && (status !== 0 || summary.passed === 0)) summary.failed += 1;
    total.passed += summary.passed;
    total.failed += summary.failed;
    total.skipped.push(...summary.skipped);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The CUDA library compiles, links and spills no register, as one test; skipped where there is no nvcc. */
async function compileForCuda() {
  const name = 'librdrop_cuda.so for sm_86 (nvcc)';
  if (findNvcc() === null) {
    total.skipped.push({
      name,
      reason: 'no nvcc on this machine (CUDACXX, CUDA_HOME, PATH, /usr/local/cuda)',
    });
    return;
  }
  try {
    await ensureCudaForTests();
    say(`${name}: passed`);
    total.passed += 1;
  } catch (error) {
    if (!(error instanceof StepError) && error?.name !== 'RdropError') throw error;
    say(`${name}: FAILED: ${error.message}`);
    total.failed += 1;
  }
}

await main(async () => {
  let ready = false;
  try {
    ensurePackages();
    // Type errors are counted below, as a test.
    ensureTypescript({ strict: false });
    const libtorch = await ensureLibtorch();
    await ensureNative(libtorch);
    await ensureEmulated(libtorch);
    ready = true;
    await compileForCuda();
    for (const check of checks) {
      const passed = check.run() === 0;
      say(`${check.name}: ${passed ? 'passed' : 'FAILED'}`);
      total[passed ? 'passed' : 'failed'] += 1;
    }
    runVitest(process.argv.slice(2).filter((argument) => argument !== '--long'));
  } finally {
    // The set-up counts as a test only when it fails.
    if (!ready) total.failed += 1;
    for (const { name, reason } of total.skipped) say(`skipped: ${name}: ${reason ?? 'no reason given'}`);
    if (total.failed > 0) process.exitCode = 1;
    process.once('exit', () =>
      process.stdout.write(
        `tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped.length} skipped\n`,
      ),
    );
  }
});
