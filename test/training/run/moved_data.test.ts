import { execFile } from 'node:child_process';
import { appendFile, cp, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../lib/native/binding.js';
import { sweep } from '../../../lib/sweep/sweep.js';
import { Trainer } from '../../../lib/training/trainer.js';
import { fitAll, makeReversalData, modelBytes, tinyOptions, trainAll, workplace } from '../tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
/** A run of 4 updates whose data were moved since, and one of 8 that nothing disturbed. */
let half: string;
let whole: string;
const at = (name: string) => join(place.path, name);
const options = (run: string) => ({ ...tinyOptions(at('data'), run), maxUpdates: 4, logInterval: 2 });

beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'), { train: 40, valid: 6, test: 6 });
  half = at('half');
  whole = at('whole');
  await trainAll(options(half));
  await trainAll({ ...options(whole), maxUpdates: 8 });
  await cp(at('data'), at('other'), { recursive: true });
  await appendFile(join(at('other'), 'raw', 'test.en'), 'w1\n');
  await rename(at('data'), at('moved'));
});
afterAll(() => place.remove());

let copies = 0;
async function copyOfHalf(): Promise<string> {
  const run = at(`copy${copies++}`);
  await cp(half, run, { recursive: true });
  return run;
}

const rdrop = (...args: string[]) =>
  new Promise<{ status: number; err: string }>((done) => {
    execFile(process.execPath, [join(packageRoot, 'dist', 'cli', 'main.js'), ...args], (error, _, err) =>
      done({ status: error === null ? 0 : Number(error.code), err }),
    );
  });

describe('a run whose data were moved', () => {
  it('says where they were, and goes on where they are', async () => {
    const run = await copyOfHalf();
    await expect(Trainer.resume(run)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringMatching(/data: the run's prepared data are not there.*--data/),
    });
    using trainer = await Trainer.resume(run, { data: at('moved'), maxUpdates: 8 });
    await fitAll(trainer);
    trainer.dispose();
    expect((await modelBytes(run)).equals(await modelBytes(whole))).toBe(true);
    // It remembers them.
    expect(JSON.parse(await readFile(join(run, 'config.json'), 'utf8')).data).toBe(at('moved'));
    (await Trainer.resume(run)).dispose();
  });

  it('refuses others, by the name of the file that differs', async () => {
    const run = await copyOfHalf();
    await expect(Trainer.resume(run, { data: at('other') })).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining('raw/test.en'),
    });
    expect(JSON.parse(await readFile(join(run, 'config.json'), 'utf8')).data).toBe(at('data'));
  });

  it('is a trial of a sweep that goes on', async () => {
    const { runDirectory: _, seed: _s, ...shared } = options('');
    const plan = { directory: at('sweep'), seeds: [1], directions: ['uni' as const], parallel: 1 };
    await rename(at('moved'), at('data'));
    for await (const event of sweep(shared, plan)) if (event.type === 'progress') break;
    await rename(at('data'), at('moved'));
    const events = [];
    for await (const event of sweep({ ...shared, data: at('moved') }, plan)) events.push(event);
    expect(events.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 1, failed: 0 });
  });
});

describe('rdrop train --resume', () => {
  it.each([
    ['--set maxUpdates', ['--data', '@moved@', '--set', 'maxUpdates=8']],
    ['--set data', ['--set', 'data=@moved@', '--max-updates', '8']],
  ])('takes %s', async (_, args) => {
    const run = await copyOfHalf();
    const { status, err } = await rdrop('train', '--resume', '--run', run, ...args.map(fill));
    expect({ status, err }).toMatchObject({ status: 0 });
    expect((await modelBytes(run)).equals(await modelBytes(whole))).toBe(true);
  });

  it('refuses what may not change by its name', async () => {
    const run = await copyOfHalf();
    const args = ['--set', 'loss.alpha=1', '--set', 'maxUpdates=9', '--seed', '4', '--preset', 'tiny'];
    const { status, err } = await rdrop('train', '--resume', '--run', run, ...args);
    expect(status).toBe(1);
    expect(err).toMatch(
      /INVALID_ARGUMENT.*only maxUpdates, maxEpochs, maxMinutes, data, distributed, tensorboard can be given anew, got --preset, seed, loss\.alpha\n/,
    );
    const bad = await rdrop('train', '--resume', '--run', run, '--set', 'maxUpdates=many');
    expect(bad.err).toMatch(/INVALID_ARGUMENT.*maxUpdates/);
    expect((await rdrop('train', '--resume', '--run', run, '--set', 'maxUpdates')).err).toMatch(
      /--set: expected/,
    );
  });
});

/** A path that is known when the test runs. */
const fill = (arg: string): string => arg.replace(/@(\w+)@/, (_, name: string) => at(name));
