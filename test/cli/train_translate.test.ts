import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { makeReversalData, modelBytes, tinyOptions, trainAll, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
let config: string;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  data = at('data');
  config = at('config.json');
  await makeReversalData(data);
  const { data: _d, runDirectory: _r, ...options } = tinyOptions(data, '');
  await writeFile(config, JSON.stringify(options));
});
afterAll(() => place.remove());

function start(args: string[], input = ''): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [join(packageRoot, 'dist', 'cli', 'main.js'), ...args]);
  const out: string[] = [];
  const err: string[] = [];
  child.stdout.on('data', (text) => out.push(String(text)));
  child.stderr.on('data', (text) => err.push(String(text)));
  child.stdin.end(input);
  const ended = once(child, 'close').then(([status]) => ({ status, out: out.join(''), err: err.join('') }));
  return { child, ended };
}
interface Ended {
  status: number;
  out: string;
  err: string;
}
const rdrop = (args: string[], input?: string) => start(args, input).ended;

describe('rdrop train and translate', () => {
  it('train as the library does, with flags over the file; translate from standard input', async () => {
    const run = at('run');
    const train = ['train', '--data', data, '--run', run, '--config', config];
    const { status, out, err } = await rdrop([
      ...train,
      '--alpha',
      '2',
      '--set',
      'loss.direction=bi',
      '--json',
    ]);
    expect(status, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      reason: 'maxUpdates',
      updates: 30,
      alpha: 2,
      direction: 'bi',
      seed: 3,
    });
    expect(err).toMatch(/epoch 2 update 10: loss [\d.]+/);
    await trainAll({ ...tinyOptions(data, at('same')), loss: { alpha: 2, direction: 'bi' } });
    expect((await modelBytes(run)).equals(await modelBytes(at('same')))).toBe(true);

    const plain = await rdrop(['translate', '--run', run, '--beam', '2'], 'w1 w2\n\nw3 w4 w5\n');
    expect(plain.status, plain.err).toBe(0);
    const lines = plain.out.split('\n');
    expect(lines.length).toBe(4);
    expect(lines[1]).toBe('');
    await writeFile(at('in.txt'), 'w1 w2\n\nw3 w4 w5\n');
    const files = ['--input', at('in.txt'), '--output', at('out.txt'), '--json'];
    const document = JSON.parse((await rdrop(['translate', '--run', run, '--beam', '2', ...files])).out);
    expect(document.map(({ text }: { text: string }) => text)).toEqual(lines.slice(0, 3));
    expect(document[0]).toMatchObject({
      source: 'w1 w2',
      tokens: expect.any(Array),
      score: expect.any(Number),
    });
    expect(await readFile(at('out.txt'), 'utf8')).toBe(plain.out);
  });

  it.each([
    ['--beam', '0', /^rdrop: INVALID_ARGUMENT: beam\.beam: .*got 0/],
    ['--n-best', '6', /^rdrop: INVALID_ARGUMENT: beam\.nBest: nBest must not exceed beam, got 6/],
  ])('translate refuses %s %s before it loads a model or reads its input', async (flag, value, message) => {
    await trainAll({ ...tinyOptions(data, at(`run${flag}`)), maxUpdates: 1, test: { beam: { beam: 5 } } });
    await writeFile(join(at(`run${flag}`), 'checkpoints', 'best', 'model.safetensors'), 'damaged');
    const child = spawn(process.execPath, [
      join(packageRoot, 'dist', 'cli', 'main.js'),
      ...['translate', '--run', at(`run${flag}`), flag, value],
    ]);
    let err = '';
    child.stderr.on('data', (text) => {
      err += text;
    });
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(err).toMatch(message);
  });

  it('stops on SIGINT with a checkpoint, and says how to go on', async () => {
    const run = at('stopped');
    const { child, ended } = start([
      'train',
      '--data',
      data,
      '--run',
      run,
      '--config',
      config,
      '--max-updates',
      '100000',
      '--json',
    ]);
    let err = '';
    for await (const text of child.stderr!) {
      err += text;
      if (err.includes('update 20:')) break;
    }
    child.kill('SIGINT');
    const { status, out } = await ended;
    expect(status).toBe(130);
    const { reason, update, resume } = JSON.parse(out);
    expect(reason).toBe('aborted');
    expect(resume).toBe(`rdrop train --resume --run ${run}`);
    const resumed = await rdrop([
      ...resume.split(' ').slice(1),
      '--max-updates',
      String(update + 1),
      '--json',
    ]);
    expect(resumed.status, resumed.err).toBe(0);
    expect(JSON.parse(resumed.out)).toMatchObject({ reason: 'maxUpdates', updates: update + 1 });
  });

  it.each([
    ['an unknown option', ['train', '--set', 'loss.beta=1'], /^rdrop: INVALID_CONFIG: .*beta/],
    ['a value of the wrong kind', ['train', '--seed', 'x'], /^rdrop: INVALID_CONFIG: train.seed: .*"x"/],
    ['a --set without a value', ['train', '--set', 'seed'], /^rdrop: INVALID_ARGUMENT: --set/],
    ['an unknown preset', ['train', '--preset', 'huge'], /^rdrop: INVALID_ARGUMENT: preset: .*multi30k/],
    ['a missing file', ['train', '--config', 'none.json'], /^rdrop: FILE_NOT_FOUND: none.json/],
    ['options for a resumed run', ['train', '--resume', '--seed', '4'], /^rdrop: INVALID_ARGUMENT: --resume/],
    ['no run to translate with', ['translate'], /^rdrop: FILE_NOT_FOUND: .*config.json/],
  ])('%s is a coded error and status 1', async (_, [command, ...flags], message) => {
    const needed = command === 'train' && !flags.includes('--resume') ? ['--data', data] : [];
    const { status, out, err } = await rdrop([command!, '--run', at('none'), ...needed, ...flags], 'w1\n');
    expect(err).toMatch(message);
    expect(status).toBe(1);
    expect(out).toBe('');
    expect(existsSync(at('none'))).toBe(false);
  });
});
