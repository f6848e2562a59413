import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainProgress } from '../../lib/training/stages.js';
import { Trainer } from '../../lib/training/trainer.js';
import { durationText, TimeLeft } from '../../lib/util/async/time_left.js';
import { makeReversalData, tinyOptions, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(join(place.path, 'data'));
});
afterAll(() => place.remove());

describe('the progress of a run', () => {
  it('reports every stage from reading to scoring, and the loss from the first update on', async () => {
    const heard: TrainProgress[] = [];
    const onProgress = (progress: TrainProgress) => heard.push(progress);
    const options = tinyOptions(join(place.path, 'data'), join(place.path, 'run'));
    const config = {
      ...options,
      logInterval: 100,
      validation: { ...options.validation, metric: 'bleu' as const },
    };
    using trainer = await Trainer.create(config, { onProgress });
    expect(heard.map(({ stage }) => stage)).toContain('reading data');
    const types: string[] = [];
    for await (const { type } of trainer.fit({ onProgress })) types.push(type);
    // Listeners apart, the events are as they were.
    expect(new Set(types)).toEqual(new Set(['train', 'validation', 'checkpoint', 'end']));
    expect(new Set(heard.map(({ stage }) => stage))).toEqual(
      new Set([
        'reading data',
        'training',
        'validation loss',
        'validation translation',
        'test translation',
        'test scores',
      ]),
    );
    const first = heard.find(({ stage }) => stage === 'training');
    expect(first).toMatchObject({
      type: 'progress',
      update: 1,
      total: 1,
      loss: expect.any(Number),
      kl: expect.any(Number),
    });
    expect(first?.done).toBeCloseTo(1 / 30, 9);
    for (const stage of ['validation loss', 'validation translation', 'test translation', 'test scores']) {
      const last = heard.findLast((progress) => progress.stage === stage);
      expect(last?.done).toBe(last?.total);
      expect(last?.total).toBeGreaterThan(0);
    }
  });
});

describe('the time left', () => {
  it('goes by what was done since the work began', () => {
    const left = new TimeLeft(0.5, 1000);
    expect(left.seconds(0.5, 2000)).toBeNull();
    expect(left.seconds(0.75, 11_000)).toBeCloseTo(10, 9);
    expect(left.seconds(1, 21_000)).toBe(0);
  });

  it.each([
    [null, '-'],
    [Number.POSITIVE_INFINITY, '-'],
    [59.4, '59 s'],
    [60, '1 min 00 s'],
    [3599, '59 min 59 s'],
    [3660, '1 h 01 min'],
  ])('%s s is %s', (seconds, text) => expect(durationText(seconds)).toBe(text));
});
