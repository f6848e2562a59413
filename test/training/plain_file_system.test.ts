import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainFileSystem } from '../support/plain_file_system.js';
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
  await trainAll(options(at('straight')));
});
afterAll(() => place.remove());

/** Runs the command line on a file system that lacks what plain_file_system.c takes away. */
async function rdrop(args: string[], env: Record<string, string> = {}): Promise<void> {
  await promisify(execFile)(process.execPath, [command, ...args], {
    env: { ...process.env, LD_PRELOAD: preload as string, ...env },
  });
}

describe('a file system without hard links, flock and flushes of directories', () => {
  it('trains, goes on and ends with the same bits', async (context) => {
    if (preload === null) return context.skip('there is no C compiler');
    const run = at('plain');
    const config = at('config.json');
    const { data: _, runDirectory: __, ...rest } = options(run);
    await writeFile(config, JSON.stringify(rest));
    const begun = ['--data', at('data'), '--run', run, '--config', config];
    await rdrop(['train', ...begun, '--max-updates', '10']);
    await rdrop(['train', '--resume', '--run', run, '--max-updates', '20']);
    for (const name of ['last', 'best']) {
      expect((await modelBytes(run, name)).equals(await modelBytes(at('straight'), name)), name).toBe(true);
    }
    expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual(['best', 'last']);
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
  });
});
