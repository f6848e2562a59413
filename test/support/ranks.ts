// Ranks of one run as processes of their own (distributed/rank.mjs), which tests call one by one.
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { NativeGroupOptions } from '../../lib/native/contract.js';
import { RdropError } from '../../lib/util/errors.js';
import { packageRoot } from '../../lib/util/package_root.js';
import { freePort } from './free_port.js';

export class Rank {
  readonly process: ChildProcess;
  #next = 0;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: unknown) => void }
  >();

  constructor(env: Record<string, string> = {}) {
    this.process = fork(join(packageRoot, 'test/distributed/rank.mjs'), {
      serialization: 'advanced',
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
    });
    this.process.on('message', (message) => {
      const { id, value, error } = message as {
        id: number;
        value?: unknown;
        error?: { code: ConstructorParameters<typeof RdropError>[0]; message: string };
      };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new RdropError(error.code, error.message));
      else waiting?.resolve(value);
    });
    this.process.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the process of a rank ended'));
      this.#waiting.clear();
    });
  }

  /** Calls what rank.mjs has under the name. */
  call<T = unknown>(name: string, ...values: unknown[]): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.process.send({ id, name, values });
    });
  }
}

/** Ends the processes, the stopped ones too. */
export function endRanks(ranks: readonly Rank[]): void {
  for (const { process } of ranks) process.kill('SIGKILL');
}

/** What joins ranks on loopback, for each of them. */
export async function groupOptions(
  size: number,
  options: Partial<NativeGroupOptions> = {},
): Promise<Omit<NativeGroupOptions, 'library'>[]> {
  const port = options.port ?? (await freePort());
  const prefix = randomUUID();
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    worldSize: size,
    address: '127.0.0.1',
    serve: rank === 0,
    prefix,
    timeoutSeconds: 30,
    joinSeconds: options.timeoutSeconds ?? 30,
    backend: 'gloo',
    ...options,
    port,
  }));
}

/** Starts ranks, or takes such as are given, and has them join: all at once, so that the time-out of a group is not that of starting them. */
export async function startRanks(
  size: number,
  options: Partial<NativeGroupOptions> = {},
  ranks: readonly Rank[] = Array.from({ length: size }, () => new Rank()),
): Promise<Rank[]> {
  const all = await groupOptions(size, options);
  try {
    await Promise.all(ranks.map((rank) => rank.call('ready')));
    await Promise.all(ranks.map((rank, i) => rank.call('join', all[i])));
  } catch (error) {
    endRanks(ranks);
    throw error;
  }
  return [...ranks];
}

/** Processes that are ranks of one group after another: to start one takes longer than most of what a test does with it. */
export class RankPool {
  readonly #free: Rank[] = [];
  readonly #taken: Rank[] = [];

  /** Processes that are there, in no group. */
  async take(count: number): Promise<Rank[]> {
    const ranks = Array.from({ length: count }, () => this.#free.pop() ?? new Rank());
    this.#taken.push(...ranks);
    await Promise.all(ranks.map((rank) => rank.call('ready')));
    return ranks;
  }

  /** A test is over: those that got no signal leave their groups and serve the next one. */
  async release(): Promise<void> {
    for (const rank of this.#taken.splice(0)) {
      const { killed, exitCode } = rank.process;
      if (killed || exitCode !== null) endRanks([rank]);
      else {
        await rank.call('leave');
        this.#free.push(rank);
      }
    }
  }

  async end(): Promise<void> {
    await this.release();
    endRanks(this.#free.splice(0));
  }
}
