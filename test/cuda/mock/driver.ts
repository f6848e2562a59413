// The program that trains on the mock CUDA runtime (native/test/cuda_mock/README.md), as the tests call it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeEach } from 'vitest';
import { packageRoot } from '../../../lib/native/binding.js';
import { mockDirectory, mockEnvironment } from '../../../scripts/cuda_mock/environment.mjs';
import { noMock } from '../flavor.js';

/** The tests of the file that calls this are skipped, with the reason, where there is no mock. */
export function needsMock(): void {
  beforeEach((context) => {
    if (noMock !== null) context.skip(noMock);
  });
}

/**
 * Runs a command of the driver and returns what it printed. Its exit status, 1 for whatever is wrong, is not looked at: the
 * answer says more.
 *
 * @param env - the mock's variables, MOCK_…
 */
export function mockDriver<T>(
  command: string,
  options: Record<string, string | number> = {},
  env: Record<string, string> = {},
): T {
  const words = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  const { stdout, stderr, signal } = spawnSync(join(mockDirectory, 'cuda_mock_driver'), [command, ...words], {
    cwd: packageRoot,
    env: { ...process.env, ...mockEnvironment(), ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(`cuda_mock_driver ${command} ${words.join(' ')}: ${signal ?? ''} ${stdout}\n${stderr}`);
  }
}
