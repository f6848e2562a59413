// Two network namespaces, as two machines on one cable: a run over both, and what becomes of it when the cable is cut.
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeReversalData, workplace } from '../tiny_run.js';
import { withoutLibrary } from './library.js';
import { launch, sharedOptions } from './run.js';

const rdrop = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const names = [0, 1].map((rank) => `rdrop-${process.pid}-${rank}`);
const links = [0, 1].map((rank) => `rd${process.pid % 1_000_000}v${rank}`);
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'ignore' });

function removeNamespaces(): void {
  for (const name of names) {
    try {
      ip('netns', 'del', name);
    } catch {
      // It was not made.
    }
  }
}

/** Why there are none; null: they are made. */
function makeNamespaces(): string | null {
  try {
    for (const name of names) ip('netns', 'add', name);
    ip(
      'link',
      'add',
      links[0]!,
      'netns',
      names[0]!,
      'type',
      'veth',
      'peer',
      'name',
      links[1]!,
      'netns',
      names[1]!,
    );
    for (const rank of [0, 1]) {
      ip('-n', names[rank]!, 'address', 'add', `10.231.7.${1 + rank}/24`, 'dev', links[rank]!);
      ip('-n', names[rank]!, 'link', 'set', links[rank]!, 'up');
      ip('-n', names[rank]!, 'link', 'set', 'lo', 'up');
    }
    return null;
  } catch (error) {
    removeNamespaces();
    return `no network namespaces can be made here (${(error as Error).message})`;
  }
}

const reason = withoutLibrary ?? makeNamespaces();
let place: Awaited<ReturnType<typeof workplace>>;

beforeAll(async () => {
  place = await workplace();
  await makeReversalData(join(place.path, 'data'), { train: 130, valid: 21, test: 19 });
});
afterAll(async () => {
  removeNamespaces();
  await place.remove();
});

describe.skipIf(reason !== null)(`two machines${reason === null ? '' : ` (left out: ${reason})`}`, () => {
  it('train one run; when the link goes down, both end within the timeout and name the other', async () => {
    const { runDirectory: _r, data: _d, ...options } = sharedOptions('', '');
    const config = join(place.path, 'config.json');
    await writeFile(config, JSON.stringify({ ...options, maxUpdates: 1_000_000 }));
    const args = ['--data', join(place.path, 'data'), '--run', join(place.path, 'run'), '--config', config];
    let cut = 0;
    const ranks = [0, 1].map((rank) =>
      launch(
        'ip',
        [
          ...['netns', 'exec', names[rank]!, process.execPath, rdrop, 'train', ...args],
          ...['--set', 'distributed.timeoutSeconds=4'],
        ],
        { RANK: `${rank}`, WORLD_SIZE: '2', MASTER_ADDR: '10.231.7.1', MASTER_PORT: '29507' },
        (text) => {
          if (cut > 0 || !/update \d+: loss/.test(text)) return;
          cut = performance.now();
          ip('-n', names[1]!, 'link', 'set', links[1]!, 'down');
        },
      ),
    );
    const ended = await Promise.all(ranks.map((rank) => rank.ended));
    expect(performance.now() - cut).toBeLessThan(8000);
    for (const [rank, { status, stderr }] of ended.entries()) {
      expect([rank, status]).toEqual([rank, 1]);
      expect(stderr).toMatch(rank === 0 ? /rank 1/ : /rank 0/);
    }
  }, 90_000);
});
