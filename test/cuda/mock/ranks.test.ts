// One run over two processes with a device each, through the real allocator, graphs and streams: the parameters of one process that
// accumulates, and an error that names the rank that was killed.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mockDirectory } from '../../../scripts/cuda_mock/environment.mjs';
import { freePort } from '../../support/free_port.js';
import { needsMock, startDriver } from './driver.js';

needsMock();

interface Outcome {
  checksum: string;
  difference: number;
  keyBiases: number;
  error: string;
  violations: string[];
}

async function ranks(options: Record<string, string | number>): Promise<(Outcome | null)[]> {
  const library = join(mockDirectory, '../Release/librdrop_distributed.so');
  const port = await freePort();
  return Promise.all(
    [0, 1].map((rank) =>
      startDriver<Outcome>('ranks', { rank, port, library, ...options }, { OMP_NUM_THREADS: '1' }),
    ),
  );
}

test.each(['float32', 'bfloat16'])(
  '%s: ten updates of two ranks are those of one process that accumulates',
  async (precision) => {
    const [first, second] = await ranks({ precision, updates: 10 });
    expect(first).toMatchObject({ error: '', violations: [] });
    expect(second).toMatchObject({ error: '', violations: [], checksum: first?.checksum });
    expect(first?.difference).toBeGreaterThanOrEqual(0);
    expect(first?.difference).toBeLessThan(1e-5);
    // Their gradient is only rounding, which Adam enlarges: no step is longer than the learning rate, 4e-5 more at each update.
    expect(first?.keyBiases).toBeLessThan(2 * 4e-5 * ((10 * 11) / 2));
  },
  120_000,
);

test('a rank that is killed ends the other with an error that names it', async () => {
  const [first, second] = await ranks({ precision: 'float32', killed: 3 });
  expect(second).toBeNull();
  expect(first?.error).toMatch(/rank 1/);
  expect(first?.violations).toEqual([]);
}, 60_000);
