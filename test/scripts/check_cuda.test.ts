// npm run check:cuda where something is missing: a skip with its reason, not a failure.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { scratchDirectory } from '../support/scratch.js';

/** The end of what it prints, on a machine with these programs alone. */
function checkCuda(programs: Record<string, string>, env: NodeJS.ProcessEnv = {}) {
  const bin = join(scratchDirectory(), 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const [name, script] of Object.entries(programs))
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(packageRoot, 'scripts/check_cuda.mjs')],
    { encoding: 'utf8', env: { PATH: bin, HOME: bin, ...env } },
  );
  return { status, stderr, last: stdout.trim().split('\n').at(-1) };
}

test('a CUDA libtorch that cannot be downloaded', () => {
  // nvcc cannot tell its version, so that what needs it alone is skipped as well.
  const { status, stderr, last } = checkCuda(
    {
      nvcc: 'exit 1',
      python3: 'case "$*" in *--version*) exit 0;; esac; echo "no route to host"; exit 1',
    },
    { RDROP_CACHE: scratchDirectory() },
  );
  expect(stderr).toMatch(
    /skipped: the CUDA flavor .*no CUDA build of libtorch can be had: .*no route to host/s,
  );
  expect(last).toMatch(/^tests: 0 passed, 0 failed, [1-9]\d* skipped$/);
  expect(status).toBe(0);
}, 120_000);

test('no nvcc', (context) => {
  if (existsSync('/usr/local/cuda/bin/nvcc')) return context.skip('there is one in /usr/local/cuda');
  const { status, stderr, last } = checkCuda({});
  expect(stderr).toContain('skipped: npm run check:cuda: no nvcc');
  expect({ status, last }).toEqual({ status: 0, last: 'tests: 0 passed, 0 failed, 1 skipped' });
}, 60_000);
