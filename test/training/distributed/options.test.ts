import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parseConfig, trainSchema } from '../../../lib/options/index.js';
import { threadsOf } from '../../../lib/training/distributed/place.js';
import { alone } from '../../../lib/training/distributed/ranks.js';
import { worldSizeWarning } from '../../../lib/training/distributed/world_size.js';
import { fingerprint } from '../../../lib/training/fingerprint.js';
import { differences } from '../../../lib/training/run/run_directory.js';
import { fakeRanks } from './fake_group.js';

const parsed = (distributed?: object) =>
  parseConfig(trainSchema, { data: 'data', runDirectory: 'run', distributed }, 'train');
const placed = { rank: 1, worldSize: 2, address: 'localhost', port: 29500 };

describe('the option distributed', () => {
  it('takes processes, or the place of a rank', () => {
    expect(parsed({ processes: 2 }).distributed).toMatchObject({ timeoutSeconds: 30, gradients: 'float32' });
    expect(parsed(placed).distributed).toMatchObject({ ...placed, store: 'first', bucketMegabytes: 25 });
    expect(parsed().distributed).toBeUndefined();
  });

  for (const [what, options, message] of [
    ['neither', {}, /expected processes, or each of rank, worldSize, address, port/],
    ['a part of a place', { rank: 0, worldSize: 2 }, /or each of rank, worldSize, address, port/],
    ['both', { ...placed, processes: 2 }, /expected processes alone/],
    ['a rank outside', { ...placed, rank: 2 }, /expected a rank below worldSize \(2\), got rank 2/],
    ['no process', { processes: 0 }, /train\.distributed\.processes/],
    ['no time', { processes: 2, timeoutSeconds: 0 }, /train\.distributed\.timeoutSeconds/],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => parsed(options)).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) }),
      );
    });
  }

  it('leaves a run the same one', () => {
    expect(fingerprint(parsed({ processes: 2 }))).toBe(fingerprint(parsed()));
    expect(differences(parsed({ processes: 2 }), parsed())).toEqual([]);
  });

  it('sends gradients by NCCL on CUDA, else by Gloo, and by the backend that is named', () => {
    const [ranks] = fakeRanks(2);
    const backendOf = (device: 'cpu' | 'cuda', backend?: string) =>
      ranks!.wire(parsed({ processes: 2, backend }).distributed, device)?.backend;
    expect(backendOf('cuda')).toBe('nccl');
    expect(backendOf('cpu')).toBe('gloo');
    expect(backendOf('cuda', 'gloo')).toBe('gloo');
    expect(() => backendOf('cpu', 'nccl')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining("'gloo'") }),
    );
    expect(() => backendOf('cpu', 'mpi')).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    expect(alone.wire(parsed({ processes: 1 }).distributed, 'cuda')).toBeNull();
  });

  it('shares the cores of a machine where no number of threads is given', () => {
    const cores = availableParallelism();
    expect(threadsOf(parsed())).toBe(0);
    expect(threadsOf(parsed({ processes: cores }))).toBe(1);
    expect(threadsOf(parsed({ processes: 1000 }))).toBe(1);
    expect(threadsOf({ ...parsed({ processes: 2 }), threads: 3 })).toBe(3);
    expect(threadsOf(parsed({ ...placed, localRanks: cores }))).toBe(1);
    // One rank a machine has all of it.
    expect(threadsOf(parsed(placed))).toBe(0);
  });
});

it('another number of processes is warned of, with what it changes', () => {
  const state = { update: 40, epoch: 3, batches: 6 };
  expect(worldSizeWarning(state, 2, 2, 4)).toBeNull();
  const warning = worldSizeWarning(state, 2, 1, 4);
  expect(warning?.code).toBe('WORLD_SIZE');
  expect(warning?.message).toMatch(
    /by 2 processes until update 40 and continues with 1 process, at batch 7 of epoch 3: an update takes 4 batches, not 8/,
  );
});
