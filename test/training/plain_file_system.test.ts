import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainFileSystem } from '../support/files/plain_file_system.js';
import { makeReversalData, modelBytes, tinyOptions, trainAll, workplace } from './tiny_run.js';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let place: Awaited<ReturnType<typeof workplace>>;
let preload: string | null;
const at = (name: string) => join(place.path, name);
const options = (run: string) => ({ ...tinyOptions(at('data'), run), maxUpdates: 20 });
beforeAll(async () => {
  place = await workplace();
  preload = plainFileSystem(place.path);
  await makeReversalData(at('data'), { train: 80, valid: 16, test: 16 });
  const { data: _, runDirectory: __, ...rest } = options('');
  await writeFile(at('config.json'), JSON.stringify(rest));
  await trainAll(options(at('straight')));
});
afterAll(() => place.remove());

/** The arguments that begin a run. */
const begin = (run: string) => ['--data', at('data'), '--run', run, '--config', at('config.json')];

async function expectWhole(run: string, straight = at('straight')): Promise<void> {
  for (const name of ['last', 'best']) {
    expect((await modelBytes(run, name)).equals(await modelBytes(straight, name)), name).toBe(true);
  }
  expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual(['best', 'last']);
  expect(existsSync(join(run, 'run.lock'))).toBe(false);
}

/** Runs the command line on a file system that lacks what plain_file_system.c takes away. */
async function rdrop(args: string[], env: Record<string, string> = {}): Promise<void> {
  await promisify(execFile)(process.execPath, [command, ...args], {
    env: { ...process.env, LD_PRELOAD: preload as string, ...env },
  });
}

const kinds: [string, Record<string, string>][] = [
  ['hard links, flock and flushes of directories', {}],
  ['those and renames of directories', { PLAIN_FS_DIRECTORIES: '1' }],
];

describe.each(kinds)('a file system without %s', (kind, env) => {
  it('trains, goes on and ends with the same bits', { timeout: 120_000 }, async (context) => {
    if (preload === null) return context.skip('there is no C compiler');
    const run = at(`plain${kind.length}`);
    await rdrop(['train', ...begin(run), '--max-updates', '10'], env);
    await rdrop(['train', '--resume', '--run', run, '--max-updates', '20'], env);
    await expectWhole(run);
  });
});

describe('a file system without renames of directories', () => {
  it('keeps a whole checkpoint whenever the process is killed', { timeout: 300_000 }, async (context) => {
    if (preload === null) return context.skip('there is no C compiler');
    const run = at('killed');
    const env = { PLAIN_FS_DIRECTORIES: '1' };
    // Killed between two changes of files, wherever that is: the last tries come to the end.
    const kills = process.env['RDROP_TEST_LONG'] === '1' ? 60 : 4;
    const often = ['--set', 'checkpointInterval=1', '--set', 'validation.interval=2'];
    let begun = false;
    for (let i = 0; i < kills; i++) {
      const args = begun ? ['train', '--resume', '--run', run] : ['train', ...begin(run), ...often];
      const child = spawn(process.execPath, [command, ...args], {
        env: { ...process.env, LD_PRELOAD: preload as string, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let errors = '';
      child.stderr.on('data', (text) => {
        errors += text;
      });
      const ended = once(child, 'exit');
      while (!existsSync(join(run, 'run.lock')) && child.exitCode === null) await sleep(2);
      await Promise.race([ended, sleep(150 + ((i * 67) % 130))]);
      child.kill('SIGKILL');
      await ended;
      expect(errors).not.toMatch(/rdrop: [A-Z_]+: /);
      begun ||= existsSync(join(run, 'config.json'));
    }
    await rdrop(begun ? ['train', '--resume', '--run', run] : ['train', ...begin(run), ...often], env);
    await trainAll({
      ...options(at('often')),
      checkpointInterval: 1,
      validation: { ...options('').validation, interval: 2 },
    });
    await expectWhole(run, at('often'));
  });

  it('prepares and replaces data', { timeout: 60_000 }, async (context) => {
    if (preload === null) return context.skip('there is no C compiler');
    const env = { PLAIN_FS_DIRECTORIES: '1' };
    const raw = (split: string) => at(join('data', 'raw', split));
    const args = ['prepare', '--source', 'de', '--target', 'en', '--bpe', '0', '--tokenizer', 'none'];
    const files = ['--train', raw('valid'), '--valid', raw('test'), '--out', at('prepared')];
    await rdrop([...args, ...files], env);
    const before = readdirSync(at('prepared'), { recursive: true }).sort();
    await rdrop([...args, ...files, '--overwrite'], env);
    expect(readdirSync(at('prepared'), { recursive: true }).sort()).toEqual(before);
    expect(before).toEqual(expect.arrayContaining(['text.json', 'dict.txt', join('raw', 'valid.de')]));
    expect(readdirSync(place.path).filter((name) => /^prepared\./.test(name))).toEqual([]);
  });
});
