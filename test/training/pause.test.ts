import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainEvent } from '../../lib/training/train_events.js';
import { type FitOptions, Trainer } from '../../lib/training/trainer.js';
import { fitAll, makeReversalData, tinyOptions, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(join(place.path, 'data'));
});
afterAll(() => place.remove());

const options = (name: string) => tinyOptions(join(place.path, 'data'), join(place.path, name));

async function train(trainer: Trainer, how: FitOptions): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of trainer.fit(how)) events.push(event);
  return events;
}

describe('pauseAt of fit()', () => {
  it('leaves a run validated, with a checkpoint, and without a look at the test split', async () => {
    const whole = await Trainer.create(options('whole'));
    await fitAll(whole);
    whole.dispose();

    const stages = new Set<string>();
    const trainer = await Trainer.create(options('paused'));
    const onProgress = ({ stage }: { stage: string }) => void stages.add(stage);
    const events = await train(trainer, { pauseAt: 10, onProgress });
    trainer.dispose();
    expect(events.at(-1)).toEqual({
      type: 'end',
      reason: 'paused',
      update: 10,
      epoch: expect.any(Number),
      result: null,
    });
    expect(events.filter(({ type }) => type === 'validation').map(({ update }) => update)).toEqual([10]);
    expect([...stages]).not.toContain('test translation');
    const directory = join(place.path, 'paused');
    for (const file of ['result.json', 'hypotheses/test.en'])
      expect(existsSync(join(directory, file))).toBe(false);

    // Paused where it is already: nothing is trained.
    const again = await Trainer.resume(directory);
    expect(await train(again, { pauseAt: 10 })).toEqual([events.at(-1)]);
    again.dispose();

    const resumed = await Trainer.resume(directory);
    const rest = await fitAll(resumed);
    resumed.dispose();
    expect(rest.at(-1)).toMatchObject({ reason: 'maxUpdates', update: 30 });
    for (const file of ['checkpoints/last/model.safetensors', 'hypotheses/test.en']) {
      const [one, other] = await Promise.all(
        ['whole', 'paused'].map((name) => readFile(join(place.path, name, file))),
      );
      expect(one!.equals(other!)).toBe(true);
    }
  });

  it('is how a run ends that comes to a limit of its own before', async () => {
    const trainer = await Trainer.create({ ...options('short'), maxUpdates: 10 });
    const events = await train(trainer, { pauseAt: 20 });
    trainer.dispose();
    expect(events.at(-1)).toMatchObject({ reason: 'paused', update: 10, result: null });
    expect(existsSync(join(place.path, 'short', 'result.json'))).toBe(false);
  });

  it('is a number of updates', async () => {
    const trainer = await Trainer.create(options('refused'));
    for (const pauseAt of [0, 1.5, '3' as unknown as number])
      await expect(train(trainer, { pauseAt })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('fit.pauseAt'),
      });
    trainer.dispose();
  });
});
