// node scripts/cuda_mock/run.mjs COMMAND name=value…: builds the mock where it is not up to date, then runs the driver on it
// (native/test/cuda_mock/README.md).
import { spawnSync } from 'node:child_process';
import { main } from '../steps.mjs';
import { ensureCudaLibtorch, ensureCudaMock } from '../steps_cuda.mjs';
import { mockDirectory, mockEnvironment } from './environment.mjs';

await main(async () => {
  await ensureCudaMock(await ensureCudaLibtorch());
  const { status, error } = spawnSync(`${mockDirectory}/cuda_mock_driver`, process.argv.slice(2), {
    stdio: 'inherit',
    env: { ...process.env, ...mockEnvironment() },
  });
  if (error) throw error;
  process.exitCode = status ?? 1;
});
