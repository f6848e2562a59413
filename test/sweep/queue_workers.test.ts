// Workers of a queue with trials that really train: what a stopped machine, a shared directory and an upload come to.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Translator } from '../../lib/index.js';
import { packageRoot } from '../../lib/util/package_root.js';
import { QueuePlace, until } from '../support/sweeps/queue_place.js';
import { noRedis } from '../support/sweeps/redis_server.js';
import { prepareTinyDemo, tinyTraining } from '../support/sweeps/sweeps.js';

const none = noRedis();
if (none !== null) process.stderr.write(`test/sweep/queue_workers.test.ts is skipped: ${none}\n`);
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** The program of real trials. */
const entry = `${packageRoot}/dist/sweep/trial.js`;

let place: QueuePlace;
const begun: ChildProcess[] = [];
beforeAll(async () => {
  if (none !== null) return;
  place = await QueuePlace.open();
  await prepareTinyDemo(place.at('text'), place.at('prepared', 'demo'));
});
afterEach(async () => {
  for (const { pid } of begun.splice(0)) {
    try {
      // Its trials as well; one that is stopped is killed too.
      process.kill(-(pid as number), 'SIGKILL');
    } catch {
      // Ended already.
    }
  }
  await place?.clear();
});
afterAll(() => place?.close());

const start = (updates: number, signal?: AbortSignal) =>
  place.sweep(
    { directions: ['bi'], ...(signal && { signal }) },
    tinyTraining(place.at('prepared', 'demo'), updates, {
      ...{ logInterval: 5, checkpointInterval: 5, validation: { interval: 50, metric: 'loss' } },
    }),
  );
const run = ['work', 'runs', 'mine', 'bi-1'];

/** A worker in a process of its own, and the process of the trial that it has taken. */
async function other(): Promise<{ worker: number; trial: number; said: () => string }> {
  const child = spawn(
    process.execPath,
    [
      ...[command, 'worker', '--queue', place.server.url, '--slots', 'cpu:1x1', '--lease', '2'],
      ...['--runs', place.at('work', 'runs'), '--data-root', place.at('prepared')],
    ],
    { detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  begun.push(child);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const worker = child.pid as number;
  await place.file(...run, 'checkpoints', 'last', 'state.json');
  const trial = readdirSync(`/proc/${worker}/task`)
    .flatMap((task) => readFileSync(`/proc/${worker}/task/${task}/children`, 'utf8').split(' '))
    .map(Number)
    .find((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('trial.js'));
  return { worker, trial: trial as number, said: () => said };
}

/** As /proc has it: R, S or D for one that goes on, T for one that is stopped, Z for one that ended; null without a process. */
function stateOf(pid: number): string | null {
  try {
    return /^\d+ \(.*\) (\w)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}
const ended = (pid: number): boolean => ['Z', 'X', null].includes(stateOf(pid));
const took = () => place.events.find(({ type }) => type === 'take');

describe.skipIf(none !== null || process.platform !== 'linux')('a worker of a queue', () => {
  it('that is stopped: its trial ends by itself before another takes it up, and it gives way when it goes on', async () => {
    const controller = new AbortController();
    const done = start(100_000, controller.signal);
    const { worker, trial, said } = await other();
    let atTake: string | null | undefined;
    const second = await place.work({ entry, lease: 2 });
    process.kill(worker, 'SIGSTOP');
    await until(() => {
      if (took() === undefined) return false;
      atTake ??= stateOf(trial);
      return true;
    });
    // Its parent, which is stopped, has not asked for its end yet.
    expect(atTake).toBe('Z');
    expect(took()).toMatchObject({ type: 'take', resumed: true });
    process.kill(worker, 'SIGCONT');
    await until(() => said().includes('mine/bi-1 was taken from this worker'));
    expect(place.events.map(({ type }) => type)).toEqual(['take']);
    await second.close();
    expect(place.events.at(-1)?.type).toBe('release');
    controller.abort();
    await done;
  });

  it('takes a trial over in a shared directory whose holder is stopped; that one ends before it writes', async () => {
    const done = start(60);
    const { worker, trial } = await other();
    process.kill(-worker, 'SIGSTOP');
    await place.work({ entry, lease: 2 });
    const events = await done;
    expect(events.at(-1)).toMatchObject({ type: 'end', finished: 1, failed: 0 });
    expect(stateOf(trial)).toBe('T');
    const files = async () =>
      Promise.all(
        ['result.json', 'metrics.jsonl', 'checkpoints/last/state.json'].map((name) =>
          readFile(place.at(...run, name), 'utf8'),
        ),
      );
    const before = await files();
    process.kill(-worker, 'SIGCONT');
    await until(() => ended(trial));
    await sleep(300);
    expect(await files()).toEqual(before);
    const updates =
      before[1]
        ?.trim()
        .split('\n')
        .map((line) => JSON.parse(line)) ?? [];
    const trained = updates.filter(({ type }) => type === 'train').map(({ update }) => update);
    expect(trained).toEqual(Array.from({ length: 12 }, (_, i) => 5 * (i + 1)));
  }, 90_000);

  it('uploads a run that translates, with the best checkpoint of its trial', async () => {
    await place.work({ entry, lease: 10, upload: 'best', uploadDirectory: place.at('up') });
    await start(20);
    expect(readdirSync(place.at('up', 'mine'))).toEqual(['bi-1']);
    expect(readdirSync(place.at('up', 'mine', 'bi-1', 'checkpoints'))).toEqual(['best']);
    const model = ['checkpoints', 'best', 'model.safetensors'];
    const bytes = (path: string) => readFileSync(path);
    expect(bytes(place.at('up', 'mine', 'bi-1', ...model))).toEqual(bytes(place.at(...run, ...model)));
    expect(await place.read('up', 'mine', 'bi-1', 'result.json')).toBe(
      await place.read('out', 'bi-1', 'result.json'),
    );
    using translator = await Translator.load(place.at('up', 'mine', 'bi-1'));
    const [line = ''] = readFileSync(place.at('text', 'test.de'), 'utf8').split('\n');
    expect((await translator.translate([line])).length).toBe(1);
  });
});

describe('without the packages of a queue', () => {
  it.each(['bullmq', 'ioredis'])('%s: a coded error names the line that installs them', (missing) => {
    // The package is looked for under a name that no package has.
    const hooks = `export const resolve = (name, context, next) =>
      next(name === '${missing}' ? 'no-package-of-this-name' : name, context);`;
    const url = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
    const register = `import { register } from 'node:module'; register(${JSON.stringify(url(hooks))});`;
    for (const args of [
      ['worker', '--queue', 'redis://127.0.0.1:1'],
      ['watch', '--queue', 'redis://127.0.0.1:1', '--name', 'mine'],
    ]) {
      let said = '';
      try {
        execFileSync(process.execPath, ['--import', url(register), command, ...args], {
          stdio: 'pipe',
          encoding: 'utf8',
        });
      } catch (error) {
        said = (error as { stderr: string }).stderr;
      }
      expect(said).toMatch(/^rdrop: PACKAGE_MISSING: .*bullmq and ioredis.*npm install bullmq ioredis/);
    }
  });
});
