// node native/test/cuda_mock/run.mjs COMMAND name=value…: the driver with the mock preloaded (README.md).
import { spawnSync } from 'node:child_process';
import { mockEnvironment, mockDirectory } from './environment.mjs';

const { status, error } = spawnSync(`${mockDirectory}/cuda_mock_driver`, process.argv.slice(2), {
  stdio: 'inherit',
  env: { ...process.env, ...mockEnvironment() },
});
if (error) throw error;
process.exitCode = status ?? 1;
