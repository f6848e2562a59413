import { open } from 'node:fs/promises';
import { kernelLock } from './kernel_lock.js';
import { type LockOwner, livenessOf, parseOwner, thisProcess } from './owner.js';

/** Milliseconds that a lock without a lease of its own, that of an older rdrop, is believed to be held. */
const oldLease = 60_000;

/** What can be said of a lock file at one moment. */
export interface LockState {
  /**
   * free: its holder is gone. held: it lives, or may. ending: it was told to end, or is being killed. silent: nothing is known
   * of it, and it has not renewed its lease in time; that may also be because a clock was set, so it is watched for a moment.
   */
  verdict: 'free' | 'held' | 'ending' | 'silent';
  owner: LockOwner | null;
  content: string;
  /** Time of the last renewal in milliseconds, by the clock of the file system. */
  modified: number;
  /** Milliseconds since then. */
  age: number;
  /** Milliseconds until the lease ends; null for a holder that is known to live. */
  remaining: number | null;
  /** Milliseconds without a renewal after which one who is silent is taken for gone. */
  watch: number;
}

/**
 * Judges a lock file; null where there is none.
 *
 * @param now what the file system takes for the present, from a file made a moment ago: its clock may differ from ours
 */
export async function judgeLock(path: string, now: number): Promise<LockState | null> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const content = await file.readFile('utf8');
    const { mtimeMs: modified } = await file.stat();
    const owner = parseOwner(content);
    const state = { owner, content, modified, age: now - modified, remaining: null, watch: 0 };
    // Files appear whole: this one no rdrop wrote.
    if (owner === null) return { ...state, verdict: 'free' };
    const ending = { ...state, verdict: 'ending' as const };
    const alive = owner.ending === true ? ending : { ...state, verdict: 'held' as const };
    if (owner.kernelLock === true) {
      const kernel = await kernelLock(file.fd, 'shared');
      // One that is being killed closes its files a little later than it is seen to end.
      if (kernel === 'held') return ['ending', 'dead'].includes(livenessOf(owner)) ? ending : alive;
      if (kernel === 'taken' && owner.boot === thisProcess().boot) return { ...state, verdict: 'free' };
    }
    const liveness = livenessOf(owner);
    if (liveness === 'dead') return { ...state, verdict: 'free' };
    if (liveness === 'ending') return ending;
    const lease = owner.lease ?? oldLease;
    // A thread of this process that ended left its lock behind; one that lives has renewed it.
    const ownThread = owner.pid === process.pid && owner.lease !== undefined;
    if (liveness === 'alive' && !(ownThread && state.age > lease)) return alive;
    // A renewal in the future is none either.
    if (Math.abs(state.age) <= lease) return { ...alive, remaining: lease - state.age };
    const renews = owner.lease !== undefined;
    return { ...state, verdict: renews ? 'silent' : 'free', watch: lease / 5 };
  } finally {
    await file.close();
  }
}
