// The device's kernels under the emulated grid, one test a case of native/ops/*/*_test.cc: npm test builds the program.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';

const program = join(packageRoot, '.cmake/emulated/kernel_tests');

/** Every case that the program printed, in its order: null for one that passed, else the reason. */
function runCases(): { cases: [name: string, reason: string | null][]; ended: string } {
  if (!existsSync(program)) return { cases: [], ended: `${program} is not there: npm test builds it` };
  const { stdout, stderr, status, signal, error } = spawnSync(program, { encoding: 'utf8' });
  const cases = (stdout ?? '').split('\n').flatMap((line): [string, string | null][] => {
    const match = /^(?:ok (?<passed>.+)|FAILED (?<failed>.+?): (?<reason>.*))$/.exec(line);
    const name = match?.groups?.['passed'] ?? match?.groups?.['failed'];
    return name === undefined ? [] : [[name, match?.groups?.['reason'] ?? null]];
  });
  const ended = error?.message ?? (signal ? `ended by ${signal}: ${stderr}` : `exit status ${status}`);
  return { cases, ended };
}

const { cases, ended } = runCases();

// A crash prints no line for the case in which it happened, so how the program ended is a test of its own.
test('the kernel tests ran to their end', () => {
  expect(cases.length, ended).toBeGreaterThan(0);
  const failed = cases.some(([, reason]) => reason !== null);
  expect(ended).toBe(`exit status ${failed ? 1 : 0}`);
});

for (const [name, reason] of cases) {
  test(name, () => {
    expect(reason).toBeNull();
  });
}
