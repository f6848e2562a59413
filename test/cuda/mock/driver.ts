// The program that trains on the mock CUDA runtime (native/test/cuda_mock/README.md), as the tests call it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
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

/** The same for a command that runs beside others. Null: it was killed. `started` is told the process. */
export async function startDriver<T>(
  command: string,
  options: Record<string, string | number> = {},
  env: Record<string, string> = {},
  started: (child: ChildProcess) => void = () => {},
): Promise<T | null> {
  const words = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  const child = spawn(join(mockDirectory, 'cuda_mock_driver'), [command, ...words], {
    cwd: packageRoot,
    env: { ...process.env, ...mockEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started(child);
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      texts[name] += chunk;
    });
  const signal = await new Promise<string | null>((resolve, reject) => {
    child.on('error', reject).on('close', (_, by) => resolve(by));
  });
  if (signal === 'SIGKILL') return null;
  try {
    return JSON.parse(texts.stdout) as T;
  } catch {
    throw new Error(
      `cuda_mock_driver ${command} ${words.join(' ')}: ${signal ?? ''} ${texts.stdout}\n${texts.stderr}`,
    );
  }
}
