import { defineConfig } from 'vitest/config';

// npm run test:long: what takes a sample by default takes everything.
const long = Boolean(process.env['RDROP_TEST_LONG']);

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, not threads: a native library is opened once a process, and a crash then names its file.
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['test/support/temporary_directory.ts'],
    testTimeout: long ? 3 * 3600_000 : 60_000,
    hookTimeout: long ? 600_000 : 120_000,
    // Two files at once share the cores: a waiting OpenMP thread must sleep instead of spinning.
    env: { OMP_WAIT_POLICY: 'passive' },
  },
});
