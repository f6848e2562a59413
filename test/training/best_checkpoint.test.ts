import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

/** In the sample a loop takes every second event; the first two loops together take them all. */
const step = process.env['RDROP_TEST_LONG'] === '1' ? 1 : 2;
let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
/** A run that nothing disturbed. */
let straight: string;
let events: number;
const at = (name: string) => join(place.path, name);
const options = (run: string) => ({
  ...tinyOptions(data, run),
  maxUpdates: 10,
  logInterval: 3,
  checkpointInterval: 5,
  validation: { ...tinyOptions(data, run).validation, interval: 4 },
});

beforeAll(async () => {
  place = await workplace();
  data = at('data');
  await makeReversalData(data, { train: 60, valid: 8, test: 8 });
  straight = at('straight');
  events = (await trainAll(options(straight))).length;
});
afterAll(() => place.remove());

const timeless = ({ seconds, tokensPerSecond, validationSeconds, ...rest }: Record<string, unknown>) => rest;

async function expectSame(run: string): Promise<void> {
  for (const name of ['last', 'best']) {
    expect((await modelBytes(run, name)).equals(await modelBytes(straight, name)), name).toBe(true);
  }
  expect((await metricsOf(run)).map(timeless)).toEqual((await metricsOf(straight)).map(timeless));
  const result = async (directory: string) =>
    timeless(JSON.parse(await readFile(join(directory, 'result.json'), 'utf8')));
  expect(await result(run)).toEqual(await result(straight));
}

/** Takes so many events, then leaves the generator. */
async function leave(trainer: Trainer, count: number, how: 'break' | 'throw' | 'return'): Promise<void> {
  const running = trainer.fit();
  if (how === 'break') {
    let seen = 0;
    for await (const _ of running) if (++seen === count) break;
    return;
  }
  for (let i = 0; i < count; i++) expect((await running.next()).done).toBe(false);
  if (how === 'throw') await expect(running.throw(new Error('mine'))).rejects.toThrow('mine');
  else await running.return();
}

describe('leaving the generator', () => {
  it('at every event by break, throw or return, and fit() again, loses no checkpoint and no line', async () => {
    expect(events).toBeGreaterThan(8);
    for (let count = 1; count < events; count += step) {
      const how = (['break', 'throw', 'return'] as const)[count % 3]!;
      const run = at(`${how}${count}`);
      using trainer = await Trainer.create(options(run));
      await leave(trainer, count, how);
      await fitAll(trainer);
      trainer.dispose();
      await expectSame(run);
    }
  });

  it('at every event, and a resume, does not either', async () => {
    for (let count = step; count < events; count += step) {
      const run = at(`resumed${count}`);
      const trainer = await Trainer.create(options(run));
      await leave(trainer, count, 'return');
      trainer.dispose();
      using resumed = await Trainer.resume(run);
      await fitAll(resumed);
      resumed.dispose();
      await expectSame(run);
    }
  });
});

it('the best checkpoint that is the last as well comes back by itself', async () => {
  const run = at('copied');
  await cp(straight, run, { recursive: true });
  const best = join(run, 'checkpoints', 'best');
  const { update } = JSON.parse(await readFile(join(best, 'state.json'), 'utf8')).state;
  expect(update).toBe(10);
  await rm(best, { recursive: true });
  using resumed = await Trainer.resume(run);
  await fitAll(resumed);
  await expectSame(run);
});

describe('a checkpoint that cannot be written', () => {
  it('leaves the state as it was: fit() again validates again', async () => {
    // Before every event in turn the directory of the checkpoints cannot be written to, and afterwards it can.
    for (let count = 1; count < events; count += step) {
      const run = at(`unwritable${count}`);
      const [checkpoints, aside] = [join(run, 'checkpoints'), join(run, 'aside')];
      using trainer = await Trainer.create(options(run));
      await leave(trainer, count, 'return');
      await rename(checkpoints, aside).catch(() => {});
      await writeFile(checkpoints, '');
      await expect(fitAll(trainer)).rejects.toMatchObject({
        code: expect.stringMatching(/FILE_UNWRITABLE|FILE_UNREADABLE|CHECKPOINT/),
      });
      await rm(checkpoints);
      await rename(aside, checkpoints).catch(() => {});
      await fitAll(trainer);
      trainer.dispose();
      await expectSame(run);
    }
  });
});

describe('a best checkpoint that is not there', () => {
  it.each([
    ['gone', (best: string) => rm(best, { recursive: true })],
    [
      'another',
      async (best: string) => {
        const other = at('other');
        await trainAll({ ...options(other), maxUpdates: 2 });
        await rm(best, { recursive: true });
        await cp(join(other, 'checkpoints', 'best'), best, { recursive: true });
      },
    ],
  ] as const)('%s: the end of the run says so instead of testing another model', async (name, change) => {
    // Every BLEU is the same, so that the first checkpoint stays the best.
    const equal = { optimizer: { learningRate: 1e-9 }, validation: { interval: 4, metric: 'bleu' as const } };
    const run = at(`best-${name}`);
    const best = join(run, 'checkpoints', 'best');
    using trainer = await Trainer.create({ ...options(run), ...equal, maxUpdates: 7 });
    let changed = false;
    const ended = (async () => {
      for await (const event of trainer.fit()) {
        if (event.type === 'checkpoint' && event.update === 5 && !changed) {
          await change(best);
          changed = true;
        }
      }
    })();
    const message = expect.stringContaining(best);
    await expect(ended).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH', message });
    trainer.dispose();
    await expect(Trainer.resume(run)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH', message });
    // Whoever insists goes on without it: the next validation makes a new one.
    using resumed = await Trainer.resume(run, { maxUpdates: 9, verify: false });
    const end = (await fitAll(resumed)).at(-1);
    expect(end).toMatchObject({ type: 'end', result: { bestUpdate: 8 } });
  });
});
