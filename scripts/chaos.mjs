// node scripts/chaos.mjs [SEED]: 3 workers and a server of a queue are killed 22 times while they work on 12 trials, which have to come out as in a
// local sweep. Prints what it did; the figures of docs/scaling.md are from here. Needs redis-server, and dist/ to be built.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './steps.mjs';

const place = mkdtempSync(join(tmpdir(), 'rdrop-chaos-'));
const file = join(place, 'result.json');
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'test/sweep/chaos.test.ts'],
  {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: {
      ...process.env,
      RDROP_TEST_LONG: '1',
      RDROP_CHAOS_SEED: process.argv[2] ?? '19',
      RDROP_CHAOS_RESULT: file,
    },
  },
);
if (status === 0) process.stdout.write(readFileSync(file, 'utf8'));
rmSync(place, { recursive: true });
process.exitCode = status ?? 1;
