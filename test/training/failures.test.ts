import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainOptions } from '../../lib/options/index.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import type { RdropError } from '../../lib/util/errors.js';
import { claimBeside } from '../../lib/util/files/part_files.js';
import { fitAll, makeReversalData, modelBytes, tinyOptions, trainAll, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
let good: string;
const at = (name: string) => join(place.path, name);
const options = (run: string): TrainOptions => ({ ...tinyOptions(data, run), maxUpdates: 10 });
beforeAll(async () => {
  place = await workplace();
  data = at('data');
  await makeReversalData(data);
  good = at('good');
  await trainAll(options(good));
});
afterAll(() => place.remove());

let copies = 0;
async function copyOfRun(): Promise<string> {
  const run = at(`copy${copies++}`);
  await cp(good, run, { recursive: true });
  return run;
}

async function flip(path: string, position: number): Promise<void> {
  const bytes = await readFile(path);
  const place = position < 0 ? bytes.length + position : position;
  bytes[place] = bytes[place]! ^ 1;
  await writeFile(path, bytes);
}

describe('a corrupt checkpoint', () => {
  const files = ['model.safetensors', 'optimizer.safetensors', 'state.json'];
  const damages: [string, (path: string) => Promise<void>][] = [
    ['cut short', async (path) => truncate(path, 200)],
    ['empty', async (path) => truncate(path, 0)],
    ['gone', (path) => rm(path)],
    ['one bit of its last byte flipped', (path) => flip(path, -3)],
    ['one bit of its middle flipped', async (path) => flip(path, 700)],
  ];
  it.each(files.flatMap((file) => damages.map(([name, damage]) => [file, name, damage] as const)))(
    '%s %s',
    async (file, _, damage) => {
      const run = await copyOfRun();
      const path = join(run, 'checkpoints', 'last', file);
      await damage(path);
      await expect(Trainer.resume(run)).rejects.toMatchObject({
        code: 'CHECKPOINT_CORRUPT',
        message: expect.stringContaining(path),
      });
      // The refusal holds nothing back: the directory is free, and the other checkpoint still translates.
      expect(existsSync(join(run, 'run.lock'))).toBe(false);
      const translator = await Translator.load(run);
      translator.dispose();
      if (file !== 'optimizer.safetensors') {
        await expect(Translator.load(run, { checkpoint: 'last' })).rejects.toMatchObject({
          code: 'CHECKPOINT_CORRUPT',
        });
      }
    },
  );

  it('of another configuration, or with other data', async () => {
    const run = await copyOfRun();
    const path = join(run, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...config, seed: 4 }));
    await expect(Trainer.resume(run)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
    await expect(Translator.load(run)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
    await cp(data, at('changed'), { recursive: true });
    await writeFile(
      join(at('changed'), 'train.de'),
      (await readFile(join(data, 'train.de'), 'utf8')).replace('w1', 'w2'),
    );
    await writeFile(path, JSON.stringify({ ...config, data: at('changed') }));
    await expect(Trainer.resume(run)).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining('train.de'),
    });
  });

  it('configuration that is no JSON, or none at all', async () => {
    const run = await copyOfRun();
    await writeFile(join(run, 'config.json'), '{"data":');
    await expect(Trainer.resume(run)).rejects.toMatchObject({ code: 'MALFORMED_FILE' });
    await expect(Trainer.resume(at('nowhere'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(existsSync(at('nowhere'))).toBe(false);
    await expect(Translator.load(at('nowhere'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('a run directory that is taken', () => {
  it('by another configuration or a run that has begun', async () => {
    await expect(Trainer.create({ ...options(good), loss: { alpha: 1 } })).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: expect.stringContaining('loss.alpha'),
    });
    const before = await modelBytes(good);
    await expect(Trainer.create(options(good))).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: expect.stringContaining('resume'),
    });
    expect((await modelBytes(good)).equals(before)).toBe(true);
  });

  it('from a process that writes a checkpoint, for it has not found out yet: what it writes is its own', async () => {
    const run = await copyOfRun();
    const claim = claimBeside(join(run, 'checkpoints', 'last'), 'part');
    await mkdir(claim.path);
    await writeFile(join(claim.path, 'model.safetensors'), 'half');
    (await Trainer.resume(run)).dispose();
    expect(existsSync(join(claim.path, 'model.safetensors'))).toBe(true);
    // Of one that was killed nothing stays.
    claim.release();
    (await Trainer.resume(run)).dispose();
    expect(existsSync(claim.path)).toBe(false);
  });

  it('from a process on another machine that still adds files to a checkpoint', async () => {
    const run = await copyOfRun();
    const part = join(run, 'checkpoints', 'last.01234567.part');
    // Without a pause until its directory is gone, and for half a second at most: no removal comes to an empty directory.
    const writer = new Worker(
      `const { mkdirSync, writeFileSync } = require('node:fs');
       const { parentPort, workerData } = require('node:worker_threads');
       mkdirSync(workerData);
       parentPort.postMessage('writes');
       const end = Date.now() + 500;
       try { for (let i = 0; Date.now() < end; i++) writeFileSync(workerData + '/' + i, ''); } catch {}`,
      { eval: true, workerData: part },
    );
    const ended = once(writer, 'exit');
    await once(writer, 'message');
    using trainer = await Trainer.resume(run);
    await ended;
    trainer.dispose();
    (await Trainer.resume(run)).dispose();
    expect(existsSync(part)).toBe(false);
  });

  it('by a process that lives; not by one that is gone', async () => {
    const run = await copyOfRun();
    const lock = join(run, 'run.lock');
    using holder = await Trainer.resume(run);
    await expect(Trainer.resume(run)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      message: expect.stringContaining(String(process.pid)),
    });
    holder.dispose();
    expect(existsSync(lock)).toBe(false);

    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    const stale = { pid: child.pid, host: hostname(), started: '1' };
    for (const content of [
      JSON.stringify(stale),
      JSON.stringify({ ...stale, pid: process.pid }),
      'rubbish',
    ]) {
      await writeFile(lock, content);
      (await Trainer.resume(run)).dispose();
    }
    await writeFile(lock, JSON.stringify({ ...stale, host: 'elsewhere' }));
    await expect(Trainer.resume(run)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
  });
});

describe('a full disk', () => {
  /** A file system of so many KiB, where mounting is allowed. */
  function smallDisk(path: string, kib: number): boolean {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', path], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  }

  it('fails with a code, keeps the old checkpoint whole, and the run goes on when there is room', async (context) => {
    const disk = at('disk');
    await mkdir(disk);
    // One checkpoint of this model has 80 KB; the second does not fit beside the first.
    if (!smallDisk(disk, 180)) context.skip('a small file system cannot be mounted here (needs root)');
    try {
      const run = join(disk, 'run');
      const trainer = await Trainer.create({ ...options(run), maxUpdates: 20 });
      await writeFile(join(disk, 'ballast'), Buffer.alloc(40_000));
      const failure = await fitAll(trainer).catch((error) => error);
      trainer.dispose();
      expect(failure).toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining(disk) });
      expect((await readdir(join(run, 'checkpoints'))).filter((name) => name.endsWith('.part'))).toEqual([]);
      expect(existsSync(join(run, 'run.lock'))).toBe(false);
      const text = await readFile(join(run, 'metrics.jsonl'), 'utf8');
      expect(() =>
        text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ).not.toThrow();
      await rm(join(disk, 'ballast'));
      execFileSync('mount', ['-o', 'remount,size=2000k', disk]);
      using resumed = await Trainer.resume(run);
      await fitAll(resumed);
      resumed.dispose();
      await trainAll({ ...options(at('roomy')), maxUpdates: 20 });
      expect((await modelBytes(run)).equals(await modelBytes(at('roomy')))).toBe(true);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('bad data', () => {
  const variant = async (name: string, change: (directory: string) => Promise<void>) => {
    await cp(data, at(name), { recursive: true });
    await change(at(name));
    return { ...options(at(`${name}-run`)), data: at(name) };
  };
  it.each([
    ['no directory', 'FILE_NOT_FOUND', (directory: string) => rm(directory, { recursive: true })],
    ['no validation text', 'FILE_NOT_FOUND', (directory: string) => rm(join(directory, 'raw', 'valid.en'))],
    ['an empty file', 'FILE_EMPTY', (directory: string) => truncate(join(directory, 'train.en'), 0)],
    [
      'a line less',
      'LINE_COUNT_MISMATCH',
      (directory: string) => writeFile(join(directory, 'train.en'), 'w1\n'),
    ],
    [
      'a reference less',
      'LINE_COUNT_MISMATCH',
      async (directory: string) => {
        for (const side of ['de', 'en']) await writeFile(join(directory, 'raw', `valid.${side}`), 'w1\n');
      },
    ],
    [
      'a sentence longer than a batch',
      'INVALID_ARGUMENT',
      async (directory: string) => {
        const lines = (await readFile(join(directory, 'train.de'), 'utf8')).split('\n');
        lines[4] = 'w1 '.repeat(200);
        await writeFile(join(directory, 'train.de'), lines.join('\n'));
      },
    ],
  ] as const)('%s: %s, and no run directory', async (name, code, change) => {
    const wrong = await variant(name.replaceAll(' ', '-'), change);
    await expect(Trainer.create(wrong)).rejects.toMatchObject({ code });
    expect(existsSync(wrong.runDirectory)).toBe(false);
  });

  it('a diverging run says so and leaves its last checkpoint', async () => {
    const run = at('diverged');
    const wild = { schedule: 'constant', learningRate: 1e30 } as const;
    const trainer = await Trainer.create({ ...options(run), optimizer: wild, checkpointInterval: 1 });
    const error = await fitAll(trainer).catch((reason: unknown) => reason as RdropError);
    expect(error).toMatchObject({ code: 'NON_FINITE' });
    trainer.dispose();
    expect(existsSync(join(run, 'result.json'))).toBe(false);
    const { code, message } = error as RdropError;
    expect(JSON.parse(await readFile(join(run, 'failure.json'), 'utf8'))).toEqual({
      ...{ code, message, update: trainer.update },
    });
    // A run that is resumed has not failed.
    (await Trainer.resume(run)).dispose();
    expect(existsSync(join(run, 'failure.json'))).toBe(false);
  });

  it('a run that its user ends, or that continues after an error, has no failure.json', async () => {
    const run = at('left');
    const failure = join(run, 'failure.json');
    const validation = { ...tinyOptions(data, run).validation, interval: 5, metric: 'loss' as const };
    await using trainer = await Trainer.create({ ...options(run), validation });
    const validate = () => {
      throw new Error('of the hook');
    };
    const train = async (work: Parameters<typeof trainer.fit>[0]) => {
      for await (const { type } of trainer.fit(work)) if (type === 'train') break;
    };
    await expect(train({ validate })).rejects.toThrow('of the hook');
    expect(JSON.parse(await readFile(failure, 'utf8'))).toMatchObject({ message: 'of the hook', update: 5 });
    await train({});
    expect(existsSync(failure)).toBe(false);
    const events = trainer.fit();
    await events.next();
    trainer.dispose();
    await expect(events.next()).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(existsSync(failure)).toBe(false);
  });
});
