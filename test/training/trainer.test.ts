import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Trainer } from '../../lib/training/trainer.js';
import {
  fitAll,
  makeReversalData,
  metricsOf,
  modelBytes,
  tinyOptions,
  trainAll,
  workplace,
} from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
beforeAll(async () => {
  place = await workplace();
  data = join(place.path, 'data');
  await makeReversalData(data);
});
afterAll(() => place.remove());

describe('Trainer', () => {
  it('trains', async () => {
    const run = join(place.path, 'a');
    const events = await trainAll(tinyOptions(data, run));
    console.log(events);
    console.log(
      await readdir(run),
      await readdir(join(run, 'checkpoints/last')),
      await metricsOf(run),
      await readFile(join(run, 'result.json'), 'utf8'),
      await readFile(join(run, 'environment.json'), 'utf8'),
    );
    const trainer = await Trainer.resume(run, { maxUpdates: 40 });
    console.log(await fitAll(trainer));
    trainer.dispose();
    await modelBytes(run);
  });
});
