// NCCL of the mock: collectives of ranks that are processes or threads, eager and recorded, in whatever order the other work runs.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { needsMock, startDriver } from './driver.js';

needsMock();

let shared: string;
beforeEach(() => {
  shared = mkdtempSync(join(tmpdir(), 'rdrop-nccl-'));
});
afterEach(() => {
  rmSync(shared, { recursive: true, force: true });
});

interface Outcome {
  faults: string[];
  violations: string[];
}

const collectives = (options: Record<string, number>, env: Record<string, string> = {}) =>
  startDriver<Outcome>('collectives', options, { MOCK_SHARED: shared, ...env });

const nothing = { faults: [], violations: [] };

test.each([
  [2, 0],
  [3, 7],
])(
  '%i processes with a device each, order %i',
  async (size, order) => {
    const ranks = Array.from({ length: size }, (_, rank) =>
      collectives({ rank, size }, { MOCK_ORDER: `${order}` }),
    );
    expect(await Promise.all(ranks)).toEqual(ranks.map(() => nothing));
    expect(readdirSync(shared), 'what the ranks left behind').toEqual([]);
  },
  60_000,
);

test.each([
  [2, 1],
  [3, 5],
])(
  'one process with %i devices, a thread each, order %i',
  async (size, order) => {
    const env = { MOCK_DEVICES: `${size}`, MOCK_ORDER: `${order}` };
    expect(await collectives({ size, threads: 1 }, env)).toEqual(nothing);
    expect(readdirSync(shared), 'what the ranks left behind').toEqual([]);
  },
  60_000,
);

test('an all-reduce whose peer has ended waits until it is aborted', async () => {
  const both = [collectives({ rank: 0, size: 2, alone: 1 }), collectives({ rank: 1, size: 2, alone: 1 })];
  expect(await Promise.all(both)).toEqual([nothing, nothing]);
}, 60_000);

test('a rank that never comes: the communicator fails and nothing hangs', async () => {
  const found = await collectives({ rank: 0, size: 2 }, { MOCK_NCCL_SECONDS: '0.3' });
  expect(found).toEqual({ faults: ['rank 0: ncclCommInitRank'], violations: [] });
}, 60_000);
