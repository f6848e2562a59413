import { describe, expect, it } from 'vitest';
import { environmentRank } from '../../../lib/training/distributed/environment.js';

const torchrun = {
  RANK: '3',
  LOCAL_RANK: '1',
  WORLD_SIZE: '4',
  LOCAL_WORLD_SIZE: '2',
  MASTER_ADDR: 'node-0',
  MASTER_PORT: '29400',
};
const slurm = {
  SLURM_PROCID: '1',
  SLURM_NTASKS: '2',
  SLURM_LOCALID: '0',
  MASTER_ADDR: '10.0.0.7',
  MASTER_PORT: '29500',
};

describe('the environment of a launcher', () => {
  it('is none where nothing is said, and where there is one process', () => {
    expect(environmentRank({})).toBeNull();
    expect(environmentRank({ RANK: '0', WORLD_SIZE: '1' })).toBeNull();
    expect(environmentRank({ MASTER_ADDR: 'node-0', MASTER_PORT: '1' })).toBeNull();
  });

  it('is read as torchrun sets it', () => {
    expect(
      environmentRank({
        ...torchrun,
        TORCHELASTIC_USE_AGENT_STORE: 'True',
        TORCHELASTIC_RESTART_COUNT: '2',
      }),
    ).toEqual({
      rank: 3,
      worldSize: 4,
      localRank: 1,
      localRanks: 2,
      address: 'node-0',
      port: 29400,
      store: 'agent',
      prefix: 'rdrop/2',
    });
    expect(environmentRank({ ...torchrun, TORCHELASTIC_USE_AGENT_STORE: 'False' })).toMatchObject({
      store: 'first',
      prefix: 'rdrop/0',
    });
  });

  it('is read as srun sets it, where the job says where ranks meet', () => {
    expect(environmentRank(slurm)).toMatchObject({
      rank: 1,
      worldSize: 2,
      localRank: 0,
      address: '10.0.0.7',
    });
    expect(environmentRank({ ...slurm, MASTER_PORT: undefined })).toBeNull();
  });

  for (const [name, value, got] of [
    ['RANK', undefined, 'got none'],
    ['RANK', '4', 'got "4"'],
    ['RANK', '-1', 'got "-1"'],
    ['WORLD_SIZE', 'two', 'got "two"'],
    ['WORLD_SIZE', '0', 'got "0"'],
    ['LOCAL_RANK', '1.5', 'got "1.5"'],
    ['MASTER_ADDR', '', 'got none'],
    ['MASTER_PORT', '65536', 'got "65536"'],
    ['TORCHELASTIC_RESTART_COUNT', 'x', 'got "x"'],
  ] as const) {
    it(`names ${name} where it is ${value === undefined ? 'lacking' : JSON.stringify(value)}`, () => {
      expect(() => environmentRank({ ...torchrun, [name]: value })).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: expect.stringMatching(new RegExp(`^${name}: expected .*${got}.*--processes 1`)),
        }),
      );
    });
  }
});
