// Trials of a queue that begin with another run: its path is the planning machine's, its parameters are found on the worker's.
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashInit } from '../../lib/training/init.js';
import { packageRoot } from '../../lib/util/package_root.js';
import { QueuePlace, until } from '../support/sweeps/queue_place.js';
import { noRedis } from '../support/sweeps/redis_server.js';
import { of, prepareTinyDemo, tinyTraining } from '../support/sweeps/sweeps.js';
import { modelBytes, trainAll } from '../training/tiny_run.js';

const none = noRedis();
if (none !== null) process.stderr.write(`test/sweep/queue_init.test.ts is skipped: ${none}\n`);
/** The program of real trials. */
const entry = `${packageRoot}/dist/sweep/trial.js`;

let place: QueuePlace;
beforeAll(async () => {
  if (none !== null) return;
  place = await QueuePlace.open();
  await prepareTinyDemo(place.at('text'), place.at('prepared', 'demo'));
});
afterAll(() => place?.close());

const training = (updates: number, more: object = {}) =>
  tinyTraining(place.at('prepared', 'demo'), updates, {
    ...{ logInterval: 5, validation: { interval: 50, metric: 'loss' } },
    ...more,
  });
const config = (...path: string[]) => JSON.parse(readFileSync(place.at(...path, 'config.json'), 'utf8'));

describe.skipIf(none !== null)('a trial of a queue that begins with a run', () => {
  it('waits for a worker that has its parameters, and begins with those', async () => {
    const init = place.at('planned', 'begin');
    await trainAll({ ...training(6), seed: 7, runDirectory: init });
    await trainAll({ ...training(3), seed: 8, runDirectory: place.at('prepared', 'models', 'other') });
    const [wanted, there] = [
      await hashInit(init, true),
      await hashInit(place.at('prepared', 'models', 'other'), true),
    ];
    expect(Object.keys(wanted)).toEqual(['model.safetensors', 'dict.txt']);
    await place.work({ entry, lease: 10 });
    const done = place.sweep({ directions: ['bi'] }, training(5, { init }));
    await until(() => place.events.some(({ type }) => type === 'refuse'));
    const refused = place.events.find(({ type }) => type === 'refuse') as { message: string };
    expect(refused.message).toContain(`no run below ${place.at('prepared')} or ${place.at('work', 'runs')}`);
    for (const { 'model.safetensors': hash } of [wanted, there])
      expect(refused.message).toContain(`${hash?.slice(0, 12)}…`);
    expect(refused.message).toContain(`${place.at('prepared', 'models', 'other')} has`);
    // Found as soon as it is whole: the parameters come last.
    const moved = place.at('prepared', 'models', 'moved');
    const parameters = ['checkpoints', 'best', 'model.safetensors'];
    cpSync(init, moved, { recursive: true, filter: (path) => !path.endsWith('model.safetensors') });
    await until(() => place.events.some((event) => JSON.stringify(event).includes('incomplete')));
    expect(place.events.every(({ type }) => type === 'refuse')).toBe(true);
    cpSync(join(init, ...parameters), join(moved, ...parameters));
    const events = await done;
    expect(of(events, 'fail').map(({ error }) => error.message)).toEqual([]);
    expect(of(events, 'warning').map(({ code }) => code)).toContain('TRIAL_REFUSED');
    expect(events.at(-1)).toMatchObject({ type: 'end', finished: 1, failed: 0 });
    const run = ['work', 'runs', 'mine', 'bi-1'];
    expect(config(...run).init).toBe(moved);
    expect(config('out', 'bi-1').init).toBe(init);
    expect(JSON.parse(await place.read('out', 'bi-1', 'environment.json')).init).toEqual(wanted);
    expect(of(events, 'warning').map(({ code }) => code)).not.toContain('INIT_PARTIAL');
    // The same training here, from the run where it was planned.
    const own = place.at('own');
    const { loss } = config('out', 'bi-1');
    await trainAll({ ...training(5, { init }), seed: 1, loss, runDirectory: own });
    expect((await modelBytes(own)).equals(await modelBytes(place.at(...run)))).toBe(true);
    // Called again, it is known.
    const again = await place.sweep({ directions: ['bi'] }, training(5, { init }));
    expect(of(again, 'finish')).toMatchObject([{ reused: true }]);
  }, 240_000);

  it('says at the sweep which parameters it did not take', async () => {
    await place.clear();
    const init = place.at('prepared', 'models', 'other');
    await place.work({ entry, lease: 10 });
    const narrower = { model: { ...training(3).model, ffnDim: 24 } };
    const events = await place.sweep(
      { directions: ['bi'], seeds: [1, 2] },
      training(3, { init, ...narrower }),
    );
    expect(events.at(-1)).toMatchObject({ type: 'end', finished: 2, failed: 0 });
    const warnings = of(events, 'warning').filter(({ code }) => code === 'INIT_PARTIAL');
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/parameters are those of .*fc1/s),
    ]);
  }, 120_000);

  it('does not take what began with others', async () => {
    await place.clear();
    const init = place.at('prepared', 'models', 'other');
    // It trains nothing, and says nothing of parameters.
    await place.work();
    const events = await place.sweep({ directions: ['bi'] }, { data: place.data, init });
    expect(of(events, 'fail')[0]?.error).toMatchObject({
      code: 'TRIAL_FAILED',
      message: expect.stringMatching(/of another run, it differs in the parameters that it began with$/),
    });
  });

  it('is not planned with a run that is not there', async () => {
    await place.clear();
    await expect(place.sweep({}, { init: place.at('nowhere') })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining('nowhere/config.json'),
    });
  });
});
