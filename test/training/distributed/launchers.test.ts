// Processes that something else starts: by hand as torchrun does, by torchrun, and in two network namespaces.
import { execFileSync } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../support/free_port.js';
import { makeReversalData, modelBytes, trainAll, workplace } from '../tiny_run.js';
import { withoutLibrary } from './library.js';
import { type Ended, launch, sharedOptions } from './run.js';

const because = withoutLibrary === null ? '' : ` (left out: ${withoutLibrary})`;
const rdrop = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);

beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'), { train: 130, valid: 21, test: 19 });
});
afterAll(() => place.remove());

/** The arguments of `rdrop train` for a run of these tests. */
async function argumentsOf(name: string, more: object = {}): Promise<string[]> {
  const { runDirectory: _r, data: _d, ...options } = { ...sharedOptions('', ''), ...more };
  const config = at(`${name}.json`);
  await writeFile(config, JSON.stringify(options));
  return [rdrop, 'train', '--run', at(name), '--config', config, '--set', 'distributed.timeoutSeconds=5'];
}

const environment = (rank: number, port: number, worldSize = 2) => ({
  RANK: `${rank}`,
  LOCAL_RANK: `${rank}`,
  WORLD_SIZE: `${worldSize}`,
  LOCAL_WORLD_SIZE: `${worldSize}`,
  MASTER_ADDR: '127.0.0.1',
  MASTER_PORT: `${port}`,
});

/** Two processes by hand. */
async function byHand(
  name: string,
  perRank: (rank: number) => string[],
  more: object = {},
): Promise<Ended[]> {
  const args = await argumentsOf(name, more);
  const port = await freePort();
  return Promise.all(
    [0, 1].map(
      (rank) => launch(process.execPath, [...args, ...perRank(rank)], environment(rank, port)).ended,
    ),
  );
}

/** Whether a program answers. */
function answers(program: string, args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(withoutLibrary !== null)(`rdrop train in the environment of torchrun${because}`, () => {
  it('is one run, which rank 0 tells of', async () => {
    const [first, second] = await byHand('hand', () => ['--data', at('data'), '--json']);
    expect([first!.status, second!.status, second!.stdout, second!.stderr]).toEqual([0, 0, '', '']);
    expect(JSON.parse(first!.stdout)).toMatchObject({ reason: 'maxUpdates', update: 20, worldSize: 2 });
    await trainAll({ ...sharedOptions(at('data'), at('processes')), distributed: { processes: 2 } });
    expect(await modelBytes(at('hand'))).toEqual(await modelBytes(at('processes')));
    // Which rank a process was is no part of the run.
    expect(JSON.parse(await readFile(join(at('hand'), 'config.json'), 'utf8')).distributed).toBeUndefined();
  }, 60_000);

  it('ends on all ranks where one has other data', async () => {
    await cp(at('data'), at('other'), { recursive: true });
    const text = await readFile(at('other/train.en'), 'utf8');
    await writeFile(at('other/train.en'), text.replace('w1', 'w2'));
    const ended = await byHand('differ', (rank) => ['--data', at(rank === 1 ? 'other' : 'data')]);
    for (const { status, stderr } of ended) {
      expect(status).toBe(1);
      expect(stderr).toMatch(/rank 1 has other data than rank 0 .*: train\.en/);
    }
  }, 60_000);

  it('ends on all ranks where one has other options', async () => {
    const ended = await byHand('options', (rank) => ['--data', at('data'), '--seed', `${3 + rank}`]);
    for (const { status, stderr } of ended) {
      expect(status).toBe(1);
      expect(stderr).toMatch(/rank 1 .*(was started with other options than rank 0: seed|RANKS_DIFFER)/);
    }
  }, 60_000);

  it('ends within the timeout where a rank does not come', async () => {
    const args = await argumentsOf('missing');
    const began = performance.now();
    const alone = launch(
      process.execPath,
      [...args, '--data', at('data'), '--set', 'distributed.joinSeconds=2'],
      environment(0, await freePort()),
    );
    const { status, stderr } = await alone.ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/rank 1|RANK_LOST|did not join|timed out/);
    expect(performance.now() - began).toBeLessThan(15_000);
  }, 60_000);

  it('ends on both with a checkpoint when one is interrupted, and continues', async () => {
    const args = [...(await argumentsOf('stopped', { maxUpdates: 1_000_000 })), '--data', at('data')];
    const port = await freePort();
    let interrupt: (() => void) | undefined;
    const ranks = [0, 1].map((rank) =>
      launch(process.execPath, args, environment(rank, port), (text) => {
        if (text.includes('update 5')) interrupt?.();
      }),
    );
    interrupt = () => {
      interrupt = undefined;
      process.kill(ranks[1]!.pid, 'SIGINT');
    };
    const [first, second] = await Promise.all(ranks.map(({ ended }) => ended));
    expect(second!.status).toBe(130);
    expect(first!.status).toBe(1);
    expect(first!.stdout).toMatch(/stopped after update \d+; continue with: rdrop train --resume/);
    const again = [rdrop, 'train', '--resume', '--run', at('stopped'), '--max-updates', '25', '--json'];
    const next = await freePort();
    const resumed = [0, 1].map((rank) => launch(process.execPath, again, environment(rank, next)).ended);
    const [told] = await Promise.all(resumed);
    expect(told).toMatchObject({ status: 0 });
  }, 60_000);

  it('trains alone where --processes 1 says so', async () => {
    const args = [...(await argumentsOf('alone')), '--data', at('data'), '--processes', '1', '--json'];
    const { status, stdout } = await launch(process.execPath, args, environment(1, 1)).ended;
    expect(status).toBe(0);
    expect(JSON.parse(stdout).worldSize).toBeUndefined();
  }, 60_000);
});

const python = process.env['RDROP_TEST_TORCHRUN'] ?? 'python3';
const torchReason =
  withoutLibrary ??
  (answers(python, ['-c', 'import torch.distributed.run'])
    ? null
    : `${python} has no torch (RDROP_TEST_TORCHRUN names one that has)`);

it('torchrun starts rdrop as it starts PyTorch', async (context) => {
  if (torchReason !== null) return context.skip(torchReason);
  const train = [...(await argumentsOf('torchrun')), '--data', at('data'), '--json'];
  const torchrun = ['-m', 'torch.distributed.run', '--no-python', '--standalone', '--nproc-per-node', '2'];
  const { status, stdout, stderr } = await launch(python, [...torchrun, '--', process.execPath, ...train], {})
    .ended;
  expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toMatchObject({ reason: 'maxUpdates', update: 20, worldSize: 2 });
}, 120_000);
