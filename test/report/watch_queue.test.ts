import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { watchCommand } from '../../lib/cli/watch.js';
import type { RunDetails } from '../../lib/report/watch/messages.js';
import { type Watch, watch } from '../../lib/report/watch/watch.js';
import { QueuePlace, until } from '../support/sweeps/queue_place.js';
import { noRedis } from '../support/sweeps/redis_server.js';
import { seenAt } from '../support/watch_page.js';

const none = noRedis();
if (none !== null) process.stderr.write(`test/report/watch_queue.test.ts is skipped: ${none}\n`);

let place: QueuePlace;
let page: Watch | undefined;
beforeAll(async () => {
  if (none === null) place = await QueuePlace.open();
});
afterEach(async () => {
  await page?.close();
  page = undefined;
  await place?.clear();
});
afterAll(() => place?.close());

const token = 'a-token-for-this-test';
const open = async (queue = place.server.url): Promise<Watch> => {
  page = await watch({ queue, name: 'mine' }, { token });
  return page;
};

const seen = () => seenAt(page?.url ?? '');
const states = async () =>
  Object.fromEntries((await seen()).runs.map(({ id, state }) => [id.replace('mine/', ''), state]));
const row = async (trial: string) => (await seen()).runs.find(({ id }) => id === `mine/${trial}`);
const all = (state: string) => async () => {
  const found = Object.values(await states());
  return found.length === 2 && found.every((each) => each === state);
};

describe.skipIf(none !== null)('the live page of a queue', () => {
  it('shows which trials wait, run and are finished, with their curves, and keeps those that were fetched', async () => {
    await place.behave({ 'baseline-1': 'long', 'bi-1': 'long' });
    await open();
    expect(await seen()).toEqual({ runs: [], sweeps: [{ id: 'mine', name: 'mine', planned: 0 }] });
    const done = place.sweep();
    await until(all('waiting'));
    expect(await row('bi-1')).toMatchObject({
      direction: 'bi',
      seed: 1,
      alpha: 5,
      worker: null,
      progress: 0,
    });

    const worker = await place.work();
    const running = async () => (await seen()).runs.filter(({ state }) => state === 'running');
    await until(async () => ((await running())[0]?.update ?? 0) > 3);
    const { runs, sweeps } = await seen();
    expect(runs.map(({ state }) => state).sort()).toEqual(['running', 'waiting']);
    expect(sweeps).toEqual([{ id: 'mine', name: 'mine', planned: 2 }]);
    const [first] = await running();
    expect(first?.worker).toBe(`${worker.name} cpu:0`);

    await place.behave({});
    await worker.close();
    await until(all('waiting'));
    await place.work();
    await done;
    await until(all('finished'));
    // The jobs are gone, what was streamed stays.
    expect((await place.client.keys('rdrop:trials:mine.*')).length).toBe(0);
    const [, trial = ''] = first?.id.split('/') ?? [];
    const result = JSON.parse(await place.read('out', trial, 'result.json'));
    expect(await row(trial)).toMatchObject({ update: result.updates, progress: 1, worker: null });
    const answer = await fetch(`${page?.url}details?run=mine%2F${trial}`);
    const { directory, log } = (await answer.json()) as RunDetails;
    expect(directory).toBe(`${place.server.url} mine: ${trial}`);
    const lines = (await place.read('out', trial, 'metrics.jsonl')).trim().split('\n');
    expect(log.map(({ update }) => update)).toEqual(lines.slice(-30).map((line) => JSON.parse(line).update));
  });

  it('shows trials that were done before it began, by the events of the queue', async () => {
    await place.work();
    await place.sweep();
    await open();
    expect(await states()).toEqual({ 'baseline-1': 'finished', 'bi-1': 'finished' });
    expect(await row('bi-1')).toMatchObject({ direction: 'bi', seed: 1, update: 3 });
  });

  it('says why a trial failed, and why one waits', async () => {
    await place.behave({ 'bi-1': 'crash' });
    await open();
    await place.work();
    await place.sweep();
    await until(async () => (await row('bi-1'))?.state === 'failed');
    expect((await row('bi-1'))?.reason).toMatch(/status 7[\s\S]*the fake trial dies of update 2/);
    await page?.close();
    // By the sweep's own directory as well.
    page = await watch(place.at('out'), { token });
    const failed = (await seen()).runs.find(({ id }) => id === 'bi-1');
    expect(failed).toMatchObject({ state: 'failed', worker: null });
    expect(failed?.reason).toMatch(/status 7/);
    await page.close();
    await open();
    expect((await row('bi-1'))?.state).toBe('failed');
    await place.clear();
    await until(async () => Object.keys(await states()).every((trial) => trial === 'baseline-1'));

    const controller = new AbortController();
    await place.work();
    const done = place.sweep({ directions: ['bi'], signal: controller.signal }, { device: 'cuda' });
    await until(async () => (await row('bi-1'))?.reason?.includes('needs the device cuda') ?? false);
    expect((await row('bi-1'))?.state).toBe('waiting');
    controller.abort();
    await done;
  });

  it('changes nothing on the server, shows no password and leaves no file', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('rdrop-watch-'));
    await place.client.config('SET', 'requirepass', 'swordfish');
    try {
      const served = await open(place.server.url.replace('//', '//:swordfish@'));
      expect(await place.client.dbsize()).toBe(0);
      const text = await (await fetch(served.url)).text();
      expect(text).toContain(`:***@127.0.0.1:${place.server.port}/0 mine</h1>`);
      expect(text).not.toContain('swordfish');
      await served.close();
    } finally {
      await place.client.config('SET', 'requirepass', '');
    }
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('rdrop-watch-'))).toEqual(before);
  });

  it('goes on when the server was away', async () => {
    await open();
    await place.server.kill();
    await place.server.begin();
    const done = place.sweep();
    await until(all('waiting'));
    await place.work();
    await done;
    await until(all('finished'));
  });

  it('takes no job of another sweep and none that is not what a sweep puts there', async () => {
    const { Queue } = await import('bullmq');
    const queue = new Queue('trials', { connection: place.client, prefix: 'rdrop' });
    for (const [id, trial] of [
      ['mine.x', '../../x'],
      ['mine.bi-1.y', 'bi-1'],
    ] as const)
      await queue.add('trial', { sweep: 'mine', trial }, { jobId: id });
    await queue.close();
    const controller = new AbortController();
    // Its ids begin as those of `mine` do.
    const done = place.sweep({ name: 'mine.other', signal: controller.signal });
    await until(async () => (await place.client.keys('rdrop:trials:mine.other.*')).length === 2);
    await open();
    expect((await seen()).runs).toEqual([]);
    controller.abort();
    await done;
  });

  it('says what is wrong with what it is given', async () => {
    const queue = 'redis://:secret@127.0.0.1:1';
    await expect(watch({ queue, name: 'mine' })).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await expect(watch({ queue, name: '../up' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(watch({ queue } as never)).rejects.toThrow(/watch\.name/);
    await expect(watch(null as never)).rejects.toThrow(/expected a directory or a queue, got null/);
    for (const args of [
      [],
      ['runs', '--queue', queue, '--name', 'mine'],
      ['--queue', queue],
      ['runs', '--name', 'mine'],
    ]) {
      const command = watchCommand().exitOverride();
      await expect(command.parseAsync(args, { from: 'user' })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
  });
});
