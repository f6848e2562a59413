// Groups of 2 to 4 processes on loopback: what they exchange, and how each learns that another is gone.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, afterEach, expect, test } from 'vitest';
import { asRdropError } from '../../lib/util/errors.js';
import { freePort } from '../support/free_port.js';
import { groupOptions, type Rank, RankPool, startRanks } from '../support/ranks.js';

const pool = new RankPool();
afterEach(() => pool.release());
afterAll(() => pool.end());

const started = async (size: number, options: Parameters<typeof startRanks>[1] = {}): Promise<Rank[]> =>
  startRanks(size, options, await pool.take(size));

/** The error of a call and how long it took to come, in seconds. */
async function failure(call: Promise<unknown>) {
  const start = performance.now();
  const error = await call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (reason: unknown) => asRdropError(reason),
  );
  return { code: error.code, message: error.message, seconds: (performance.now() - start) / 1000 };
}

const all = <T>(ranks: Rank[], name: string, ...values: unknown[]) =>
  Promise.all(ranks.map((rank) => rank.call<T>(name, ...values)));

test('sums in the order of ranks, gathers different lengths, broadcasts what rank 0 has', async () => {
  const ranks = await started(3);
  // 1 + 1e-17·… is lost or kept by the order of addition.
  const parts = [Float64Array.of(1e16, 1), Float64Array.of(1, 2), Float64Array.of(-1e16, 3)];
  const sums = await Promise.all(ranks.map((rank, i) => rank.call<Float64Array>('sum', parts[i])));
  for (const sum of sums) expect([...sum]).toEqual([1e16 + 1 - 1e16, 6]);

  const texts = ['', 'of rank one', 'two'].map((text) => new TextEncoder().encode(text));
  const gathered = await Promise.all(ranks.map((rank, i) => rank.call<Uint8Array[]>('gather', texts[i])));
  for (const list of gathered)
    expect(list.map((bytes) => [...bytes])).toEqual(texts.map((text) => [...text]));

  const sent = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
  const received = await Promise.all(
    ranks.map((rank, i) => rank.call<Uint8Array>('broadcast', i === 0 ? sent : null)),
  );
  for (const bytes of received) expect(Buffer.compare(bytes, sent)).toBe(0);
  expect((await all<Uint8Array>(ranks, 'broadcast', new Uint8Array())).map(({ length }) => length)).toEqual([
    0, 0, 0,
  ]);
  expect((await all<Float64Array>(ranks, 'sum', new Float64Array()))[0]).toHaveLength(0);
  expect((await all<number>(ranks, 'waited')).every((seconds) => seconds > 0)).toBe(true);
});

test('a group of one needs nobody', async () => {
  const [rank] = await started(1);
  expect(await rank!.call('sum', Float64Array.of(3, 4))).toEqual(Float64Array.of(3, 4));
  expect(await rank!.call('gather', Uint8Array.of(7))).toEqual([Uint8Array.of(7)]);
});

test('fail() ends the calls of the others with the message and the rank', async () => {
  const ranks = await started(3);
  const waiting = [0, 2].map((i) => failure(ranks[i]!.call('sum', Float64Array.of(1))));
  await ranks[1]!.call('fail', 'the disk of rank one is full');
  for (const { code, message, seconds } of await Promise.all(waiting)) {
    expect(code).toBe('RANK_FAILED');
    expect(message).toContain('rank 1 of 3 ended with an error: the disk of rank one is full');
    expect(seconds).toBeLessThan(5);
  }
  expect((await failure(ranks[0]!.call('gather', new Uint8Array()))).code).toBe('RANK_FAILED');
});

// What follows waits for time-outs. Groups that have nothing to do with each other wait at the same time.
test('a killed rank of 3, the first or another, is named by the others', async () => {
  const lost = [0, 2];
  const groups = await Promise.all(lost.map(() => started(3, { timeoutSeconds: 10 })));
  const waiting = groups.map((ranks, i) => {
    const others = ranks.filter((_, rank) => rank !== lost[i]);
    return others.map((rank) => failure(rank.call('sum', Float64Array.of(1))));
  });
  groups.forEach((ranks, i) => {
    ranks[lost[i]!]!.process.kill('SIGKILL');
  });
  for (const [i, rank] of lost.entries())
    for (const { code, message, seconds } of await Promise.all(waiting[i]!)) {
      expect(code).toBe('RANK_LOST');
      expect(message).toContain(`rank ${rank} of 3 is lost`);
      expect(seconds).toBeLessThan(10);
    }
});

async function expectStoppedLost(ranks: Rank[], lost: number): Promise<void> {
  const other = ranks[1 - lost]!;
  ranks[lost]!.process.kill('SIGSTOP');
  const { code, message, seconds } = await failure(other.call('sum', Float64Array.of(1)));
  expect(code).toBe('RANK_LOST');
  expect(message).toContain(`rank ${lost} of 2 is lost`);
  expect(seconds).toBeLessThan(2.5);
  expect(seconds).toBeGreaterThan(1);
  ranks[lost]!.process.kill('SIGCONT');
  other.process.kill('SIGKILL');
  expect((await failure(ranks[lost]!.call('sum', Float64Array.of(1)))).code).toBe('RANK_LOST');
}

async function expectLateAwaited(ranks: Rank[]): Promise<void> {
  const waiting = ranks[0]!.call<Float64Array>('sum', Float64Array.of(1));
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await ranks[1]!.call('sum', Float64Array.of(2));
  expect([...(await waiting)]).toEqual([3]);
}

test('a stopped rank of 2, either one, is lost after the timeout and learns so itself; one that is late but alive is waited for', async () => {
  const stopped = await Promise.all([0, 1].map(() => started(2, { timeoutSeconds: 2 })));
  const late = await started(2, { timeoutSeconds: 1 });
  await Promise.all([
    ...stopped.map((ranks, lost) => expectStoppedLost(ranks, lost)),
    expectLateAwaited(late),
  ]);
});

test('dispose() ends calls under way, and the others learn who left', async () => {
  const ranks = await started(2, { timeoutSeconds: 10 });
  const { code } = await failure(ranks[0]!.call('sumAndDispose', Float64Array.of(1)));
  expect(code).toBe('DISPOSED');
  expect((await failure(ranks[0]!.call('sum', Float64Array.of(1)))).code).toBe('DISPOSED');
  const other = await failure(ranks[1]!.call('gather', new Uint8Array()));
  expect(other.code).toBe('RANK_LOST');
  expect(other.message).toContain('rank 0 of 2');
});

test('a process that exits while it waits for the others does not hang', async () => {
  const ranks = await started(2);
  ranks[0]!.call('sum', Float64Array.of(1)).catch(() => {});
  const exited = new Promise((resolve) => ranks[0]!.process.once('exit', resolve));
  ranks[0]!.call('exit').catch(() => {});
  expect(await exited).toBe(0);
});

test('a rank that does not come is named, so are a taken port and a store that is not there', async () => {
  const ranks = await pool.take(4);
  const join = (rank: number, options: unknown) => failure(ranks[rank]!.call('join', options));
  const options = await groupOptions(3, { timeoutSeconds: 1 });
  const server = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '::', resolve));
  const [taken] = await groupOptions(2, { timeoutSeconds: 1, port });
  const [, nobody] = await groupOptions(2, { timeoutSeconds: 1 });
  const [refused, lonely, ...missing] = await Promise.all([
    ...[join(2, taken), join(3, nobody)],
    ...[0, 1].map((rank) => join(rank, options[rank])),
  ]);
  server.close();
  for (const { code, message } of missing) {
    expect(code).toBe('RANK_LOST');
    expect(message).toContain('rank 2 of 3 did not come to 127.0.0.1:');
  }
  expect(refused!.code).toBe('DISTRIBUTED_UNAVAILABLE');
  expect(refused!.message).toContain(`127.0.0.1:${port}`);
  expect(refused!.message).toContain('Is the port taken?');
  expect(lonely!.code).toBe('DISTRIBUTED_UNAVAILABLE');
  expect(lonely!.message).toContain('Is rank 0 running');
});

test('the store of a run on one machine listens to that machine alone', async () => {
  const port = await freePort();
  await started(2, { port });
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, '0');
  const listening = ['tcp', 'tcp6'].flatMap((family) =>
    readFileSync(`/proc/net/${family}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(`:${hexadecimal}`) && state === '0A')
      .map(([, local]) => local),
  );
  expect(listening).toEqual([`0100007F:${hexadecimal}`]);
});

test('two sizes, two processes of one rank, an unknown host and no library are refused', async () => {
  const ranks = await pool.take(5);
  const join = (rank: number, options: unknown) => ranks[rank]!.call('join', options);
  const two = await groupOptions(2, { timeoutSeconds: 3 });
  const again = await groupOptions(2, { timeoutSeconds: 3 });
  const [sizes, twins] = await Promise.all([
    Promise.all([failure(join(0, two[0])), failure(join(1, { ...two[1], worldSize: 3 }))]),
    Promise.allSettled([join(2, again[0]), join(3, again[1]), join(4, again[1])]),
  ]);
  expect(sizes.map(({ code }) => code)).toContain('INVALID_ARGUMENT');
  const rejected = twins.filter((each) => each.status === 'rejected');
  expect(rejected).toHaveLength(1);
  expect(asRdropError(rejected[0]!.reason).message).toContain('has the same rank');
  const [unknown] = await groupOptions(2, { address: 'host.invalid' });
  expect((await failure(join(0, unknown))).message).toContain('host.invalid is not known');
  const lacking = await failure(join(0, { ...two[0], library: '/nowhere/librdrop_distributed.so' }));
  expect(lacking.code).toBe('DISTRIBUTED_UNAVAILABLE');
  expect(lacking.message).toContain('tried /nowhere/librdrop_distributed.so');
  expect(lacking.message).toContain('Next: npx rdrop doctor');
});
