// `rdrop translate` as a filter: translations come while lines still arrive, and memory does not grow with the text.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { makeReversalData, tinyOptions, trainAll, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'));
  await trainAll({ ...tinyOptions(at('data'), at('run')), maxUpdates: 60 });
});
afterAll(() => place.remove());

interface Started {
  child: ChildProcess;
  out: () => string;
  ended: Promise<{ status: number | null; out: string; err: string }>;
}
function start(args: string[], env: NodeJS.ProcessEnv = process.env): Started {
  const command = [join(packageRoot, 'dist', 'cli', 'main.js'), 'translate', '--run', at('run')];
  const child = spawn(process.execPath, [...command, '--threads', '1', '--beam', '2', ...args], { env });
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  // Of a child that reads no more.
  child.stdin.on('error', () => {});
  const ended = once(child, 'close').then(([status]) => ({ status, out, err }));
  return { child, out: () => out, ended };
}
function translate(args: string[], input: string, env?: NodeJS.ProcessEnv) {
  const started = start(args, env);
  started.child.stdin!.end(input);
  return started.ended;
}
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
const text = Array.from({ length: 9 }, (_, i) => (i === 4 ? '' : `w${i} w${i + 1}`));
const input = text.map((line) => `${line}\n`).join('');

describe('rdrop translate', () => {
  it('answers a slow producer before the input has ended', { timeout: 60_000 }, async () => {
    const { child, out, ended } = start(['--window', '2']);
    const lines = () => out().split('\n').length - 1;
    child.stdin!.write('w1 w2\nw3');
    child.stdin!.write('\n');
    await until(() => lines() === 2);
    child.stdin!.write('w4 w5\nw6\nw7');
    await until(() => lines() === 4);
    child.stdin!.end();
    const { status, out: all } = await ended;
    expect(status).toBe(0);
    expect(all).toBe((await translate([], 'w1 w2\nw3\nw4 w5\nw6\nw7\n')).out);
  });

  it('whatever the window: the same lines, --json one document, --n-best numbered through', async () => {
    const plain = await translate([], input);
    expect(plain.status, plain.err).toBe(0);
    expect(plain.out.split('\n').length).toBe(10);
    expect((await translate(['--window', '2'], input)).out).toBe(plain.out);
    const json = await translate(['--window', '4', '--json', '--output', at('json.txt')], input);
    const rows = JSON.parse(json.out) as { source: string; text: string }[];
    expect(rows.map(({ source }) => source)).toEqual(text);
    expect(rows.map((row) => `${row.text}\n`).join('')).toBe(plain.out);
    expect(await readFile(at('json.txt'), 'utf8')).toBe(plain.out);
    const nBest = await translate(['--window', '4', '--n-best', '2'], input);
    const numbers = nBest.out
      .trimEnd()
      .split('\n')
      .map((line) => /^H-(\d+)\t-?[\d.]+\t/.exec(line)?.[1]);
    expect(numbers).toEqual(text.flatMap((line, i) => (line === '' ? [] : [`${i}`, `${i}`])));
  });

  it('a line that is refused is named; the translations before it are printed, a file stays as it was', async () => {
    const long = `${'w1 '.repeat(1100)}\n`;
    const expected = (await translate([], input)).out;
    for (const window of ['3', '1000']) {
      const { status, out, err } = await translate(['--window', window], `${input}${long}${input}`);
      expect(err).toMatch(/^rdrop: INVALID_ARGUMENT: standard input:10: /);
      expect({ status, out }).toEqual({ status: 1, out: expected });
    }
    await writeFile(at('in.txt'), `${input}${long}`);
    await writeFile(at('kept.txt'), 'before');
    const files = ['--input', at('in.txt'), '--window', '3', '--output'];
    expect((await translate([...files, at('kept.txt')], '')).err).toMatch(/in\.txt:10: /);
    expect(await readFile(at('kept.txt'), 'utf8')).toBe('before');
    expect((await translate([...files, at('new.txt')], '')).status).toBe(1);
    expect(existsSync(at('new.txt'))).toBe(false);
  });

  it('ends when nobody reads its output any more, though the input continues', {
    timeout: 60_000,
  }, async () => {
    const { child, out, ended } = start(['--window', '2']);
    const writing = setInterval(() => child.stdin!.write(input), 20);
    try {
      await until(() => out().length > 0);
      child.stdout!.destroy();
      expect(await ended).toMatchObject({ status: 0, err: '' });
    } finally {
      clearInterval(writing);
    }
  });

  // Most of them empty: a translation each, and little to compute.
  it('100,000 lines in a heap that could not hold them', { timeout: 120_000 }, async () => {
    const fast = ['--beam', '1', '--max-len-b', '1'];
    const env = { ...process.env, NODE_OPTIONS: '--max-old-space-size=24' };
    const { status, out, err } = await translate(fast, `w1${'\n'.repeat(10)}`.repeat(10_000), env);
    expect(err).toBe('');
    expect(status).toBe(0);
    expect(out.split('\n').length).toBe(100_001);
  });
});
