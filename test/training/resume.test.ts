import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
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
/** A run that nothing ever stopped. */
let straight: string;
const at = (name: string) => join(place.path, name);
const options = (run: string) => ({
  ...tinyOptions(data, run),
  maxUpdates: 60,
  logInterval: 7,
  checkpointInterval: 5,
  batches: { maxTokens: 128, accumulate: 2 },
});

beforeAll(async () => {
  place = await workplace();
  data = at('data');
  await makeReversalData(data);
  straight = at('straight');
  await trainAll(options(straight));
});
afterAll(() => place.remove());

const timeless = ({
  seconds: _,
  tokensPerSecond: _t,
  validationSeconds: _v,
  ...rest
}: Record<string, unknown>) => rest;

/** Parameters, moments, metrics and result are those of a run that was never stopped. */
async function expectSame(run: string, whole = straight): Promise<void> {
  for (const name of ['last', 'best']) {
    expect((await modelBytes(run, name)).equals(await modelBytes(whole, name)), name).toBe(true);
    const optimizer = join('checkpoints', name, 'optimizer.safetensors');
    expect((await readFile(join(run, optimizer))).equals(await readFile(join(whole, optimizer)))).toBe(true);
  }
  expect((await metricsOf(run)).map(timeless)).toEqual((await metricsOf(whole)).map(timeless));
  const result = async (path: string) =>
    timeless(JSON.parse(await readFile(join(path, 'result.json'), 'utf8')));
  expect(await result(run)).toEqual(await result(whole));
  expect((await readdir(join(run, 'checkpoints'))).sort()).toEqual(['best', 'last']);
  expect(existsSync(join(run, 'run.lock'))).toBe(false);
}

describe('a run that was stopped', () => {
  it('by an abort at any event goes on bit for bit', async () => {
    const run = at('aborted');
    let trainer = await Trainer.create(options(run));
    let stops = 0;
    for (const wanted of [1, 3, 2, 6, 4, 1, 5, 1000]) {
      const controller = new AbortController();
      let seen = 0;
      let reason = '';
      for await (const event of trainer.fit({ signal: controller.signal })) {
        if (++seen === wanted) controller.abort();
        if (event.type === 'end') reason = event.reason;
      }
      trainer.dispose();
      if (reason !== 'aborted') break;
      stops++;
      expect(existsSync(join(run, 'result.json'))).toBe(false);
      trainer = await Trainer.resume(run);
    }
    trainer.dispose();
    expect(stops).toBeGreaterThan(3);
    await expectSame(run);
  });

  it('by SIGKILL at any time goes on bit for bit', async () => {
    const run = at('killed');
    const config = at('killed.json');
    await writeFile(config, JSON.stringify(options(run)));
    const main = join(packageRoot, 'dist', 'cli', 'main.js');
    const begin = ['train', '--run', run, '--config', config];
    const resume = ['train', '--run', run, '--resume'];
    const start = (args: string[]): ChildProcess =>
      spawn(process.execPath, [main, ...args], { stdio: 'ignore' });
    let kills = 0;
    // Pauses from the first checkpoint on that no clock divides evenly; the run ends by itself if it outlives them.
    for (const pause of [0, 37, 113, 271]) {
      const child = start(existsSync(join(run, 'config.json')) ? resume : begin);
      const exited = once(child, 'exit');
      const moving = join(run, 'metrics.jsonl');
      const before = existsSync(moving) ? (await readFile(moving)).length : 0;
      while (child.exitCode === null && !(existsSync(moving) && (await readFile(moving)).length > before)) {
        await setTimeout(3);
      }
      await setTimeout(pause);
      child.kill('SIGKILL');
      const [, signal] = await exited;
      if (signal !== 'SIGKILL') break;
      kills++;
    }
    expect(kills).toBeGreaterThan(0);
    using trainer = await Trainer.resume(run);
    await fitAll(trainer);
    trainer.dispose();
    await expectSame(run);
  });

  it('in bfloat16 goes on bit for bit: the copy of the weights is made anew', async () => {
    const narrow = (run: string) => ({ ...options(run), precision: 'bfloat16' as const, maxUpdates: 30 });
    const whole = at('narrow-whole');
    await trainAll(narrow(whole));
    const run = at('narrow');
    const trainer = await Trainer.create(narrow(run));
    for await (const event of trainer.fit()) if (event.type === 'checkpoint' && event.update === 20) break;
    trainer.dispose();
    using resumed = await Trainer.resume(run);
    await fitAll(resumed);
    resumed.dispose();
    await expectSame(run, whole);
  });

  it('between the two renames of a checkpoint has its old one back', async () => {
    const run = at('renames');
    const trainer = await Trainer.create(options(run));
    for await (const event of trainer.fit()) if (event.type === 'checkpoint' && event.update === 20) break;
    trainer.dispose();
    const last = join(run, 'checkpoints', 'last');
    await rename(last, `${last}.previous`);
    await mkdir(join(run, 'checkpoints', 'last.01234567.part'));
    await writeFile(join(run, 'checkpoints', 'last.01234567.part', 'model.safetensors'), 'half');
    // And a last line of metrics that was not finished.
    await writeFile(join(run, 'metrics.jsonl'), '{"type":"train","upda', { flag: 'a' });
    using resumed = await Trainer.resume(run);
    expect(resumed.update).toBe(20);
    await fitAll(resumed);
    resumed.dispose();
    await expectSame(run);
  });

  it('from a checkpoint of version 1 goes on as well', async () => {
    const run = at('version1');
    const trainer = await Trainer.create(options(run));
    for await (const event of trainer.fit()) if (event.type === 'checkpoint' && event.update === 20) break;
    trainer.dispose();
    const path = join(run, 'checkpoints', 'last', 'state.json');
    const { files, state } = JSON.parse(await readFile(path, 'utf8'));
    const { optimizer, ...old } = state;
    const { learningRate, skipped, ...window } = state.window;
    const body = { version: 1, files, state: { ...old, window } };
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    await writeFile(path, JSON.stringify({ ...body, sha256 }));
    using resumed = await Trainer.resume(run);
    expect(resumed.update).toBe(20);
    await fitAll(resumed);
    resumed.dispose();
    await expectSame(run);
  });

  it('before its first checkpoint begins anew', async () => {
    const run = at('young');
    const trainer = await Trainer.create(options(run));
    for await (const _ of trainer.fit()) break;
    trainer.dispose();
    using resumed = await Trainer.resume(run);
    await fitAll(resumed);
    resumed.dispose();
    await expectSame(run);
  });

  it('may be moved and made longer', async () => {
    const run = at('moved');
    const trainer = await Trainer.create({ ...options(at('here')), maxUpdates: 30 });
    await fitAll(trainer);
    trainer.dispose();
    await rename(at('here'), run);
    using resumed = await Trainer.resume(run, { maxUpdates: 60 });
    expect(resumed.update).toBe(30);
    await fitAll(resumed);
    expect((await modelBytes(run)).equals(await modelBytes(straight))).toBe(true);
  });

  it('and has ended already says so again', async () => {
    const run = at('again');
    await cp(straight, run, { recursive: true });
    using resumed = await Trainer.resume(run);
    expect((await fitAll(resumed)).map(({ type }) => type)).toEqual(['end']);
    resumed.dispose();
    await expectSame(run);
  });
});
