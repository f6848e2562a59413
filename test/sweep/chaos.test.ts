// Workers and the server of a queue are killed at random: no trial is lost, and every result is that of a local sweep.
// The short version runs in npm test; RDROP_TEST_LONG (node scripts/chaos.mjs) runs the long one and writes what it measured.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SweepOptions } from '../../lib/options/index.js';
import { sweep } from '../../lib/sweep/sweep.js';
import { noRedis, RedisServer } from '../support/sweeps/redis_server.js';
import { prepareTinyDemo, tinyTraining } from '../support/sweeps/sweeps.js';

const none = noRedis();
if (none !== null) process.stderr.write(`test/sweep/chaos.test.ts is skipped: ${none}\n`);
const long = Boolean(process.env['RDROP_TEST_LONG']);
const plan = long
  ? { workers: 3, seeds: [1, 2, 3, 4, 5, 6], kills: 20, restarts: 2, updates: 400 }
  : { workers: 2, seeds: [1, 2], kills: 2, restarts: 1, updates: 60 };
const directions = ['uni', 'bi'] as const;
const seed = Number(process.env['RDROP_CHAOS_SEED'] ?? 19);
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** mulberry32: the same kills for the same seed. */
function generator(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

let root: string;
let server: RedisServer;
const running = new Map<number, ChildProcess>();
let output = '';
beforeAll(async () => {
  if (none !== null) return;
  root = await mkdtemp(join(tmpdir(), 'rdrop-chaos-'));
  await prepareTinyDemo(join(root, 'text'), join(root, 'prepared', 'data'));
  server = await RedisServer.start(join(root, 'redis'));
});
afterAll(async () => {
  for (const number of running.keys()) kill(number, true);
  await server?.kill();
  if (root) await rm(root, { recursive: true, force: true });
});

/** Two share their runs, as on a shared file system; a third has runs of its own. */
function begin(number: number): void {
  const child = spawn(
    process.execPath,
    [
      ...[command, 'worker', '--queue', server.url, '--slots', 'cpu:1x1', '--lease', '2'],
      ...[
        '--runs',
        join(root, number < 2 ? 'runs' : `runs-${number}`),
        '--data-root',
        join(root, 'prepared'),
      ],
    ],
    { detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  child.stderr?.setEncoding('utf8').on('data', (words: string) => {
    output += words;
  });
  running.set(number, child);
}

/** @param machine the trials as well, as a machine that is gone; else they are left without their worker */
function kill(number: number, machine: boolean): void {
  const { pid } = running.get(number) ?? {};
  running.delete(number);
  try {
    if (pid !== undefined) process.kill(machine ? -pid : pid, 'SIGKILL');
  } catch {
    // Ended already.
  }
}

const start = (name: string, options: Partial<SweepOptions>) =>
  sweep(
    tinyTraining(join(root, 'prepared', 'data'), plan.updates, {
      ...{ logInterval: 5, checkpointInterval: 5, validation: { interval: 15, metric: 'loss' } },
    }),
    { directory: join(root, name), seeds: plan.seeds, directions: [...directions], ...options },
  );

/** What a trial's files say, but for how long it took. */
async function outcome(name: string, trial: string) {
  const read = (path: string): Promise<string> => readFile(join(root, name, trial, path), 'utf8');
  const timeless = (text: string) => {
    const { seconds: _s, tokensPerSecond: _t, validationSeconds: _v, ...rest } = JSON.parse(text);
    return rest;
  };
  return {
    result: timeless(await read('result.json')),
    metrics: (await read('metrics.jsonl')).trim().split('\n').map(timeless),
    hypotheses: await read('hypotheses/test.en'),
  };
}

describe.skipIf(none !== null)('chaos', () => {
  it(`${plan.kills} kills of ${plan.workers} workers and ${plan.restarts} of the server change no result`, async () => {
    for await (const event of start('local', { parallel: 2 })) if (event.type === 'fail') throw event.error;

    const random = generator(seed);
    const began = performance.now();
    for (let number = 0; number < plan.workers; number++) begin(number);
    const trials = plan.seeds.flatMap((each) => directions.map((direction) => `${direction}-${each}`));
    let over = false;
    let done = 0;
    const taken = { kills: 0, restarts: 0, starts: 0 };
    const havoc = (async () => {
      // The server's kills are spread among those of the workers.
      const steps = plan.kills + plan.restarts;
      const every = Math.ceil(steps / (plan.restarts + 1));
      await sleep(2000);
      for (let step = 1; step <= steps && !over; step++) {
        const until = performance.now() + 300 + random() * (long ? 3000 : 700);
        // On a machine on which the trials are quick the kills are too: all of them come before the last trial is done.
        const late = () => done * steps >= step * (trials.length - 1);
        while (performance.now() < until && !late() && !over) await sleep(50);
        if (step % every === 0 && taken.restarts < plan.restarts) {
          await server.kill();
          await sleep(200 + random() * 800);
          await server.begin();
          taken.restarts += 1;
        } else {
          const number = Math.floor(random() * plan.workers);
          kill(number, random() < 0.5);
          taken.kills += 1;
          await sleep(200 + random() * 500);
          begin(number);
        }
      }
    })();
    let finished = 0;
    try {
      for await (const event of start('queued', { queue: server.url, name: 'chaos' })) {
        if (event.type === 'fail') throw event.error;
        if (event.type === 'start') taken.starts += 1;
        if (event.type === 'finish') done += 1;
        if (event.type === 'end') finished = event.finished;
      }
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${output}`);
    } finally {
      over = true;
      await havoc;
    }
    expect(finished).toBe(trials.length);
    for (const trial of trials)
      expect(await outcome('queued', trial), trial).toEqual(await outcome('local', trial));
    expect(taken.kills).toBe(plan.kills);
    expect(taken.restarts).toBe(plan.restarts);
    const to = process.env['RDROP_CHAOS_RESULT'];
    const seconds = Math.round((performance.now() - began) / 1000);
    const result = { seed, ...plan, trials: trials.length, ...taken, seconds, equal: trials.length };
    if (to !== undefined) await writeFile(to, `${JSON.stringify(result)}\n`);
  }, 900_000);
});
