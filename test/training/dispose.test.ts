import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainOptions } from '../../lib/options/index.js';
import type { TrainEvent } from '../../lib/training/train_events.js';
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

const long = process.env['RDROP_TEST_LONG'] === '1';
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
let straight: Buffer;
let events: TrainEvent[];
/** Files move all the time. */
const options = (run: string): TrainOptions => ({
  ...tinyOptions(data, run),
  maxUpdates: 8,
  logInterval: 2,
  checkpointInterval: 1,
  validation: { interval: 2, metric: 'bleu', beam: { beam: 2, maxLenA: 0, maxLenB: 10 } },
});
const at = (name: string) => join(place.path, name);

beforeAll(async () => {
  place = await workplace();
  data = at('data');
  await makeReversalData(data, { train: 80, valid: 16, test: 16 });
  events = await trainAll(options(at('straight')));
  straight = await modelBytes(at('straight'));
});
afterAll(() => place.remove());

const disposed = expect.objectContaining({ code: 'DISPOSED', message: expect.stringContaining('fit()') });

/** What must hold of a run that was ended at some moment and goes on. */
async function expectWhole(run: string): Promise<void> {
  expect((await modelBytes(run)).equals(straight)).toBe(true);
  const lines = await metricsOf(run);
  expect(lines.map(({ type, update }) => `${type} ${update}`)).toEqual(
    (await metricsOf(at('straight'))).map(({ type, update }) => `${type} ${update}`),
  );
  const left = [...readdirSync(run), ...readdirSync(join(run, 'checkpoints'))];
  expect(left.filter((name) => /lock|part|previous/.test(name))).toEqual([]);
}

describe('dispose() during fit()', () => {
  it('at any moment: the old one ends with a code, the new one waits for it, the run is the same', {
    timeout: 900_000,
  }, async () => {
    // Far enough apart that every kind of moment comes up: steps, validations, checkpoints, the test split. The sample is
    // five of them over a run's first 170 ms, the fourth resumed in another process.
    const moments = long ? 150 : 5;
    let interrupted = 0;
    for (let i = 0; i < moments; i++) {
      const run = at(`moment${i}`);
      const old = await Trainer.create(options(run));
      const fitting = fitAll(old).catch((error) => error);
      await sleep(long ? (i * 397) % 311 : (i * 85) % 211);
      old.dispose();
      old.dispose();
      const elsewhere = i % (long ? 10 : 5) === 3;
      if (elsewhere) {
        const args = [command, 'train', '--resume', '--run', run];
        await promisify(execFile)(process.execPath, args);
      } else {
        await using next = await Trainer.resume(run);
        // It holds the run now, and the old one does nothing any more.
        await expect(Promise.race([fitting, sleep(0, 'under way')])).resolves.not.toBe('under way');
        await fitAll(next);
      }
      const outcome = await fitting;
      if (!Array.isArray(outcome)) {
        expect(outcome).toEqual(disposed);
        interrupted++;
      }
      await expectWhole(run);
    }
    expect(interrupted).toBeGreaterThan(moments / 4);
  });

  it('at each event: the directory is free at once, and what is asked for next is DISPOSED', async () => {
    for (let which = 0; which < events.length; which += long ? 1 : 4) {
      const run = at(`event${which}`);
      const old = await Trainer.create(options(run));
      const iterator = old.fit()[Symbol.asyncIterator]();
      for (let i = 0; i <= which; i++) await iterator.next();
      old.dispose();
      expect(existsSync(join(run, 'run.lock'))).toBe(false);
      await using next = await Trainer.resume(run);
      await expect(iterator.next()).rejects.toEqual(disposed);
      await expect(iterator.next()).resolves.toEqual({ value: undefined, done: true });
      await fitAll(next);
      await next[Symbol.asyncDispose]();
      await expectWhole(run);
    }
  });

  it('can be awaited', async () => {
    const run = at('awaited');
    const trainer = await Trainer.create(options(run));
    const fitting = fitAll(trainer).catch((error) => error);
    await sleep(60);
    await trainer[Symbol.asyncDispose]();
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
    await expect(fitting).resolves.toEqual(disposed);
    await trainer[Symbol.asyncDispose]();
  });

  it('during a checkpoint and a step: the call ends, then the directory is free', async () => {
    const run = at('calls');
    await cp(at('straight'), run, { recursive: true });
    const trainer = await Trainer.resume(run);
    const call = trainer.checkpoint().catch((error) => error);
    trainer.dispose();
    await using next = await Trainer.resume(run);
    const outcome = await call;
    if (typeof outcome !== 'string') expect(outcome).toMatchObject({ code: 'DISPOSED' });
    expect(next.update).toBe(8);
    expect((await modelBytes(run)).equals(straight)).toBe(true);
  });
});

describe('a run that is taken over while it is trained', () => {
  it('ends with RUN_LOST before it writes, and the other goes on with the same bits', async () => {
    const places = events.map((_, which) => which);
    const first = (which: number) => events.findIndex(({ type }) => type === events[which]!.type) === which;
    // The sample is the first event of each kind before the end.
    const chosen = long
      ? places.slice(0, 6)
      : places.filter((which) => events[which]!.type !== 'end' && first(which));
    for (const which of chosen) {
      const run = at(`taken${which}`);
      await using old = await Trainer.create(options(run));
      const iterator = old.fit()[Symbol.asyncIterator]();
      for (let i = 0; i <= which; i++) await iterator.next();
      await expect(Trainer.resume(run)).rejects.toMatchObject({
        code: 'RUN_LOCKED',
        message: expect.stringContaining('--unlock'),
      });
      await using next = await Trainer.resume(run, { unlock: true });
      const lost = async () => {
        while (!(await iterator.next()).done);
      };
      await expect(lost()).rejects.toMatchObject({ code: 'RUN_LOST', message: expect.stringContaining(run) });
      expect(existsSync(join(run, 'run.lock'))).toBe(true);
      await expect(old.checkpoint()).rejects.toMatchObject({ code: 'RUN_LOST' });
      await old[Symbol.asyncDispose]();
      expect(existsSync(join(run, 'run.lock'))).toBe(true);
      await fitAll(next);
      await next[Symbol.asyncDispose]();
      await expectWhole(run);
    }
  });

  it('ends so too where its directory is gone, with a code', async () => {
    const run = at('removed');
    await using trainer = await Trainer.create(options(run));
    const iterator = trainer.fit()[Symbol.asyncIterator]();
    await iterator.next();
    await rm(run, { recursive: true });
    const lost = async () => {
      while (!(await iterator.next()).done);
    };
    await expect(lost()).rejects.toMatchObject({ code: 'RUN_LOST' });
    expect(existsSync(run)).toBe(false);
  });
});
