// One pass, summed KL and weights of classes as options of a run.
import { describe, expect, it } from 'vitest';
import { resolveTrainOptions, type TrainOptions } from '../../lib/options/index.js';
import { fingerprint } from '../../lib/training/fingerprint.js';

const given = { data: 'data', runDirectory: 'run' };
const resolved = (options: Partial<TrainOptions>) => resolveTrainOptions({ ...given, ...options }, 'train');
const refused = (loss: TrainOptions['loss']) => {
  try {
    return resolved({ loss });
  } catch (error) {
    return error;
  }
};

describe('passes: 1', () => {
  it('has α 0, whatever a preset and the defaults say', () => {
    expect(resolved({ loss: { passes: 1 } }).loss).toMatchObject({ passes: 1, alpha: 0, direction: 'uni' });
    const config = resolved({ preset: 'multi30k', loss: { passes: 1 } });
    expect(config.loss).toMatchObject({ passes: 1, alpha: 0, labelSmoothing: 0.1 });
    expect(resolved(config as TrainOptions)).toEqual(config);
  });

  it('refuses an α and a direction that are given', () => {
    expect(refused({ passes: 1, alpha: 5 })).toMatchObject({
      code: 'INVALID_CONFIG',
      message: 'train.loss.alpha: expected 0 beside passes: 1, which has no KL term, got 5',
    });
    expect(refused({ passes: 1, direction: 'bi' })).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('train.loss.direction: expected none beside passes: 1'),
    });
    expect(refused({ passes: 3 as 2 })).toMatchObject({ code: 'INVALID_CONFIG' });
  });

  it('is another run than α 0', () => {
    expect(resolved({}).loss).toMatchObject({ passes: 2, alpha: 5, klReduction: 'mean' });
    const two = fingerprint(resolved({ loss: { alpha: 0 } }));
    expect(fingerprint(resolved({ loss: { passes: 1 } }))).not.toBe(two);
    expect(fingerprint(resolved({ loss: { alpha: 0, klReduction: 'sum' } }))).not.toBe(two);
    expect(fingerprint(resolved({ loss: { alpha: 0, passes: 2, klReduction: 'mean' } }))).toBe(two);
  });
});

describe('classWeights', () => {
  it('are numbers from 0 on, one at least', () => {
    expect(resolved({ task: 'classification', loss: { classWeights: [0, 2.5] } }).loss.classWeights).toEqual([
      0, 2.5,
    ]);
    expect(refused({ classWeights: [1, -1] })).toMatchObject({ code: 'INVALID_CONFIG' });
    expect(refused({ classWeights: [] })).toMatchObject({ code: 'INVALID_CONFIG' });
  });
});
