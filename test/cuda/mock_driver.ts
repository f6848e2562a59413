// The driver of the mock CUDA runtime (native/test/cuda_mock/driver): the core, the real librdrop_cuda.so and the real CUDA
// build of libtorch in one program.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { mockDirectory, mockEnvironment } from '../../native/test/cuda_mock/environment.mjs';

/** What a command of the driver prints. `environment`: of the mock, such as MOCK_MEMORY_MIB. */
export function drive<T>(
  command: string,
  options: Record<string, string | number>,
  environment: Record<string, string> = {},
): T {
  const { stdout, stderr, error } = spawnSync(
    join(mockDirectory, 'cuda_mock_driver'),
    [command, ...Object.entries(options).map(([name, value]) => `${name}=${value}`)],
    { encoding: 'utf8', env: { ...process.env, ...mockEnvironment(), ...environment } },
  );
  if (error) throw error;
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(`cuda_mock_driver ${command}: no JSON, but ${stdout}${stderr}`);
  }
}
