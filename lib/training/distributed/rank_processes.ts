/** Rank 0's side of the processes that it starts for the other ranks. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DistributedOptions } from '../../options/distributed.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { packageRoot } from '../../util/package_root.js';
import type { FromRank, RankStart, ToRank } from './messages.js';

/** Characters of standard error that are kept of each process. */
const tailLength = 2000;
/** Milliseconds that a process has to end by itself when its channel is closed. */
const patience = 10_000;
/** Milliseconds to wait for the end of a process that is lost, so that it can be told of. */
const mourning = 500;

/** The compiled program, also where the TypeScript itself or a bundle of it is being run. */
const rankEntry = () => join(packageRoot, 'dist/training/distributed/rank.js');

interface Rank {
  rank: number;
  child: ChildProcess;
  tail: string;
  /** How it ended; null while it runs. */
  ended: string | null;
  failed: (FromRank & { type: 'failed' }) | null;
  closed: Promise<void>;
}

export class RankProcesses {
  readonly #ranks: Rank[] = [];
  /** Rejects when a process ends while it is still wanted. */
  readonly failure: Promise<never>;
  #fail: (error: RdropError) => void = () => {};
  #wanted = true;
  readonly #killAll = (): void => this.kill();

  private constructor() {
    this.failure = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    // It counts only while somebody waits for it.
    this.failure.catch(() => {});
    process.once('exit', this.#killAll);
  }

  /** @param placed where the ranks meet; each has its rank and worldSize besides */
  static start(count: number, start: RankStart, placed: DistributedOptions): RankProcesses {
    const all = new RankProcesses();
    for (let rank = 1; rank < count; rank++) {
      all.#start(rank, start, { ...placed, rank, worldSize: count, localRank: rank, localRanks: count });
    }
    return all;
  }

  get pids(): number[] {
    return this.#ranks.flatMap(({ child }) => child.pid ?? []);
  }

  #start(rank: number, start: RankStart, distributed: DistributedOptions): void {
    const child = fork(rankEntry(), [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      // What a test or a tool gave to this process is not meant for the compiled program.
      execArgv: [],
      // Ranks that share the cores must not spin while they wait.
      env: { OMP_WAIT_POLICY: 'passive', ...process.env },
    });
    const entry: Rank = { rank, child, tail: '', ended: null, failed: null, closed: Promise.resolve() };
    this.#ranks.push(entry);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      entry.tail = (entry.tail + text).slice(-tailLength);
    });
    child.on('message', (message: FromRank) => {
      if (message.type === 'ready')
        child.send({ type: 'start', start, distributed } satisfies ToRank, () => {});
      else entry.failed = message;
    });
    entry.closed = new Promise((resolve) => {
      const over = (how: string) => {
        entry.ended ??= how;
        if (this.#wanted) this.#fail(this.#lost(entry));
        resolve();
      };
      child.on('error', (error) => over(`could not be started (${error.message})`));
      // Not 'close', which does not come where this side closed the channel; but after all that was said.
      const said = new Promise((heard) => child.stderr?.once('close', heard));
      child.on('exit', (status, signal) => {
        const how = signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
        void said.then(() => over(how));
      });
    });
    // A rank that waits does not keep the program running.
    child.unref();
    child.channel?.unref();
    (child.stderr as Socket | null)?.unref();
  }

  /** The error of a process that has ended. */
  #lost(entry: Rank): RdropError {
    const { rank, failed } = entry;
    if (failed === null) {
      return new RdropError('RANK_LOST', `rank ${rank}: its process ${entry.ended}${wordsOf(entry)}`);
    }
    const cause = asRdropError(Object.assign(new Error(failed.message), { code: failed.code }));
    return new RdropError('RANK_FAILED', `rank ${rank} failed: ${failed.code}: ${failed.message}`, { cause });
  }

  /** An error with what the processes that were lost have said last. The run is over then: those that are left, or hang, are ended. */
  async explain(error: unknown): Promise<unknown> {
    const { code, message } = asRdropError(error);
    if (code !== 'RANK_LOST') return error;
    const wanted = this.#wanted;
    this.#wanted = false;
    await Promise.race([Promise.all(this.#ranks.map(({ closed }) => closed)), sleep(mourning)]);
    const died = this.#ranks.filter(({ ended, failed }) => ended !== null && failed === null);
    if (wanted) this.kill();
    if (died.length === 0 || message.includes('its process')) return error;
    const words = died.map((entry) => `rank ${entry.rank}: its process ${entry.ended}${wordsOf(entry)}`);
    return new RdropError('RANK_LOST', `${message}; ${words.join('; ')}`, { cause: error });
  }

  /** Ends them at once. */
  kill(): void {
    this.#wanted = false;
    for (const { child, ended } of this.#ranks) if (ended === null) child.kill('SIGKILL');
    process.off('exit', this.#killAll);
  }

  /** Lets them end, and ends those that do not. Idempotent. */
  end(): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    for (const { child } of this.#ranks) if (child.connected) child.disconnect();
    void Promise.all(this.#ranks.map(({ closed }) => closed)).then(() => process.off('exit', this.#killAll));
    setTimeout(() => this.kill(), patience).unref();
  }

  /** Resolves when all have ended. */
  async ended(): Promise<void> {
    for (const { child, ended } of this.#ranks) {
      if (ended !== null) continue;
      child.ref();
      (child.stderr as Socket | null)?.ref();
    }
    await Promise.all(this.#ranks.map(({ closed }) => closed));
  }
}

function wordsOf({ tail }: Rank): string {
  const words = tail.trim();
  return words === '' ? '' : `\nthe end of its standard error:\n${words}`;
}
