import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { plainFileSystem } from '../support/files/plain_file_system.js';
import { canMakeNamespaces, inOwnNamespace } from '../support/namespaces.js';
import { scratchDirectory } from '../support/scratch.js';

const contender = fileURLToPath(new URL('contender.mjs', import.meta.url));
const long = process.env['RDROP_TEST_LONG'] === '1';

interface Outcome {
  acquired: number;
  doubles: number;
  refused: number;
}

async function contend(
  options: Record<string, unknown>,
  { prefix = [], preload }: { prefix?: string[]; preload?: string | undefined } = {},
): Promise<Outcome> {
  const command = [...prefix, process.execPath, contender, JSON.stringify(options)];
  const child: ChildProcess = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...(preload && { LD_PRELOAD: preload }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout?.on('data', (text) => {
    output += text;
  });
  child.stderr?.on('data', (text) => {
    errors += text;
  });
  await once(child, 'close');
  if (output === '') throw new Error(`a contender ended without a report: ${errors}`);
  return JSON.parse(output);
}

/** The number of a process that is gone. */
async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid as number;
}

/** Runs contenders at once and sums up what they say. */
async function race(contenders: Promise<Outcome>[]): Promise<Outcome> {
  const sum = { acquired: 0, doubles: 0, refused: 0 };
  for (const outcome of await Promise.all(contenders)) {
    for (const key of ['acquired', 'doubles', 'refused'] as const) sum[key] += outcome[key];
  }
  return sum;
}

/** The lock, or none; and nothing that a dead process left beside it. */
const remains = (path: string) => readdirSync(path).filter((name) => !/^run\.lock(-witness)?$/.test(name));

describe('processes that want one lock', () => {
  const processes = long ? 8 : 4;
  const count = long ? 400 : 40;

  it('never hold it at once, though nine times of ten it lies there stale', {
    timeout: 300_000,
  }, async () => {
    const directory = scratchDirectory();
    const path = join(directory, 'run.lock');
    const dead = await deadProcess();
    const each = { path, count, leave: 0.9, dead };
    const sum = await race(Array.from({ length: processes }, (_, seed) => contend({ ...each, seed })));
    expect(sum).toEqual({ acquired: processes * count, doubles: 0, refused: expect.any(Number) });
    expect(remains(directory)).toEqual([]);
  });

  it('nor where the file system has neither hard links nor flock', { timeout: 300_000 }, async (context) => {
    const directory = scratchDirectory();
    const preload = plainFileSystem(scratchDirectory());
    if (preload === null) return context.skip('there is no C compiler');
    const path = join(directory, 'run.lock');
    const each = { path, count: count / 2, leave: 0.9, dead: await deadProcess() };
    const sum = await race(
      Array.from({ length: processes }, (_, seed) => contend({ ...each, seed }, { preload })),
    );
    expect(sum).toEqual({ acquired: (processes * count) / 2, doubles: 0, refused: expect.any(Number) });
    expect(remains(directory)).toEqual([]);
  });

  it('nor where they are killed with it, and some live in name spaces of their own', {
    timeout: 300_000,
  }, async () => {
    const directory = scratchDirectory();
    const path = join(directory, 'run.lock');
    const own = canMakeNamespaces();
    // Process 1 of a name space cannot kill itself.
    const places = own ? [[], [...inOwnNamespace, 'sh', '-c', '"$@"; true', 'sh']] : [[]];
    const rounds = long ? 60 : 3;
    const lane = async (prefix: string[], lane: number) => {
      const sums = { acquired: 0, doubles: 0, refused: 0 };
      for (let round = 0; round < rounds; round++) {
        const options = { path, count: 5, seed: 1000 * lane + round, killed: true };
        const outcome = await contend(options, { prefix });
        for (const key of ['acquired', 'doubles', 'refused'] as const) sums[key] += outcome[key];
      }
      return sums;
    };
    const lanes = [...places, ...places].map(lane);
    const sum = await race(lanes);
    expect(sum).toEqual({
      acquired: lanes.length * rounds * 5,
      doubles: 0,
      refused: expect.any(Number),
    });
    // The last one was killed with the lock; what it left is free, and of those before nothing is left.
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ id: expect.any(String) });
    expect(remains(directory)).toEqual([]);
  });

  it('clear away what dead ones left beside it, and nothing else', async () => {
    const directory = scratchDirectory();
    const path = join(directory, 'run.lock');
    const dead = await deadProcess();
    const owner = JSON.stringify({ pid: dead, host: 'elsewhere', started: '1', boot: null, lease: 1 });
    const ours = { pid: dead, host: (await import('node:os')).hostname(), started: '1' };
    writeFileSync(`${path}.0123456789abcdef.claim`, JSON.stringify(ours));
    writeFileSync(`${path}.0123456789abcdee.part`, '');
    writeFileSync(`${path}.01234567`, JSON.stringify(ours));
    writeFileSync(`${path}.notes`, owner);
    writeFileSync(`${path}ed`, owner);
    const sum = await contend({ path, count: 1, seed: 1 });
    expect(sum).toMatchObject({ acquired: 1, doubles: 0 });
    expect(readdirSync(directory).sort()).toEqual(['run.lock.notes', 'run.locked']);
  });
});
