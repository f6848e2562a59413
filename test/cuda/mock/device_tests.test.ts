// The tests of a GPU, test/device, from Node on the mock: the addon opens it as it would open a driver.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../lib/native/binding.js';
import { cachedCudaLibtorch } from '../../../lib/native/libtorch/probe.js';
import { mockEnvironment } from '../../../scripts/cuda_mock/environment.mjs';
import { scratchDirectory } from '../../support/scratch.js';
import { needsMock } from './driver.js';

needsMock();

const files = readdirSync(join(packageRoot, 'test/device')).filter((name) => name.endsWith('.test.ts'));

/** Of some files only these tests, by a part of their names: the others take the mock too long, or need what it lacks. */
const only: Record<string, string> = {
  'beam_search.test.ts': 'float32',
  // Heads of 8 in 16 bits without attention dropout take libtorch's flash attention, which the mock does not compute. So does
  // a text longer than the network can see, read whole (generation in 16 bits on the mock: generation.test.ts beside this).
  'generation.test.ts': 'float32',
  'gradients.test.ts': 'float32|tf32|heads of 128|every dropout|relu without kinks',
  'training.test.ts': 'one update',
};

test('what is left out is of files that there are', () => {
  expect(files).toEqual(expect.arrayContaining(Object.keys(only)));
});

test.each(files)(
  'test/device/%s passes on the mock without a violation',
  (file) => {
    const name = only[file];
    const directory = scratchDirectory();
    const report = join(directory, 'violations');
    // Where node-gyp-build looks for an addon.
    mkdirSync(join(directory, 'build'));
    symlinkSync(join(packageRoot, '.cmake-cuda-test/Release'), join(directory, 'build/Release'));
    const { RDROP_TEST_CUDA: _, RDROP_TEST_SUMMARY: __, ...env } = process.env;
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [
        join(packageRoot, 'node_modules/vitest/vitest.mjs'),
        ...['run', `test/device/${file}`, '--reporter=default', '--testTimeout=300000'],
        ...(name === undefined ? [] : ['-t', name]),
      ],
      {
        cwd: packageRoot,
        encoding: 'utf8',
        env: {
          ...env,
          ...mockEnvironment(),
          RDROP_PREBUILD: directory,
          RDROP_LIBTORCH: cachedCudaLibtorch(),
          RDROP_EXPECT_CUDA: '1',
          MOCK_REPORT: report,
        },
      },
    );
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    expect(existsSync(report) ? readFileSync(report, 'utf8') : '').toBe('');
  },
  600_000,
);
