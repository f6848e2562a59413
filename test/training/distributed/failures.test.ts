// What becomes of a run when one of its processes does not go on.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { appendFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainOptions } from '../../../lib/options/index.js';
import type { TrainEvent } from '../../../lib/training/train_events.js';
import { Trainer } from '../../../lib/training/trainer.js';
import { fitAll, makeReversalData, modelBytes, workplace } from '../tiny_run.js';
import { withoutLibrary } from './library.js';
import { sharedOptions } from './run.js';

const because = withoutLibrary === null ? '' : ` (left out: ${withoutLibrary})`;
let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
const at = (name: string) => join(place.path, name);

beforeAll(async () => {
  place = await workplace();
  data = at('data');
  await makeReversalData(data, { train: 130, valid: 21, test: 19 });
});
afterAll(() => place.remove());

/** Would train for hours. */
const endless = (name: string, timeoutSeconds = 30): TrainOptions => ({
  ...sharedOptions(data, at(name)),
  maxUpdates: 1_000_000,
  checkpointInterval: 5,
  validation: { interval: 1_000_000, metric: 'loss' },
  distributed: { processes: 2, timeoutSeconds },
});

/** The processes of other ranks that this process has started and that have not ended. */
function rankPids(): number[] {
  return readdirSync(`/proc/${process.pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${process.pid}/task/${task}/children`, 'utf8').split(' '))
    .filter((pid) => pid !== '')
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('distributed/rank.js'));
}

/** Trains, and after the first event of a type does something to the process of rank 1. */
async function disturbed(
  trainer: Trainer,
  disturb: (pid: number) => void,
  after: 'train' | 'checkpoint' = 'checkpoint',
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of trainer.fit()) {
    if (event.type === after && !events.some(({ type }) => type === after)) {
      const [pid, ...others] = rankPids();
      expect(others).toEqual([]);
      disturb(pid!);
    }
    events.push(event);
  }
  return events;
}

/** Nothing is half-written, and the run goes on to an end. */
async function expectResumable(name: string): Promise<void> {
  const files = await readdir(at(name), { recursive: true });
  expect(files.filter((file) => /\.part|\.previous/.test(file))).toEqual([]);
  const lines = (await readFile(join(at(name), 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  for (const line of lines) JSON.parse(line);
  let update: number;
  {
    await using trainer = await Trainer.resume(at(name), { distributed: { processes: 2 } });
    update = trainer.update;
    expect(update).toBeGreaterThan(0);
  }
  await using trainer = await Trainer.resume(at(name), { maxUpdates: update + 3 });
  expect((await fitAll(trainer)).at(-1)).toMatchObject({ type: 'end', reason: 'maxUpdates' });
}

describe.skipIf(withoutLibrary !== null)(`a run over two processes${because}`, () => {
  it('ends by RANK_LOST when rank 1 is killed, and may be resumed', async () => {
    {
      await using trainer = await Trainer.create(endless('killed'));
      const began = performance.now();
      await expect(disturbed(trainer, (pid) => process.kill(pid, 'SIGKILL'))).rejects.toMatchObject({
        code: 'RANK_LOST',
        message: expect.stringMatching(/rank 1[\s\S]*was ended by SIGKILL/),
      });
      expect(performance.now() - began).toBeLessThan(10_000);
    }
    expect(rankPids()).toEqual([]);
    const failure = join(at('killed'), 'failure.json');
    expect(JSON.parse(await readFile(failure, 'utf8'))).toMatchObject({
      code: 'RANK_LOST',
      message: expect.stringMatching(/rank 1[\s\S]*was ended by SIGKILL/),
    });
    await expectResumable('killed');
    expect(existsSync(failure)).toBe(false);
  }, 60_000);

  it('ends by RANK_LOST when rank 1 is stopped, within the timeout, and leaves no process behind', async () => {
    {
      await using trainer = await Trainer.create(endless('stopped', 2));
      let stopped = 0;
      const ended = disturbed(trainer, (pid) => {
        stopped = performance.now();
        process.kill(pid, 'SIGSTOP');
      });
      await expect(ended).rejects.toMatchObject({
        code: 'RANK_LOST',
        message: expect.stringContaining('rank 1'),
      });
      expect(performance.now() - stopped).toBeLessThan(6000);
    }
    expect(rankPids()).toEqual([]);
    await expectResumable('stopped');
  }, 60_000);

  it('ends by RANK_FAILED when the memory of rank 1 does not suffice, and may be resumed', async () => {
    const long = at('long');
    await makeReversalData(long, { train: 60, valid: 21, test: 19 });
    // A pair that is a batch of its own, which takes 0.25 GB; the others are one batch. In some epoch it is rank 1's.
    for (const language of ['de', 'en'])
      await appendFile(join(long, `train.${language}`), `${'w1 '.repeat(1000)}\n`);
    const options = endless('memory');
    {
      await using trainer = await Trainer.create({
        ...options,
        data: long,
        batches: { maxTokens: 1001 },
        model: { ...options.model, ffnDim: 8192 },
      });
      const [rank1] = rankPids();
      const idle =
        Number(/VmSize:\s*(\d+) kB/.exec(readFileSync(`/proc/${rank1}/status`, 'utf8'))![1]) * 1024;
      const limit = idle + 100 * 2 ** 20;
      const limited = disturbed(trainer, (pid) => {
        execFileSync('prlimit', [`--pid=${pid}`, `--as=${limit}`]);
      });
      await expect(limited).rejects.toMatchObject({
        code: 'RANK_FAILED',
        message: expect.stringMatching(/rank 1 of 2 ended with an error[\s\S]*allocate/),
      });
    }
    expect(rankPids()).toEqual([]);
    await expectResumable('memory');
  }, 120_000);

  it('ends with one checkpoint when rank 1 is asked to', async () => {
    {
      await using trainer = await Trainer.create({ ...endless('aborted'), checkpointInterval: 0 });
      const events = await disturbed(trainer, (pid) => process.kill(pid, 'SIGTERM'), 'train');
      expect(events.slice(-2)).toMatchObject([{ type: 'checkpoint' }, { type: 'end', reason: 'aborted' }]);
      expect(events.filter(({ type }) => type === 'checkpoint').length).toBe(1);
      const { state } = JSON.parse(
        await readFile(join(at('aborted'), 'checkpoints/last/state.json'), 'utf8'),
      );
      expect(state.update).toBe(events.at(-1)!.update);
    }
    await expectResumable('aborted');
  }, 60_000);

  it('ends by the error of a hook on rank 0, and leaves no process behind', async () => {
    {
      const options = { ...endless('hook'), validation: { interval: 7, metric: 'loss' as const } };
      await using trainer = await Trainer.create(options);
      const validate = () => {
        throw new Error('the hook is not at home');
      };
      const train = async () => {
        for await (const _ of trainer.fit({ validate }));
      };
      await expect(train()).rejects.toThrow('the hook is not at home');
    }
    expect(rankPids()).toEqual([]);
    await expectResumable('hook');
  }, 60_000);

  it('stops at the clock of rank 0', async () => {
    await using trainer = await Trainer.create({ ...endless('minutes'), maxMinutes: 0.01 });
    const events = await fitAll(trainer);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'maxMinutes' });
    expect(await modelBytes(at('minutes'))).toBeTruthy();
  }, 60_000);

  it('is given up when it is disposed of, with what is under way', async () => {
    const trainer = await Trainer.create(endless('disposed'));
    const fit = fitAll(trainer);
    setTimeout(() => trainer.dispose(), 300);
    await expect(fit).rejects.toMatchObject({ code: 'DISPOSED' });
    await trainer[Symbol.asyncDispose]();
    expect(rankPids()).toEqual([]);
  }, 60_000);

  it('is not begun where its data cannot be read', async () => {
    const options = { ...endless('nothing'), data: at('no-data') };
    await expect(Trainer.create(options)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect.poll(rankPids, { timeout: 10_000 }).toEqual([]);
  }, 60_000);
});
