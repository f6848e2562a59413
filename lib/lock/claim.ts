import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RdropError } from '../util/errors.js';
import { kernelLock } from './kernel_lock.js';
import { judgeLock } from './lock_state.js';
import { type LockOwner, lockText, parseOwner } from './owner.js';

/** The owner that a claim names, complete. */
export type ClaimOwner = LockOwner & { id: string; lease: number };

const claimName = /\.([0-9a-f]{16})\.claim$/;
/** Beside the lock: a claim that is being written, and what an rdrop of before leases linked from. */
const leftoverName = /\.(?:[0-9a-f]{16}\.part|[0-9a-f]{8})$/;

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** The files `<lock>.…` beside a lock. */
async function beside(path: string, pattern: RegExp): Promise<string[]> {
  const start = `${basename(path)}.`;
  const names = await readdir(dirname(path));
  return names.filter((name) => name.startsWith(start) && pattern.test(name));
}

/** A file that may become the lock. Its name is never used again, so removing it removes this claim and no other. */
export class Claim {
  #place: string;
  #became = false;

  private constructor(
    place: string,
    readonly owner: ClaimOwner,
    readonly fd: number,
    /** When the file was written, by the clock of the file system. */
    readonly born: number,
  ) {
    this.#place = place;
  }

  /** Makes a claim for a lock; null where somebody cleared it away while it was made. */
  static async make(path: string, process: Omit<ClaimOwner, 'id' | 'kernelLock'>): Promise<Claim | null> {
    const id = randomBytes(8).toString('hex');
    const part = `${path}.${id}.part`;
    const place = `${path}.${id}.claim`;
    const fd = openSync(part, 'wx+');
    try {
      const owner = { ...process, id, kernelLock: (await kernelLock(fd, 'exclusive')) === 'taken' };
      writeSync(fd, lockText(owner));
      const born = fstatSync(fd).mtimeMs;
      // Nobody ever reads half a claim.
      await rename(part, place);
      return new Claim(place, owner, fd, born);
    } catch (error) {
      closeSync(fd);
      if (isMissing(error)) return null;
      await rm(part, { force: true }).catch(() => {});
      throw error;
    }
  }

  get id(): string {
    return this.owner.id;
  }

  /** Replaces the lock by this claim; false where the claim was removed, as that of a dead process is. */
  async become(path: string): Promise<boolean> {
    try {
      await rename(this.#place, path).catch(async (error) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        // A file system that renames over nothing.
        await rm(path, { force: true });
        await rename(this.#place, path);
      });
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    const content = await readFile(path, 'utf8').catch(() => '');
    this.#became = parseOwner(content)?.id === this.id;
    return this.#became;
  }

  /** Removes a claim that did not become the lock. */
  async withdraw(): Promise<void> {
    if (this.#became) return;
    closeSync(this.fd);
    await rm(this.#place, { force: true }).catch(() => {});
  }
}

/**
 * Waits until no other claim of a living process is there. Of several at once the one with the lowest name stays and the
 * others withdraw, so that one of them comes through.
 *
 * @param until performance.now() after which a claim that stays is an error, or with `unlock` is removed
 * @returns false when this claim is to be withdrawn and made anew
 * @throws RdropError RUN_LOCKED
 */
export async function waitUntilAlone(
  claim: Claim,
  path: string,
  { what, until, unlock }: { what: string; until: number; unlock: boolean },
): Promise<boolean> {
  for (;;) {
    let first = claim.id;
    let other: LockOwner | null = null;
    for (const name of await beside(path, claimName)) {
      const id = claimName.exec(name)?.[1] as string;
      if (id === claim.id) continue;
      const place = join(dirname(path), name);
      const state = await judgeLock(place, claim.born);
      if (state === null) continue;
      const late = performance.now() > until;
      if (state.verdict === 'free' || state.verdict === 'silent' || (late && unlock)) {
        await rm(place, { force: true });
        continue;
      }
      other = state.owner;
      if (id < first) first = id;
      if (!late) continue;
      throw new RdropError(
        'RUN_LOCKED',
        `${place}: process ${other?.pid} on ${other?.host} has been about to take the lock of this ${what} for ` +
          'seconds; it may be stopped. End it, or take over with --unlock (in the API: unlock: true)',
      );
    }
    if (other === null) return true;
    if (first !== claim.id) return false;
    await sleep(2);
  }
}

/** Removes what dead processes left beside a lock. For its holder. */
export async function clearLeftovers(path: string, now: number): Promise<void> {
  for (const name of await beside(path, leftoverName)) {
    const place = join(dirname(path), name);
    const state = await judgeLock(place, now).catch(() => null);
    if (state?.verdict === 'free' || state?.verdict === 'silent')
      await rm(place, { force: true }).catch(() => {});
  }
}
