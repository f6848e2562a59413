import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WatchLine } from '../../lib/report/watch/messages.js';
import { MetricsTail } from '../../lib/report/watch/metrics_tail.js';
import { runProgress } from '../../lib/report/watch/run_progress.js';
import { type Watch, watch } from '../../lib/report/watch/watch.js';
import { makeReportData, makeReportRun } from '../support/report_runs.js';
import { Listener, seenAt } from '../support/watch_page.js';
import { workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let root: string;
let page: Watch;
const token = 'a-token-for-this-test';

beforeAll(async () => {
  place = await workplace();
  root = join(place.path, 'runs');
  await makeReportData(join(place.path, 'data'));
  for (const seed of [1, 2])
    await makeReportRun(join(root, 'sweep', `uni-${seed}`), join(place.path, 'data'), {
      ...{ direction: 'uni', seed, score: 30 + seed },
    });
  await writeFile(
    join(root, 'sweep', 'sweep.json'),
    JSON.stringify({ seeds: [1, 2, 3], directions: ['uni', 'bi'] }),
  );
  page = await watch(root, { token });
});
afterAll(async () => {
  await page.close();
  await place.remove();
});

/** A request as a stranger may write it. */
function ask(
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  const { hostname: host, port } = new URL(page.url);
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, path, method, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body, headers: response.headers }));
    });
    sent.on('error', reject).end();
  });
}

const made = async (name: string, files: Record<string, string>) => {
  const directory = join(root, name);
  await mkdir(directory, { recursive: true });
  const config = { seed: 7, data: '/d', maxUpdates: 100, loss: { direction: 'bi', alpha: 5 } };
  await writeFile(join(directory, 'environment.json'), '{}');
  for (const [file, text] of Object.entries({ 'config.json': JSON.stringify(config), ...files }))
    await writeFile(join(directory, file), text);
  return directory;
};
const line = (update: number) =>
  `${JSON.stringify({ type: 'train', update, epoch: 1, loss: 9 - update / 100, kl: 0.1, seconds: update, tokensPerSecond: 5 })}\n`;

describe('the server', () => {
  it('sends the page to those who know the token, by a strict policy and without a script inside', async () => {
    const { status, body, headers } = await ask(`/${token}/`);
    expect(status).toBe(200);
    expect(headers['content-security-policy']).toMatch(
      /default-src 'none'; script-src 'self'; style-src-elem 'self';/,
    );
    expect(body).not.toMatch(/<script(?![^>]* src=)|<style| on\w+=/);
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(new URL(page.url).hostname).toBe('127.0.0.1');
  });

  it.each(['/', '/wrong-token-of-16-letters/', `/${token}x/`, `/${token.slice(1)}/`, '/favicon.ico'])(
    'has nothing at %s',
    async (path) => expect((await ask(path)).status).toBe(404),
  );

  it.each(['evil.example', 'evil.example:80', '127.0.0.1', '[::1]:1', 'localhost'])(
    'refuses the host %j',
    async (host) => {
      const { status, body } = await ask(`/${token}/`, { headers: { host } });
      expect([status, body]).toEqual([403, '']);
    },
  );

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('refuses %s', async (method) => {
    expect((await ask(`/${token}/`, { method })).status).toBe(405);
  });

  it.each([
    ...[
      '../../etc/passwd',
      '%2e%2e/%2e%2e/etc/passwd',
      '..%2f..%2fetc%2fpasswd',
      'sweep/sweep.json',
      'watch.js/..',
    ],
    ...[
      'curves?run=../data',
      'details?run=%2Fetc',
      'curves?run=sweep',
      'details?run=__proto__',
      'curves',
      'echarts.js%00',
    ],
  ])('reads no file by the path %s', async (path) => {
    expect((await ask(`/${token}/${path}`)).status).toBe(404);
  });

  it('closes with its signal, connections and all', async () => {
    const controller = new AbortController();
    const other = await watch(root, { token, signal: controller.signal });
    const listener = await Listener.open(other.url);
    controller.abort();
    await other.closed;
    await expect(fetch(other.url)).rejects.toThrow();
    listener.close();
  });

  it('is found at the same address when it starts again', async () => {
    const first = await watch(root);
    await first.close();
    const second = await watch(root, { port: Number(new URL(first.url).port) });
    await second.close();
    expect(second.url).toBe(first.url);
    expect(new URL(first.url).pathname).toMatch(/^\/[\w-]{32}\/$/);
    const elsewhere = await watch(place.path);
    await elsewhere.close();
    expect(new URL(elsewhere.url).pathname).not.toBe(new URL(first.url).pathname);
  });

  it('says what is wrong with what it is given', async () => {
    await expect(watch(join(root, 'not there'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(watch(join(root, 'sweep', 'sweep.json'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(watch(root, { port: 70_000 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(watch(root, { token: 'short' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(watch(root, { prot: 1 } as never)).rejects.toThrow(/port/);
    const taken = Number(new URL(page.url).port);
    await expect(watch(root, { port: taken })).rejects.toThrow(/watch\.port: expected a free port/);
    await expect(watch(root, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('rdrop watch', () => {
  const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  /** Its status and what it prints; `seen` is told when there is something, and may end it. */
  async function command(args: string[], seen: (printed: string, child: ChildProcess) => unknown = () => {}) {
    const child = spawn(process.execPath, [program, 'watch', ...args]);
    let out = '';
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      void seen(out, child);
    });
    const status = await new Promise<number | null>((done) => child.once('close', done));
    return { status, out, err };
  }

  it('prints the address and ends by a signal, a page open or not', async () => {
    let answered = 0;
    const { status, out } = await command([root, '--json'], async (printed, child) => {
      const { url } = JSON.parse(printed) as { url: string };
      const listener = await Listener.open(url);
      answered = (await fetch(url)).status;
      child.kill('SIGINT');
      setTimeout(() => listener.close(), 5000).unref();
    });
    expect([answered, status]).toEqual([200, 130]);
    expect(out).toMatch(/^\{"url":"http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/"\}\n$/);
  });

  it('reports a directory that is not there', async () => {
    const { status, err } = await command([join(root, 'not there')]);
    expect(status).toBe(1);
    expect(err).toMatch(/^rdrop: FILE_NOT_FOUND: .*not there: no such file or directory\n$/);
  });
});

describe('what it tells', () => {
  it('the runs of a sweep with their results, and how many are planned', async () => {
    const { runs, sweeps } = await seenAt(page.url);
    const row = runs.find(({ id }) => id === 'sweep/uni-1')!;
    expect(row).toMatchObject({
      state: 'finished',
      direction: 'uni',
      seed: 1,
      testScore: 31,
      progress: 1,
      sweep: 'sweep',
    });
    expect(sweeps).toEqual([{ id: 'sweep', name: 'sweep', planned: 6 }]);
  });

  it('state by lock and result: running, failed, interrupted; a worker elsewhere', async () => {
    const [stat0, boot] = await Promise.all([
      readFile('/proc/self/stat', 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    const started = stat0.slice(stat0.lastIndexOf(')') + 2).split(' ')[19];
    const { readlinkSync } = await import('node:fs');
    const owner = {
      ...{ pid: process.pid, host: hostname(), started, boot: boot.trim() },
      ...{ pidNamespace: readlinkSync('/proc/self/ns/pid'), lease: 60_000 },
    };
    await made('states/running', { 'metrics.jsonl': line(50), 'run.lock': JSON.stringify(owner) });
    await made('states/failed', {
      'metrics.jsonl': line(50),
      'run.lock': JSON.stringify({ ...owner, started: '1' }),
    });
    await made('states/interrupted', { 'metrics.jsonl': line(50) });
    const failure = JSON.stringify({ code: 'RANK_LOST', message: 'rank 1 of 2 is lost', update: 50 });
    await made('states/error', { 'metrics.jsonl': line(50), 'failure.json': failure });
    // Its process is there, and holds what has failed.
    await made('states/error held', {
      ...{ 'metrics.jsonl': line(50), 'failure.json': failure, 'run.lock': JSON.stringify(owner) },
    });
    await made('states/ended', { 'metrics.jsonl': line(50), 'failure.json': failure, 'result.json': '{}' });
    const elsewhere = await made('states/elsewhere', {
      'worker.json': '{"worker": "one of many"}',
      'metrics.jsonl': line(1),
    });
    await rm(join(elsewhere, 'environment.json'));
    const { runs } = await seenAt(page.url);
    const of = (name: string) => runs.find(({ id }) => id === `states/${name}`)!;
    expect(of('running')).toMatchObject({
      state: 'running',
      progress: 0.5,
      secondsLeft: 50,
      worker: `process ${process.pid} on ${hostname()}`,
    });
    expect(of('running').memory).toBeGreaterThan(1 << 20);
    expect(of('failed')).toMatchObject({ state: 'failed', worker: null, memory: null });
    expect(of('interrupted')).toMatchObject({ state: 'interrupted', reason: null });
    for (const name of ['error', 'error held'])
      expect(of(name)).toMatchObject({ state: 'failed', reason: 'RANK_LOST: rank 1 of 2 is lost' });
    expect(of('ended')).toMatchObject({ state: 'finished', reason: null });
    expect(of('elsewhere')).toMatchObject({ state: 'running', worker: 'one of many' });
  });

  it('trials that successive halving has dropped, with their rung', async () => {
    const condition = (name: string) => ({ condition: name, bleu: 1, loss: 2 });
    const rungs = [
      {
        ...{ updates: 2, survivors: ['uni-alpha=1', 'uni-alpha=2'] },
        scores: ['uni-alpha=1', 'uni-alpha=2', 'uni-alpha=3', 'uni-alpha=4'].map(condition),
      },
      {
        ...{ updates: 4, survivors: ['uni-alpha=1'] },
        scores: ['uni-alpha=1', 'uni-alpha=2'].map(condition),
      },
    ];
    const plan = { seeds: [1], directions: ['uni'], grid: { 'loss.alpha': [1, 2, 3, 4] } };
    for (const [alpha, more] of [
      [1, { 'result.json': '{}' }],
      [2, {}],
      [3, {}],
      [4, { 'failure.json': '{"code": "NON_FINITE", "message": "the loss"}' }],
    ] as const)
      await made(`halved/uni-1-alpha=${alpha}`, { 'metrics.jsonl': line(2), ...more });
    await writeFile(join(root, 'halved', 'sweep.json'), JSON.stringify({ ...plan, search: 'halving:2' }));
    await writeFile(join(root, 'halved', 'rungs.json'), JSON.stringify({ version: 1, rungs }));
    const { runs } = await seenAt(page.url);
    const own = runs.filter(({ sweep }) => sweep === 'halved');
    expect(own.map(({ name, state, rung }) => [name.at(-1), state, rung]).sort()).toEqual([
      ['1', 'finished', null],
      ['2', 'dropped', 2],
      ['3', 'dropped', 1],
      ['4', 'failed', null],
    ]);
  });

  it('lines as they are appended, once, and to those who come back what they missed', async () => {
    const directory = await made('live', { 'metrics.jsonl': line(10), 'worker.json': '{"worker": "w"}' });
    const path = join(directory, 'metrics.jsonl');
    const first = await Listener.open(page.url);
    await expect.poll(() => first.of('hello').length).toBe(1);
    // A line that is written in two halves is one line.
    await appendFile(path, line(20).slice(0, 30));
    await new Promise((done) => setTimeout(done, 400));
    expect(first.of('lines')).toEqual([]);
    await appendFile(path, line(20).slice(30));
    const updates = (listener: Listener) =>
      listener
        .of('lines')
        .flatMap(({ lines }) => (lines as unknown as WatchLine[]).map(({ update }) => update));
    await expect.poll(() => updates(first), { timeout: 5000 }).toEqual([20]);
    const { id } = first.events.at(-1)!;
    first.close();
    await appendFile(path, line(30));
    const second = await Listener.open(page.url, id);
    await expect.poll(() => updates(second), { timeout: 5000 }).toContain(30);
    expect(second.of('hello')).toEqual([]);
    second.close();
    // An id of an earlier server: everything anew.
    const third = await Listener.open(page.url, '0123456789ab-3');
    await expect.poll(() => third.of('hello').length).toBe(1);
    third.close();
    const curves = (await (await fetch(`${page.url}curves?run=live`)).json()) as {
      curves: { loss: unknown };
    };
    expect(curves.curves.loss).toEqual([
      [10, 8.9],
      [20, 8.8],
      [30, 8.7],
    ]);
  });

  it('passes over what is no run, links that lead round and files that cannot be read', async () => {
    await mkdir(join(root, 'odd', 'deep'), { recursive: true });
    await symlink(root, join(root, 'odd', 'loop'));
    await made('odd/broken', { 'config.json': '{', 'metrics.jsonl': 'not json\n' });
    await made('odd/array', { 'config.json': '[1]', 'metrics.jsonl': '[]\nnull\n{"type":"train"}\n' });
    const { runs } = await seenAt(page.url);
    expect(runs.map(({ id }) => id).filter((id) => id.startsWith('odd'))).toEqual(['odd/array']);
  });
});

describe('the end of metrics.jsonl', () => {
  it('is read from where it was read to; another file begins anew', async () => {
    const path = join(place.path, 'metrics.jsonl');
    await writeFile(path, Array.from({ length: 2000 }, (_, i) => line(i)).join(''));
    const tail = new MetricsTail(path);
    const begun = await tail.read();
    expect(begun.fresh).toBe(true);
    // Of the beginning only the end: less than 32 KiB.
    expect(begun.lines.length).toBeLessThan(400);
    expect(begun.lines.at(-1)!.update).toBe(1999);
    expect((await tail.read()).lines).toEqual([]);
    await appendFile(path, `${line(2000)}${line(2001).slice(0, 20)}`);
    expect((await tail.read()).lines.map(({ update }) => update)).toEqual([2000]);
    const { generation } = tail;
    await writeFile(`${path}.new`, line(1));
    const { rename } = await import('node:fs/promises');
    await rename(`${path}.new`, path);
    expect(await tail.read()).toMatchObject({ fresh: true, lines: [{ update: 1 }] });
    expect(tail.generation).toBe(generation + 1);
    expect((await stat(path)).size).toBe(tail.size);
  });

  it('gives progress by the nearest limit', () => {
    const at = { update: 30, epoch: 2, seconds: 60 };
    const none = { maxUpdates: 0, maxEpochs: 0, maxMinutes: 0 };
    expect(runProgress(none, at, 0)).toEqual({ progress: null, secondsLeft: null });
    expect(runProgress({ ...none, maxUpdates: 40 }, at, 30)).toEqual({ progress: 0.75, secondsLeft: 30 });
    expect(runProgress({ ...none, maxUpdates: 300, maxMinutes: 2 }, at, 30).progress).toBe(0.75);
    expect(runProgress({ ...none, maxEpochs: 3 }, at, 0).progress).toBe(0.5);
  });
});
