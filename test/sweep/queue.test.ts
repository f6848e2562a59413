import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SweepEvent } from '../../lib/sweep/sweep.js';
import { QueuePlace, until } from '../support/sweeps/queue_place.js';
import { noRedis } from '../support/sweeps/redis_server.js';
import { all, names, of } from '../support/sweeps/sweeps.js';

const none = noRedis();
if (none !== null) process.stderr.write(`test/sweep/queue.test.ts is skipped: ${none}\n`);

let place: QueuePlace;
beforeAll(async () => {
  if (none === null) place = await QueuePlace.open();
});
afterEach(() => place?.clear());
afterAll(() => place?.close());

const start: QueuePlace['start'] = (extra = {}, config = {}) =>
  place.start({ seeds: [1, 2], ...extra }, config);
const work: QueuePlace['work'] = (extra = {}) => place.work({ slots: 'cpu:2x1', ...extra });
const everything = ['baseline-1', 'baseline-2', 'bi-1', 'bi-2'];
const file = (...path: string[]): string => readFileSync(place.at(...path), 'utf8');

describe.skipIf(none !== null)('a sweep on a queue', () => {
  it('comes back as run directories, with the metrics while they are made', async () => {
    await work();
    const found = await all(start());
    expect(found[0]).toMatchObject({ type: 'plan', queue: 'mine', parallel: 0 });
    expect(names(found, 'finish')).toEqual(everything);
    expect(of(found, 'start')[0]?.worker).toMatch(/cpu:[01]$/);
    expect(of(found, 'progress').filter(({ event }) => event.type === 'train').length).toBe(12);
    expect(found.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 4, failed: 0 });
    const result = JSON.parse(file('out', 'bi-2', 'result.json'));
    expect(result).toMatchObject({ seed: 2, direction: 'bi', alpha: 5, threads: 1 });
    expect(file('out', 'bi-2', 'hypotheses', 'test.en')).toBe('a translation\n');
    expect(JSON.parse(file('out', 'bi-2', 'config.json'))).toMatchObject({
      runDirectory: place.at('out', 'bi-2'),
      data: place.data,
    });
    expect(file('out', 'bi-2', 'metrics.jsonl').trim().split('\n').length).toBe(3);
    // Nothing stays on the place.server.
    expect((await place.client.keys('rdrop:files:*')).length).toBe(0);
    expect(await place.client.exists('rdrop:metrics:mine')).toBe(0);
    const again = await all(start());
    expect(of(again, 'finish').every(({ reused }) => reused)).toBe(true);
  });

  it('may be closed and called again; its trials go on', async () => {
    await place.behave(Object.fromEntries(everything.map((name) => [name, 'slow'])));
    await work({ slots: 'cpu:4x1' });
    const controller = new AbortController();
    const told: SweepEvent[] = [];
    for await (const event of start({ signal: controller.signal })) {
      told.push(event);
      if (event.type === 'progress') controller.abort();
    }
    expect(told.at(-1)).toMatchObject({ type: 'end', reason: 'aborted' });
    await until(() => place.events.filter(({ type }) => type === 'finish').length === 4);
    const found = await all(start());
    expect(names(found, 'finish')).toEqual(everything);
    expect(place.events.filter(({ type }) => type === 'take').length).toBe(4);
    expect(found.at(-1)).toMatchObject({ finished: 4 });
  });

  it('tells a failure with the end of the trial’s standard error, and tries it again in the next call', async () => {
    await place.behave({ 'bi-1': 'crash' });
    await work();
    const found = await all(start());
    const [failure] = of(found, 'fail');
    expect(failure?.error).toMatchObject({ code: 'TRIAL_FAILED' });
    expect(failure?.error.message).toMatch(/status 7[\s\S]*the fake trial dies of update 2/);
    expect(found.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 3, failed: 1 });
    await place.behave({});
    const again = await all(start());
    expect(names(again, 'start')).toEqual(['bi-1']);
    expect(JSON.parse(file('out', 'bi-1', 'result.json'))).toMatchObject({ first: 2, updates: 3 });
  });

  it('ends with the first failure when asked to, and takes the others off the queue', async () => {
    await place.behave({ 'baseline-1': 'crash', 'bi-1': 'slow' });
    await work({ slots: 'cpu:1x1' });
    await expect(all(start({ stopOnFailure: true }))).rejects.toMatchObject({ code: 'TRIAL_FAILED' });
    const queue = new Queue('trials', { connection: place.client, prefix: 'rdrop' });
    expect(await queue.getWaitingCount()).toBe(0);
    await queue.close();
  });

  it('takes an ended worker’s trials back, and another continues them where it can read them', async () => {
    await place.behave({ 'bi-1': 'slow' });
    const first = await work();
    const events1 = all(start({ seeds: [1], directions: ['bi'] }));
    await until(() =>
      existsSync(place.at('work', 'runs', 'mine', 'bi-1', 'checkpoints', 'last', 'state.json')),
    );
    await first.close();
    expect(place.events.map(({ type }) => type)).toContain('release');
    await work();
    const found = await events1;
    expect(of(found, 'start').at(-1)).toMatchObject({ resumed: true });
    expect(JSON.parse(file('out', 'bi-1', 'result.json')).first).toBeGreaterThan(1);
  });

  it('finds the data by their content, and says what a worker lacks', async () => {
    await mkdir(place.at('other'));
    await work({ dataRoot: place.at('other'), runs: place.at('w1', 'runs') });
    const told: SweepEvent[] = [];
    for await (const event of start({ seeds: [1], directions: ['bi'] })) {
      told.push(event);
      // The same files elsewhere, under another name.
      if (event.type === 'warning') await work({ runs: place.at('w2', 'runs') });
    }
    expect(of(told, 'warning')[0]).toMatchObject({ code: 'TRIAL_REFUSED' });
    expect(of(told, 'warning')[0]?.message).toContain('SHA-256');
    expect(names(told, 'finish')).toEqual(['bi-1']);
    expect(existsSync(place.at('w1', 'runs', 'mine'))).toBe(false);
  });

  it('leaves a trial to workers with its device', async () => {
    await work();
    const controller = new AbortController();
    const told: SweepEvent[] = [];
    const events1 = start({ seeds: [1], directions: ['bi'], signal: controller.signal }, { device: 'cuda' });
    for await (const event of events1) {
      told.push(event);
      if (event.type === 'warning') controller.abort();
    }
    expect(of(told, 'warning')[0]?.message).toContain('needs the device cuda');
  });

  it('uploads the best checkpoint beside the files of the run', async () => {
    await work({ upload: 'best', uploadDirectory: place.at('up') });
    await all(start({ seeds: [1], directions: ['bi'] }));
    expect(readdirSync(place.at('up', 'mine'))).toEqual(['bi-1']);
    expect(existsSync(place.at('up', 'mine', 'bi-1', 'result.json'))).toBe(true);
    expect(existsSync(place.at('up', 'mine', 'bi-1', 'checkpoints', 'last'))).toBe(false);
  });

  it('puts nothing secret into a job or a file', async () => {
    await place.client.config('SET', 'requirepass', 'swordfish');
    try {
      await expect(all(start())).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
      const queue = place.server.url.replace('//', '//:swordfish@');
      await work({ queue });
      await all(start({ queue, seeds: [1], directions: ['bi'] }));
      expect(file('out', 'sweep.json')).not.toContain('swordfish');
      for (const name of readdirSync(place.server.appendOnly)) {
        const log = await readFile(join(place.server.appendOnly, name), 'utf8');
        expect(log.includes('rdrop:trials')).toBe(
          name.endsWith('.aof') ? log.includes('rdrop:trials') : false,
        );
        expect(log.split('rdrop:trials').slice(1).join('')).not.toContain('swordfish');
      }
    } finally {
      await place.client.config('SET', 'requirepass', '');
    }
  });

  it('refuses options of the other kind of sweep', async () => {
    const refused = (extra: object, text: string) =>
      expect(all(start(extra))).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining(text),
      });
    await refused({ name: undefined }, 'sweep.name');
    await refused({ name: '../up' }, 'sweep.name');
    await refused({ slots: 'cpu:2' }, 'sweep.slots');
    await refused({ parallel: 2 }, 'sweep.parallel');
    await refused({ queue: undefined }, 'sweep.name');
    await refused({ queue: 'http://localhost' }, 'redis://');
    await refused({ queue: 'redis://u:secret@localhost/x' }, 'u:***@localhost');
  });

  it('says that the server is not there', async () => {
    const queue = 'redis://:secret@127.0.0.1:1';
    const error = await all(start({ queue })).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'QUEUE_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(error.message).not.toContain('secret');
    await expect(work({ queue })).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  });
});

describe.skipIf(none !== null)('a worker', () => {
  const put = async (job: unknown): Promise<string> => {
    const queue = new Queue('trials', { connection: place.client, prefix: 'rdrop' });
    const added = await queue.add('trial', job, { jobId: `mine.x.${Math.random()}` });
    await until(async () => (await queue.getJobState(added.id as string)) === 'failed');
    const { failedReason } = (await queue.getJob(added.id as string)) ?? {};
    await queue.close();
    return failedReason ?? '';
  };
  const job = async (): Promise<Record<string, unknown>> => {
    const controller = new AbortController();
    const events1 = all(start({ seeds: [1], directions: ['bi'], signal: controller.signal }));
    const queue = new Queue('trials', { connection: place.client, prefix: 'rdrop' });
    await until(async () => (await queue.getWaitingCount()) === 1);
    controller.abort();
    await events1;
    const [waiting] = await queue.getWaiting();
    await queue.obliterate({ force: true });
    await queue.close();
    return waiting?.data;
  };

  it('takes nothing that the schema of a training does not express', async () => {
    const good = await job();
    expect(Object.keys(good).sort()).toEqual([
      ...['config', 'data', 'direction', 'rdrop', 'seed', 'sweep', 'trial', 'version'],
    ]);
    await work();
    const config = good['config'] as Record<string, unknown>;
    for (const [what, changed, text] of [
      ['a command', { ...good, command: 'id' }, 'job.command'],
      ['a path of its own', { ...good, config: { ...config, runDirectory: '/tmp/x' } }, 'runDirectory'],
      ['data of its own', { ...good, config: { ...config, data: '/etc' } }, 'config.data'],
      ['a name that leads out', { ...good, trial: '../../x' }, 'job.trial'],
      ['a sweep that leads out', { ...good, sweep: '..' }, 'job.sweep'],
      ['an absolute name', { ...good, trial: '/tmp/x' }, 'job.trial'],
      ['a file that leads out', { ...good, data: { '../../etc/passwd': '0'.repeat(64) } }, 'job.data'],
      ['a value out of range', { ...good, config: { ...config, threads: -1 } }, 'threads'],
      ['another seed', { ...good, seed: 7 }, 'job.config.seed'],
      ['too much', { ...good, data: { 'dict.txt': 'x'.repeat(1 << 20) } }, 'TOO_LARGE'],
      ['no object', 'rm -rf /', 'job'],
    ] as const) {
      expect(await put(changed), what).toContain(text);
    }
    expect(existsSync(place.at('work', 'runs', 'mine'))).toBe(false);
    expect(place.events.some(({ type }) => type === 'take')).toBe(false);
  });

  it('ends after the idle time', async () => {
    const worker = await work({ maxIdleMinutes: 0.005 });
    await worker.ended;
  });

  it('loses a trial that the queue gave to another, and ends it before it writes', async () => {
    await place.behave({ 'bi-1': 'long' });
    await work({ slots: 'cpu:1x1' });
    const controller = new AbortController();
    const events1 = all(start({ seeds: [1], directions: ['bi'], signal: controller.signal }));
    const state = place.at('work', 'runs', 'mine', 'bi-1', 'checkpoints', 'last', 'state.json');
    await until(() => existsSync(state));
    const [lock] = await place.client.keys('rdrop:trials:*:lock');
    await place.client.set(lock as string, 'another', 'PX', 60_000);
    await until(() => place.events.some(({ type }) => type === 'lost'));
    const before = file('work', 'runs', 'mine', 'bi-1', 'checkpoints', 'last', 'state.json');
    await sleep(500);
    expect(file('work', 'runs', 'mine', 'bi-1', 'checkpoints', 'last', 'state.json')).toBe(before);
    controller.abort();
    await events1;
  });

  it('takes a trial again that ended by its own clock before the lease did here', async () => {
    await place.behave({ 'bi-1': 'alarm' });
    await work({ slots: 'cpu:1x1' });
    const found = await all(start({ seeds: [1], directions: ['bi'] }));
    expect(found.at(-1)).toMatchObject({ finished: 1, failed: 0 });
    expect(place.events.map(({ type }) => type)).toEqual(['take', 'lost', 'take', 'finish']);
  });

  it('ends a trial whose lease it could not renew in time', async () => {
    await place.behave({ 'bi-1': 'long' });
    await work({ slots: 'cpu:1x1' });
    const controller = new AbortController();
    const events1 = all(start({ seeds: [1], directions: ['bi'], signal: controller.signal }));
    await until(() => place.events.some(({ type }) => type === 'take'));
    await place.server.kill();
    try {
      await until(() => place.events.some(({ type }) => type === 'lost'));
    } finally {
      await place.server.begin();
    }
    // The server is back, and the trial is taken again.
    await until(() => place.events.filter(({ type }) => type === 'take').length > 1);
    controller.abort();
    await events1;
  });
});
