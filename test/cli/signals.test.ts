import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { Trainer } from '../../lib/training/trainer.js';
import { fitAll, makeReversalData, tinyOptions, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'));
  const { data: _d, runDirectory: _r, seed: _s, ...options } = tinyOptions('', '');
  await writeFile(at('config.json'), JSON.stringify({ ...options, maxUpdates: 1_000_000 }));
  using trainer = await Trainer.create({ ...tinyOptions(at('data'), at('run')), maxUpdates: 10 });
  await fitAll(trainer);
  const lines = Array.from({ length: 400 }, (_, i) => `a b c d e f g h ${i % 7} ${i % 11}`).join('\n');
  await writeFile(at('hyp'), `${lines}\n`);
  await writeFile(at('ref'), `${lines.replaceAll(' 3 ', ' 4 ')}\n`);
});
afterAll(() => place.remove());

interface Started {
  child: ChildProcess;
  ended: Promise<number | null>;
  errors: () => string;
  output: () => string;
}
const start = (...args: string[]): Started => startWith({}, ...args);
function startWith(env: Record<string, string>, ...args: string[]): Started {
  const child = spawn(process.execPath, [join(packageRoot, 'dist/cli/main.js'), ...args], {
    stdio: 'pipe',
    env: { ...process.env, ...env },
  });
  let errors = '';
  let output = '';
  child.stderr?.on('data', (text) => {
    errors += String(text);
  });
  child.stdout?.on('data', (text) => {
    output += String(text);
  });
  const ended = once(child, 'close').then(([status]) => status as number | null);
  return { child, ended, errors: () => errors, output: () => output };
}
/** Waits until a command is at work. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600 && !(await condition()); i++) await sleep(50);
}

/** Seconds that a command has computed, which say on a busy machine what time does not; null where /proc tells nothing, or no more. */
async function computedBy({ child }: Started): Promise<number | null> {
  const text = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  const fields = text.replace(/^.*\) /s, '').split(' ');
  // User and system time in ticks, of which Linux shows a hundred a second.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Waits until a command has computed for so many seconds. Where /proc tells nothing, it is a pause. */
async function untilComputed(started: Started, seconds: number): Promise<void> {
  if ((await computedBy(started)) === null) return sleep(seconds * 2000);
  await until(async () => ((await computedBy(started)) ?? seconds) >= seconds);
}

/** Milliseconds that the threads of a command have waited for a processor, each by number; none where /proc tells nothing. */
async function waitedBy({ child }: Started): Promise<Map<string, number>> {
  const tasks = `/proc/${child.pid}/task`;
  const waited = new Map<string, number>();
  for (const thread of await readdir(tasks).catch(() => [])) {
    const text = await readFile(`${tasks}/${thread}/schedstat`, 'utf8').catch(() => '');
    if (text !== '') waited.set(thread, Number(text.split(' ')[1]) / 1e6);
  }
  return waited;
}

/** Interrupts a command: the status it ends with, and the milliseconds until then, without those that a busy machine let it wait. */
async function interrupted(started: Started): Promise<{ status: number | null; milliseconds: number }> {
  let ended: number | undefined;
  const done = started.ended.then(() => {
    ended = Date.now();
  });
  const before = await waitedBy(started);
  const begun = Date.now();
  started.child.kill('SIGINT');
  const waited = new Map(before);
  while (ended === undefined) {
    for (const [thread, sum] of await waitedBy(started)) waited.set(thread, sum);
    await Promise.race([done, sleep(10)]);
  }
  let away = 0;
  for (const [thread, sum] of waited) away = Math.max(away, sum - (before.get(thread) ?? 0));
  return { status: await started.ended, milliseconds: ended - begun - away };
}

/** Enough to learn from for many seconds. */
const words = Array.from(
  { length: 60_000 },
  (_, i) => `${(i * 7919 + 13).toString(3)}${(i * 104_729).toString(5)}`,
).join(' ');

/** Figures of a condition whose bootstrap takes long. */
const many = (first: number) => Array.from({ length: 400 }, (_, i) => first + (i % 7)).join(',');

const train = (run: string) => [
  'train',
  '--data',
  at('data'),
  '--run',
  at(run),
  '--config',
  at('config.json'),
];
const score = ['score', '--hyp', 'HYP', '--ref', 'REF', '--baseline', 'REF', '--samples', '3000000'];

describe('a signal', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends each command with status %i', async (signal, status) => {
    const commands = [
      train(`train-${signal}`),
      // What waits for text on standard input, in good order and at once.
      ['translate', '--run', at('run')],
      ['text', 'tokenize', '--lang', 'en'],
      // Between two merges, and during what no handler is heard in.
      ['bpe', 'learn', '--merges', '100000', '--min-frequency', '1'],
      score.map((word) => ({ HYP: at('hyp'), REF: at('ref') })[word] ?? word),
    ];
    const [training, ...others] = commands.map((args) => ({ name: args[0], ...start(...args) }));
    for (const { name, child } of others) if (name === 'bpe') child.stdin?.end(words);
    // The others say nothing when they are at work. They began when the training did, which has more to do until then.
    await until(() => training!.errors().includes('update 20'));
    await sleep(1000);
    for (const { child } of [training!, ...others]) child.kill(signal);
    for (const { name, ended } of [training!, ...others]) expect([name, await ended]).toEqual([name, status]);
  });

  it('lets a sweep end with checkpoints, and says so', async () => {
    const sweep = ['sweep', '--data', at('data'), '--out', at('sweep'), '--config', at('config.json')];
    const started = start(...sweep, '--seeds', '1', '--directions', 'uni', '--json');
    await until(() => started.errors().includes('update 10'));
    started.child.kill('SIGINT');
    expect(await started.ended).toBe(130);
    expect(JSON.parse(started.output())).toMatchObject({ reason: 'aborted', results: [], failures: [] });
    const state = join(at('sweep'), 'uni-1', 'checkpoints', 'last', 'state.json');
    expect(JSON.parse(await readFile(state, 'utf8'))).toHaveProperty('state.update');
  });

  it.each([
    ['of two arms', ['--a', many(1), '--b', many(2)]],
    ['of all pairs', ['--condition', `x=${many(1)}`, '--condition', `y=${many(2)}`]],
  ])('ends a long bootstrap %s of rdrop stats at once', async (_, conditions) => {
    const started = start('stats', ...conditions, '--samples', '10000000');
    await untilComputed(started, 1.5);
    const { status, milliseconds } = await interrupted(started);
    expect(status).toBe(130);
    expect(milliseconds).toBeLessThan(1000);
    expect(started.errors()).toBe(
      'rdrop: stopping (once more to end at once)\nrdrop: ABORTED: the comparison was aborted\n',
    );
  });

  it('ends a setup whose download is slow, and leaves nothing of it', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write('PK');
    }).listen(0, '127.0.0.1');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const arrived = once(server, 'request');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/torch.whl`;
    const env = { RDROP_CACHE: at('cache') };
    const started = startWith(env, 'setup', '--from', url, '--sha256', '0'.repeat(64));
    await arrived;
    await until(async () => existsSync(at('cache')));
    started.child.kill('SIGINT');
    expect(await started.ended).toBe(130);
    expect(started.errors()).toMatch(/rdrop: ABORTED: the setup of libtorch was aborted\n$/);
    expect(await readdir(at('cache'))).toEqual([]);
  });

  it('ends a translation in the midst of a batch', async () => {
    const started = start(
      'translate',
      '--run',
      at('run'),
      '--beam',
      '8',
      '--min-len',
      '900',
      '--max-len-b',
      '900',
      '--window',
      '4',
    );
    const { stdin } = started.child;
    stdin?.on('error', () => {});
    // More than the pipe holds: what the input is read by has its model already. Empty lines cost nothing.
    await new Promise((resolve) => stdin?.write('\n'.repeat(200_000), resolve));
    stdin?.end('w1 w2 w3\n'.repeat(1600)); // batches of some tenths of a second, many of them
    await untilComputed(started, 4);
    const { status, milliseconds } = await interrupted(started);
    expect(status).toBe(130);
    expect(milliseconds).toBeLessThan(1000);
    expect(started.errors()).toMatch(/rdrop: ABORTED: the translation was aborted\n$/);
  });

  it('that comes again ends at once, whatever is under way', async () => {
    const started = start(...train('twice'));
    await until(() => started.errors().includes('update 20'));
    started.child.kill('SIGINT');
    started.child.kill('SIGINT');
    expect(await started.ended).toBe(130);
  });
});
