// A sweep, halving and several processes know a task by its interface alone.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SweepEvent, sweep } from '../../lib/sweep/sweep.js';
import { withoutLibrary } from '../training/distributed/library.js';
import { metricsOf, trainAll, workplace } from '../training/tiny_run.js';
import { makeTaskData, taskOptions } from './tiny_tasks.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  data = await makeTaskData(at('made'), 'classification');
}, 60_000);
afterAll(() => place.remove());

const shared = () => {
  const { seed: _s, runDirectory: _r, ...options } = taskOptions('classification', data, 'run');
  return options;
};

async function eventsOf(events: AsyncIterable<SweepEvent>): Promise<SweepEvent[]> {
  const all: SweepEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

it('a sweep trains seeds and directions of a classifier, one pass among them', async () => {
  const directory = at('sweep');
  const events = await eventsOf(
    sweep(
      { ...shared(), maxUpdates: 6, validation: { interval: 3 } },
      { directory, seeds: [1, 2], directions: ['one-pass', 'uni'], parallel: 1 },
    ),
  );
  expect(events.at(-1)).toMatchObject({ type: 'end', finished: 4, failed: 0 });
  const results = events.flatMap((event) => (event.type === 'finish' ? [event.result] : []));
  expect(results.length).toBe(4);
  for (const result of results)
    expect(result).toMatchObject({ task: 'classification', testScore: { name: 'accuracy', mode: 'max' } });
  const { loss } = JSON.parse(readFileSync(join(directory, 'one-pass-1', 'config.json'), 'utf8'));
  expect(loss).toMatchObject({ passes: 1, alpha: 0 });
}, 120_000);

it('halving keeps the condition of the better accuracy', async () => {
  const directory = at('halving');
  const events = await eventsOf(
    sweep(
      { ...shared(), maxUpdates: 40, validation: { interval: 10 } },
      {
        ...{ directory, seeds: [1], directions: ['uni'], parallel: 1, search: 'halving:2' },
        // One of them learns nothing.
        grid: { 'optimizer.learningRate': [1e-9, 2e-2] },
      },
    ),
  );
  const [rung] = events.flatMap((event) => (event.type === 'rung' ? [event] : []));
  expect(rung!.survivors).toEqual(['uni-learningRate=0.02']);
  const [best, other] = rung!.scores;
  expect(best!.score!).toBeGreaterThan(other!.score!);
  const lines = (await metricsOf(join(directory, 'uni-1-learningRate=0.02'))) as {
    update: number;
    scores?: { accuracy: number };
  }[];
  const within = lines.flatMap(({ update, scores }) => (scores && update <= 20 ? [scores.accuracy] : []));
  expect(best!.score).toBe(Math.max(...within));
}, 120_000);

it.skipIf(withoutLibrary !== null)(
  'two processes train what one trains that accumulates two batches',
  async () => {
    const options = (run: string) => ({
      ...taskOptions('classification', data, at(run)),
      batches: { maxTokens: 64 },
      maxUpdates: 8,
      validation: { interval: 4 },
      logInterval: 2,
    });
    await trainAll({ ...options('one'), batches: { maxTokens: 64, accumulate: 2 } });
    await trainAll({ ...options('two'), distributed: { processes: 2 } });
    const lines = async (run: string) => (await metricsOf(at(run))) as unknown as Line[];
    const [one, two] = [await lines('one'), await lines('two')];
    expect(two.map(({ type, update, tokens, scores }) => ({ type, update, tokens, scores }))).toEqual(
      one.map(({ type, update, tokens, scores }) => ({ type, update, tokens, scores })),
    );
    for (const [i, { loss }] of one.entries())
      expect(Math.abs(two[i]!.loss - loss)).toBeLessThanOrEqual(1e-5 * loss);
    const result = async (run: string) => JSON.parse(readFileSync(join(at(run), 'result.json'), 'utf8'));
    expect((await result('two')).scores).toEqual((await result('one')).scores);
  },
  120_000,
);

interface Line {
  type: string;
  update: number;
  tokens?: number;
  loss: number;
  scores?: Record<string, number>;
}
