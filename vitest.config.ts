import { defineConfig } from 'vitest/config';

// npm run test:long: what takes a sample by default takes everything.
const long = Boolean(process.env['RDROP_TEST_LONG']);

// npm run check:cuda: what needs nvcc, and nothing else.
const cuda = Boolean(process.env['RDROP_TEST_CUDA']);

export default defineConfig({
  test: {
    include: cuda ? ['test/cuda/**/*.test.ts'] : ['test/**/*.test.ts'],
    exclude: cuda ? [] : ['test/cuda/**'],
    // Processes, not threads: a native library is opened once a process, and a crash then names its file.
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['test/support/temporary_directory.ts', 'test/support/report_page.ts'],
    testTimeout: long ? 3 * 3600_000 : 60_000,
    hookTimeout: long ? 600_000 : 120_000,
    // Two files at once share the cores: a waiting OpenMP thread must sleep instead of spinning.
    env: { OMP_WAIT_POLICY: 'passive' },
  },
});
