import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SweepOptions } from '../../lib/options/index.js';
import { type SweepEvent, sweep } from '../../lib/sweep/sweep.js';
import { all, fakeTrial, names, of, writeFakeData } from '../support/sweeps/sweeps.js';

let root: string;
let data: string;
let directory: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rdrop-sweep-'));
  data = join(root, 'data');
  directory = join(root, 'sweep');
  await writeFakeData(data);
});
afterEach(() => rm(root, { recursive: true, force: true }));

type Extra = Partial<SweepOptions> & { signal?: AbortSignal };
const start = (extra: Extra = {}, config: object = {}): AsyncGenerator<SweepEvent> =>
  sweep(
    { data, maxUpdates: 3, ...config },
    {
      directory,
      seeds: [1, 2],
      directions: ['baseline', 'bi'],
      parallel: 2,
      trialEntry: fakeTrial,
      ...extra,
    },
  );
const everything = ['baseline-1', 'baseline-2', 'bi-1', 'bi-2'];
const behave = (behavior: Record<string, string>): Promise<void> =>
  writeFile(join(root, 'behavior.json'), JSON.stringify(behavior));
const result = async (name: string) =>
  JSON.parse(await readFile(join(directory, name, 'result.json'), 'utf8')) as Record<string, unknown>;

describe('a sweep', () => {
  it('trains every seed with every direction in a directory of its own', async () => {
    const events = await all(start());
    expect(events[0]?.type).toBe('plan');
    expect(names(events, 'finish')).toEqual(everything);
    expect(of(events, 'progress').length).toBe(12);
    expect(events.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 4, failed: 0 });
    expect((await readdir(directory)).sort()).toEqual([...everything, 'sweep.json']);
    expect(await result('baseline-1')).toMatchObject({ seed: 1, alpha: 0, direction: 'uni' });
    expect(await result('bi-2')).toMatchObject({ seed: 2, alpha: 5, direction: 'bi' });
  });

  it('says before the first trial what its comparison cannot reach, further seeds of the plan counted in', async () => {
    const [plan] = of(await all(start()), 'plan');
    expect(plan?.planned).toMatchObject({ seeds: 2, pairs: 1, minimumPValue: { signedRank: 0.5 } });
    expect(plan?.planned.minimumPValue?.rankSum).toBeCloseTo(1 / 3, 12);
    expect(plan?.planned.notes).toEqual([expect.stringMatching(/^with 2 seeds the rank-sum test .*0\.333/)]);
    const [more] = of(await all(start({ seeds: [3], directions: ['uni'] })), 'plan');
    expect(more?.planned).toMatchObject({ seeds: 3, pairs: 3 });
  });

  it('reuses finished trials and leaves their files alone', async () => {
    await all(start());
    const before = await stat(join(directory, 'bi-1', 'result.json'));
    const events = await all(start());
    expect(names(events, 'start')).toEqual([]);
    expect(of(events, 'finish').every((event) => event.reused)).toBe(true);
    expect((await stat(join(directory, 'bi-1', 'result.json'))).mtimeMs).toBe(before.mtimeMs);
  });

  it('runs no more trials at once than it may, and splits the cores between them', async () => {
    const one = await all(start({ parallel: 1 }, { threads: 0 }));
    let running = 0;
    for (const { type } of one) {
      if (type === 'start') running += 1;
      if (type === 'finish') running -= 1;
      expect(running).toBeLessThanOrEqual(1);
    }
    const threads = (await result('bi-1'))['threads'] as number;
    await rm(directory, { recursive: true });
    await all(start({ parallel: 4 }, { threads: 0 }));
    expect((await result('bi-1'))['threads']).toBe(Math.max(1, Math.floor(threads / 4)));
  });

  it('reports a failure with the end of its standard error and goes on with the others', async () => {
    await behave({ 'bi-1': 'crash', 'baseline-2': 'error', 'bi-2': 'hard' });
    const events = await all(start());
    expect(names(events, 'finish')).toEqual(['baseline-1']);
    const messages = new Map(of(events, 'fail').map(({ trial, error }) => [trial.name, error]));
    expect([...messages.values()].map(({ code }) => code)).toEqual(Array(3).fill('TRIAL_FAILED'));
    expect(messages.get('bi-1')?.message).toMatch(/status 7[\s\S]*the fake trial dies of update 2/);
    expect(messages.get('baseline-2')?.message).toContain('NON_FINITE: row 3 of the logits');
    expect(messages.get('bi-2')?.message).toContain('SIGKILL');
    expect(events.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 1, failed: 3 });

    await behave({});
    const again = await all(start());
    expect(of(again, 'start').map(({ trial, resumed }) => [trial.name, resumed])).toContainEqual([
      'bi-1',
      true,
    ]);
    expect(again.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 4, failed: 0 });
    expect(await result('bi-1')).toMatchObject({ first: 2, updates: 3 });
  });

  it('ends with the first failure when asked to', async () => {
    await behave({ 'baseline-1': 'crash' });
    const events: SweepEvent[] = [];
    const run = async () => {
      for await (const event of start({ parallel: 1, stopOnFailure: true })) events.push(event);
    };
    await expect(run()).rejects.toMatchObject({ code: 'TRIAL_FAILED' });
    expect(names(events, 'start')).toEqual(['baseline-1']);
  });

  it('takes up a trial that ended before its first checkpoint', async () => {
    await behave({ 'baseline-1': 'early' });
    const controller = new AbortController();
    const told: SweepEvent[] = [];
    for await (const event of start({ parallel: 1, signal: controller.signal })) {
      told.push(event);
      if (event.type === 'progress') controller.abort();
    }
    expect(told.at(-1)).toEqual({ type: 'end', reason: 'aborted', finished: 0, failed: 0 });
    expect(existsSync(join(directory, 'baseline-1', 'config.json'))).toBe(true);
    await behave({});
    const events = await all(start());
    expect(of(events, 'finish').length).toBe(4);
    expect(await result('baseline-1')).toMatchObject({ first: 1, updates: 3 });
  });

  it('ends as fit() does when it is aborted: an event, no error, and no process left', async () => {
    await behave(Object.fromEntries(everything.map((name) => [name, 'slow'])));
    for (const parallel of [1, 2]) {
      const controller = new AbortController();
      const told: SweepEvent[] = [];
      for await (const event of start({ parallel, signal: controller.signal })) {
        told.push(event);
        if (event.type === 'progress') controller.abort();
      }
      expect(told.at(-1)).toMatchObject({ type: 'end', reason: 'aborted', failed: 0 });
      expect(of(told, 'fail')).toEqual([]);
      // A trial that is still alive would go on writing its state.
      const states = async () =>
        Promise.all(
          names(told, 'start').map((name) =>
            readFile(join(directory, name, 'checkpoints', 'last', 'state.json'), 'utf8').catch(() => ''),
          ),
        );
      const before = await states();
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(await states()).toEqual(before);
    }
    await behave({});
    expect((await all(start())).at(-1)).toMatchObject({ reason: 'finished', finished: 4 });
  });

  it('sees a signal that was aborted before the call, and touches nothing', async () => {
    const told = await all(start({ signal: AbortSignal.abort() }));
    expect(told).toEqual([{ type: 'end', reason: 'aborted', finished: 0, failed: 0 }]);
    expect(existsSync(directory)).toBe(false);
    await expect(all(start({ seeds: [], signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    });
  });

  it('leaves every trial resumable when it is aborted, or its loop is left', async () => {
    await behave(Object.fromEntries(everything.map((name) => [name, 'slow'])));
    for await (const event of start()) if (event.type === 'progress') break;
    expect(existsSync(join(directory, 'baseline-1', 'result.json'))).toBe(false);
    await behave({});
    const events = await all(start());
    expect(of(events, 'start').filter(({ resumed }) => resumed).length).toBeGreaterThanOrEqual(1);
    expect(names(events, 'finish')).toEqual(everything);
  });

  it('refuses the directory of another sweep, and takes further seeds', async () => {
    await all(start());
    await expect(all(start({}, { optimizer: { learningRate: 1 } }))).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: expect.stringContaining('config.optimizer.learningRate'),
    });
    await writeFile(join(data, 'dict.txt'), 'b 1\n');
    await expect(all(start())).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: expect.stringContaining('data directory'),
    });
    await writeFile(join(data, 'dict.txt'), 'a 1\n');
    const events = await all(start({ seeds: [2, 3] }));
    expect(names(events, 'start')).toEqual(['baseline-3', 'bi-3']);
    const plan = JSON.parse(await readFile(join(directory, 'sweep.json'), 'utf8')) as { seeds: number[] };
    expect(plan.seeds).toEqual([1, 2, 3]);
  });

  it('goes on with a plan from before an option existed', async () => {
    await all(start());
    const path = join(directory, 'sweep.json');
    const plan = JSON.parse(await readFile(path, 'utf8')) as { config: { loss: Record<string, unknown> } };
    expect(plan.config.loss['smoothing']).toBe('dropreg');
    delete plan.config.loss['smoothing'];
    await writeFile(path, JSON.stringify(plan));
    expect(names(await all(start()), 'start')).toEqual([]);
    await expect(all(start({}, { loss: { smoothing: 'fairseq' } }))).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: expect.stringContaining('config.loss.smoothing'),
    });
  });

  it('refuses options that make no sense', async () => {
    const refused = async (extra: object, config: object, text: string) =>
      expect(all(start(extra, config))).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining(text),
      });
    await refused({ seeds: [1, 1] }, {}, 'sweep.seeds');
    await refused({ seeds: [] }, {}, 'sweep.seeds');
    await refused({ directions: ['both'] }, {}, 'sweep.directions');
    await refused({ color: 'red' }, {}, 'color');
    await refused({}, { loss: { alpha: 0 } }, 'config.loss.alpha');
    await refused({}, { learningRate: 1 }, 'learningRate');
    expect(existsSync(directory)).toBe(false);
  });
});
