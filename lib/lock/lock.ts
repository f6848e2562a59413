import { closeSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { RdropError } from '../util/errors.js';
import { fileError } from '../util/files/files.js';
import { Claim, type ClaimOwner, clearLeftovers, waitUntilAlone } from './claim.js';
import { judgeLock, type LockState } from './lock_state.js';
import { lockText, parseOwner, thisProcess } from './owner.js';

export interface LockOptions {
  /** What is locked, in messages: 'run', 'sweep', … */
  what: string;
  /** Takes the lock from its holder: that process finds out before its next write. Default false. */
  unlock?: boolean | undefined;
  /** Ends the waiting for a holder that is about to end. */
  signal?: AbortSignal | undefined;
  /** Told, once, when another holder was found in the lock file. */
  onLost?: ((error: RdropError) => void) | undefined;
  /** Milliseconds without a renewal after which another machine may take the lock; for tests. */
  lease?: number;
}

const usualLease = 60_000;
/** Renewals in a lease: an event loop that is busy for some of them loses nothing. */
const renewals = 12;
/** Milliseconds to wait for processes that take the lock at this very moment. */
const contention = 10_000;
/** Milliseconds to wait for a holder that was told to end. */
const endingPatience = 60_000;

/**
 * One writer for a directory: `path` is a file that names the holder. A holder on this machine has the lock as long as its
 * process lives, and no longer; one that cannot be seen from here (another machine) as long as it renews the file, which is
 * a lease. A process that lost the lock finds another owner in the file: verify() before each write.
 *
 * To take it, a process puts a claim beside it, a file with a name of its own that becomes the lock by a rename, and looks
 * at the lock only while no other claim is there (lock_claim.ts). So there is one at a time who judges and replaces a stale
 * lock, no name is ever deleted that somebody else could have made anew, and a claim that is thought dead and removed
 * cannot become the lock any more. It needs neither hard links nor a clock that two machines share: ages are differences of
 * times that the file system gave.
 */
export class Lock {
  readonly #path: string;
  readonly #what: string;
  readonly #onLost: LockOptions['onLost'];
  readonly #owner: ClaimOwner;
  readonly #fd: number;
  readonly #timer: NodeJS.Timeout;
  #renewed = Date.now();
  #renewing = false;
  #lost: RdropError | null = null;
  #released = false;

  private constructor(path: string, { what, onLost }: LockOptions, claim: Claim) {
    this.#path = path;
    this.#what = what;
    this.#onLost = onLost;
    this.#owner = claim.owner;
    this.#fd = claim.fd;
    this.#timer = setInterval(() => void this.#renew(), claim.owner.lease / renewals).unref();
  }

  /** @throws RdropError RUN_LOCKED, FILE_UNWRITABLE, FILE_UNREADABLE, DISK_FULL, ABORTED */
  static async acquire(path: string, options: LockOptions): Promise<Lock> {
    const began = performance.now();
    const watched = new Watched();
    for (let attempt = 1; ; attempt++) {
      if (options.signal?.aborted)
        throw new RdropError('ABORTED', `${path}: waiting for the lock was aborted`);
      let outcome: Lock | LockState['verdict'];
      try {
        outcome = await Lock.#attempt(path, options, began, watched);
      } catch (error) {
        throw fileError(error, path, 'write');
      }
      if (outcome instanceof Lock) return outcome;
      await sleep(
        outcome === 'silent' ? 200 : outcome === 'ending' ? 20 : Math.random() * Math.min(50, 2 * attempt),
      );
    }
  }

  /** The lock, or why to try again: its holder ends, or is watched, or others want it at the same moment (free). */
  static async #attempt(
    path: string,
    options: LockOptions,
    began: number,
    watched: Watched,
  ): Promise<Lock | 'ending' | 'silent' | 'free'> {
    const { what, unlock = false, lease = usualLease } = options;
    const claim = await Claim.make(path, { ...thisProcess(), lease, ending: false });
    if (claim === null) return 'free';
    try {
      if (!(await waitUntilAlone(claim, path, { what, until: began + contention, unlock }))) return 'free';
      const state = await judgeLock(path, claim.born);
      if (state !== null && state.verdict !== 'free' && !unlock) {
        if (state.verdict === 'ending' && performance.now() - began < endingPatience) return 'ending';
        if (state.verdict !== 'silent') throw new RdropError('RUN_LOCKED', lockedMessage(path, what, state));
        if (!watched.longEnough(state)) return 'silent';
      }
      if (!(await claim.become(path))) return 'free';
      await clearLeftovers(path, claim.born).catch(() => {});
      return new Lock(path, options, claim);
    } finally {
      await claim.withdraw();
    }
  }

  /** Throws where it is already known that the lock is lost; costs nothing. @throws RdropError RUN_LOST */
  check(): void {
    if (this.#lost !== null) throw this.#lost;
  }

  /**
   * Asks the file whether the lock is still held. To be awaited before each write that shows.
   *
   * @throws RdropError RUN_LOST, FILE_UNREADABLE
   */
  async verify(): Promise<void> {
    this.check();
    if (this.#released) throw new RdropError('RUN_LOST', `${this.#path}: the lock was given back`);
    try {
      const content = await readFile(this.#path, 'utf8');
      if (parseOwner(content)?.id !== this.#owner.id) this.#lose(content);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(error, this.#path, 'read');
      this.#lose(null);
    }
    this.check();
    if (Date.now() - this.#renewed > this.#owner.lease / 4) await this.#renew();
    this.check();
  }

  /** Tells those who ask for the lock that it will be free in a moment, so that they wait. */
  end(): void {
    try {
      if (!this.#released) writeSync(this.#fd, lockText({ ...this.#owner, ending: true }), 0);
    } catch {
      // They find that it is held.
    }
  }

  /** Idempotent, and synchronous so that dispose() can be. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#timer);
    try {
      if (parseOwner(readFileSync(this.#path, 'utf8'))?.id === this.#owner.id) unlinkSync(this.#path);
    } catch {
      // Gone already.
    }
    try {
      closeSync(this.#fd);
    } catch {
      // Closed with the worker it was opened in.
    }
  }

  async #renew(): Promise<void> {
    if (this.#renewing || this.#released || this.#lost !== null) return;
    this.#renewing = true;
    try {
      // Opened by name, for what lies there now counts; written through the same descriptor, never over another's.
      const file = await open(this.#path, 'r+');
      try {
        const content = await file.readFile('utf8');
        if (parseOwner(content)?.id !== this.#owner.id) this.#lose(content);
        else await file.write(content, 0);
      } finally {
        await file.close();
      }
      this.#renewed = Date.now();
    } catch (error) {
      // Other failures may pass: the next renewal tries again, and verify() reads before anything is written.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !this.#released) this.#lose(null);
    } finally {
      this.#renewing = false;
    }
  }

  #lose(content: string | null): void {
    const owner = content === null ? null : parseOwner(content);
    const how =
      owner === null ? 'its lock file was removed' : `process ${owner.pid} on ${owner.host} took it over`;
    this.#lost = new RdropError(
      'RUN_LOST',
      `${this.#path}: this process no longer holds the ${this.#what}, ${how}; it stops and writes nothing more`,
    );
    clearInterval(this.#timer);
    this.#onLost?.(this.#lost);
  }
}

/** A lock whose lease is over: it is free when nobody renews it while it is watched, whatever the clocks say. */
class Watched {
  #seen: LockState | null = null;
  #since = 0;

  longEnough(state: LockState): boolean {
    const { content, modified } = this.#seen ?? {};
    if (state.content !== content || state.modified !== modified) {
      this.#seen = state;
      this.#since = performance.now();
    }
    return performance.now() - this.#since > state.watch;
  }
}

function lockedMessage(path: string, what: string, { owner, age, remaining }: LockState): string {
  const takeOver =
    'take over with --unlock (in the API: unlock: true), after which that process stops by itself';
  const who = owner === null ? 'another process' : `process ${owner.pid} on ${owner.host}`;
  const holds = `${path}: ${who} is writing to this ${what}`;
  if (remaining === null) {
    return `${holds} and keeps this lock as long as it lives; wait for it or end it, or ${takeOver}`;
  }
  return (
    `${holds}; its last sign of life is ${Math.round(age / 1000)} s old, and without another the lock expires by ` +
    `itself in ${Math.max(1, Math.ceil(remaining / 1000))} s. Wait, or, if that process is gone, ${takeOver}`
  );
}
