import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDirectoryAtomically } from '../../lib/data/preparation/prepared_directory.js';
import { trainSchema } from '../../lib/options/index.js';
import { whileLocked } from '../../lib/sweep/directory_lock.js';
import { type SweepEvent, sweep } from '../../lib/sweep/sweep.js';
import { RunDirectory } from '../../lib/training/run/run_directory.js';
import { all, fakeTrial } from '../support/sweeps/sweeps.js';
import { makeReversalData, metricsOf, modelBytes, tinyOptions, workplace } from '../training/tiny_run.js';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let place: Awaited<ReturnType<typeof workplace>>;
const at = (...names: string[]) => join(place.path, ...names);
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'), { train: 80, valid: 16, test: 16 });
});
afterAll(() => place.remove());

const start = (directory: string): AsyncGenerator<SweepEvent> =>
  sweep(
    { data: at('data'), maxUpdates: 3 },
    { directory, seeds: [1, 2], directions: ['baseline', 'bi'], parallel: 1, trialEntry: fakeTrial },
  );
async function untilFirst(events: AsyncGenerator<SweepEvent>, type: SweepEvent['type']): Promise<void> {
  for (;;) {
    const { value, done } = await events.next();
    if (done || value.type === type) return;
  }
}

describe('two sweeps in one directory', () => {
  it('the second gets an error that names the first, which continues', async () => {
    const directory = at('one', 'sweep');
    const first = start(directory);
    await untilFirst(first, 'start');
    await expect(start(directory).next()).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      message: expect.stringMatching(/sweep\.lock.*--unlock/),
    });
    const rest = await all(first);
    expect(rest.filter(({ type }) => type === 'finish')).toHaveLength(4);
    expect((await all(start(directory))).filter(({ type }) => type === 'start')).toEqual([]);
    expect(existsSync(join(directory, 'sweep.lock'))).toBe(false);
  });

  it('the second takes over with unlock; the first ends with RUN_LOST', async () => {
    // With real trials: their own locks decide between the trial of the one and that of the other.
    const { runDirectory: _, seed: __, ...config } = tinyOptions(at('data'), '');
    const begin = (more: object = {}) =>
      sweep({ ...config, checkpointInterval: 1 }, { directory: at('two'), seeds: [1], parallel: 1, ...more });
    const first = begin();
    await untilFirst(first, 'progress');
    const second = begin({ unlock: true });
    await untilFirst(second, 'plan');
    await expect(all(first)).rejects.toMatchObject({ code: 'RUN_LOST' });
    const rest = await all(second);
    expect(rest.flatMap((event) => (event.type === 'fail' ? [event.error.message] : []))).toEqual([]);
    expect(rest.at(-1)).toMatchObject({ type: 'end', finished: 2, failed: 0 });
  });

  it('a sweep that cannot begin leaves no directory', async () => {
    const directory = at('three', 'sweep');
    const wrong = sweep({ data: at('nowhere') }, { directory, trialEntry: fakeTrial });
    await expect(all(wrong)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(existsSync(at('three'))).toBe(false);
  });

  it('nor does whatever cannot write its lock: a sweep, a run, a preparation', async () => {
    // The directory's path is short enough for the system, that of a lock in it or beside it is not.
    const deep = (room: number) => {
      const names = ['deep', ...Array.from({ length: 16 }, () => 'd'.repeat(240))];
      return at(...names, 'e'.repeat(4095 - room - at(...names).length - 1));
    };
    const expected = { code: 'FILE_UNWRITABLE', message: expect.stringMatching(/\.lock.*ENAMETOOLONG/) };
    const events = whileLocked({ directory: deep(5), unlock: false }, async function* () {});
    await expect(events.next()).rejects.toMatchObject(expected);
    expect(existsSync(at('deep'))).toBe(false);
    const config = trainSchema.parse({ data: at('data'), runDirectory: deep(5) });
    await expect(RunDirectory.create(config, {})).rejects.toMatchObject(expected);
    expect(existsSync(at('deep'))).toBe(false);
    await expect(makeDirectoryAtomically(deep(2), async () => {})).rejects.toMatchObject(expected);
    expect(existsSync(at('deep'))).toBe(false);
  });

  it('one that was killed is followed at once: its trial ends, and the new one goes on with it', {
    timeout: 60_000,
  }, async () => {
    const directory = at('four');
    const { data: _, runDirectory: __, seed: ___, ...rest } = tinyOptions('', '');
    const config = at('config.json');
    await writeFile(config, JSON.stringify({ ...rest, maxUpdates: 20, checkpointInterval: 1 }));
    const args = [command, 'sweep', '--data', at('data'), '--out', directory, '--config', config];
    const options = ['--seeds', '1', '--directions', 'uni', '--json'];
    const killed = spawn(process.execPath, [...args, ...options], { stdio: 'ignore' });
    while (!existsSync(join(directory, 'uni-1', 'checkpoints', 'last'))) await sleep(10);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const next = spawn(process.execPath, [...args, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    next.stdout.on('data', (text) => {
      output += text;
    });
    await once(next, 'close');
    expect(JSON.parse(output)).toMatchObject({ failures: [], results: [{ name: 'uni-1' }] });
    // As one that nobody killed.
    const straight = spawn(process.execPath, [...args.with(5, at('five')), ...options], { stdio: 'ignore' });
    await once(straight, 'exit');
    const run = join(directory, 'uni-1');
    expect((await modelBytes(run)).equals(await modelBytes(at('five', 'uni-1')))).toBe(true);
    const updates = async (path: string) => (await metricsOf(path)).map(({ update }) => update);
    expect(await updates(run)).toEqual(await updates(at('five', 'uni-1')));
    expect((await readdir(directory)).sort()).toEqual(['sweep.json', 'uni-1']);
  });
});
