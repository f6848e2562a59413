import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { filesThatShare } from './scripts/test_needs.mjs';

// npm run test:long: what takes a sample by default takes everything.
const long = Boolean(process.env['RDROP_TEST_LONG']);

// npm run check:cuda: what needs nvcc, and nothing else.
const cuda = Boolean(process.env['RDROP_TEST_CUDA']);

const shared = cuda ? [] : filesThatShare();

/** Time of text functions against length. A young generation that holds what a call makes: the functions are measured, not V8's copying. */
const growth = 'test/text/growth.test.ts';

/** What a GPU runs where there is one. A test of it may take all of the memory: one file at a time, after the others. */
const device = 'test/device/**';

/** A group of test files; each file has a process of its own where they are isolated. */
const group = (
  name: string,
  files: {
    include: string[];
    exclude: string[];
    isolate: boolean;
    execArgv?: string[];
    maxWorkers?: number;
    sequence?: { groupOrder: number };
  },
): TestProjectInlineConfiguration => ({
  test: {
    name,
    ...files,
    // Processes, not threads: a native library is opened once a process, and a crash then names its file.
    pool: 'forks',
    testTimeout: long ? 3 * 3600_000 : 60_000,
    hookTimeout: long ? 600_000 : 120_000,
    // Two files at once share the cores: a waiting OpenMP thread must sleep instead of spinning.
    env: { OMP_WAIT_POLICY: 'passive' },
  },
});

export default defineConfig({
  test: {
    // The mock runtime and a GPU: one process at a time, as test/device below.
    maxWorkers: cuda || process.env['RDROP_EXPECT_CUDA'] ? 1 : 2,
    globalSetup: ['test/support/temporary_directory.ts', 'test/support/report_page.ts'],
    projects: cuda
      ? [group('cuda', { include: ['test/cuda/**/*.test.ts'], exclude: [], isolate: true, maxWorkers: 1 })]
      : [
          group('alone', {
            include: ['test/**/*.test.ts'],
            exclude: ['test/cuda/**', device, growth, ...shared],
            isolate: true,
          }),
          group('device', {
            include: [`${device}/*.test.ts`],
            exclude: [],
            isolate: true,
            maxWorkers: 1,
            sequence: { groupOrder: 1 },
          }),
          group('growth', {
            include: [growth],
            exclude: [],
            isolate: true,
            execArgv: ['--max-semi-space-size=256'],
          }),
          group('shared', { include: shared, exclude: [], isolate: false }),
        ],
  },
});
