import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, not threads: a native library is opened once a process, and a crash then names its file.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two files at once share the cores: a waiting OpenMP thread must sleep instead of spinning.
    env: { OMP_WAIT_POLICY: 'passive' },
  },
});
