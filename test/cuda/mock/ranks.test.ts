// One run over two processes with a device each, through the real allocator, graphs and streams: the parameters of one process that
// accumulates, and an error that names the rank that was killed or stopped.
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mockDirectory } from '../../../scripts/cuda_mock/environment.mjs';
import { freePort } from '../../support/free_port.js';
import { needsMock, startDriver } from './driver.js';

needsMock();

interface Outcome {
  checksum: string;
  done: number;
  difference: number;
  keyBiases: number;
  error: string;
  violations: string[];
}

/** The outcomes of two ranks, each with its process. */
async function startRanks(options: Record<string, string | number>) {
  const library = join(mockDirectory, '../Release/librdrop_distributed.so');
  const port = await freePort();
  return [0, 1].map((rank) => {
    let child!: ChildProcess;
    const outcome = startDriver<Outcome>(
      'ranks',
      { rank, port, library, ...options },
      { OMP_NUM_THREADS: '1' },
      (started) => {
        child = started;
      },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    return { child, outcome };
  });
}

async function ranks(options: Record<string, string | number>): Promise<(Outcome | null)[]> {
  const started = await startRanks(options);
  return await Promise.all(started.map(({ outcome }) => outcome));
}

/** The rate of update t is 4e-5 · t: after so many no number has moved further, whatever its gradient. */
const furthest = (updates: number) => 2 * 4e-5 * ((updates * (updates + 1)) / 2);

test.each([
  ['gloo', 'float32', 10],
  ['gloo', 'bfloat16', 10],
  ['nccl', 'float32', 30],
  ['nccl', 'bfloat16', 10],
  ['nccl', 'float16', 10],
])(
  '%s, %s: %i updates of two ranks are those of one process that accumulates',
  async (backend, precision, updates) => {
    const [first, second] = await ranks({ backend, precision, updates });
    expect(first).toMatchObject({ error: '', violations: [], done: updates });
    expect(second).toMatchObject({ error: '', violations: [], checksum: first?.checksum });
    expect(first?.difference).toBeGreaterThanOrEqual(0);
    expect(first?.difference).toBeLessThan(1e-5);
    // Their gradient is only rounding, which Adam enlarges.
    expect(first?.keyBiases).toBeLessThan(furthest(updates));
  },
  600_000,
);

test('nccl, gradients that travel in bfloat16: rounded, and the same at both ranks', async () => {
  const [first, second] = await ranks({
    backend: 'nccl',
    precision: 'float32',
    gradients: 'bfloat16',
    updates: 10,
  });
  expect(first).toMatchObject({ error: '', violations: [], done: 10 });
  expect(second).toMatchObject({ error: '', violations: [], checksum: first?.checksum });
  expect(first?.difference).toBeGreaterThan(1e-5);
  // Measured: 6.1e-5. No number may move further than 4.4e-3 in so many updates.
  expect(first?.difference).toBeLessThan(5e-4);
}, 300_000);

test.each([
  ['gloo', 0],
  ['nccl', 0],
  ['nccl', 1],
])(
  '%s: a rank that is killed (within an update: %i) ends the other with an error that names it',
  async (backend, within) => {
    const [first, second] = await ranks({ backend, precision: 'float32', killed: 3, within, timeout: 8 });
    expect(second).toBeNull();
    expect(first?.error).toMatch(/rank 1 of 2/);
    expect(first?.violations).toEqual([]);
    // The update that the killed rank had no part in was not applied.
    expect(first?.done).toBe(3);
    expect(first?.difference).toBeGreaterThanOrEqual(0);
    expect(first?.difference).toBeLessThan(1e-5);
  },
  180_000,
);

test.each([
  ['gloo', 0],
  ['nccl', 0],
  ['nccl', 1],
])(
  '%s: a rank that is stopped (within an update: %i) is lost after the timeout, and learns so when it goes on',
  async (backend, within) => {
    const timeout = 8;
    const [first, second] = await startRanks({
      ...{ backend, precision: 'float32', killed: 3, stopped: 1, within, timeout },
    });
    const outcome = await first!.outcome;
    // What it says of the silence, not the duration of the update, which the other rank may have entered late.
    const silence = /^RANK_LOST: rank 1 of 2 is lost: no sign of life for ([\d.]+) s/.exec(
      outcome?.error ?? '',
    );
    expect(Number(silence?.[1]), outcome?.error).toBeGreaterThan(timeout / 2);
    expect(Number(silence?.[1])).toBeLessThan(timeout);
    expect(outcome).toMatchObject({ violations: [], done: 3 });
    expect(outcome?.difference).toBeLessThan(1e-5);
    second!.child.kill('SIGCONT');
    expect((await second!.outcome)?.error).toMatch(/^RANK_LOST/);
  },
  180_000,
);
