import { readFile, stat } from 'node:fs/promises';
import { type LockOwner, livenessOf, parseOwner } from './owner.js';

/** What a lock file says to those who only look on. */
export interface LockSight {
  /** held: its holder lives, or has renewed it in time. left: its holder is gone and could not take it away. */
  state: 'held' | 'left';
  owner: LockOwner;
  /** Whether the holder is a process that can be seen from here. */
  here: boolean;
}

/** Looks at a lock without touching it: no claim, and no lock of the kernel that its holder could meet. Null where there is none. */
export async function peekLock(path: string): Promise<LockSight | null> {
  try {
    const owner = parseOwner(await readFile(path, 'utf8'));
    if (owner === null) return null;
    const liveness = livenessOf(owner);
    if (liveness !== 'unknown')
      return { state: liveness === 'dead' ? 'left' : 'held', owner, here: liveness !== 'dead' };
    const age = Date.now() - (await stat(path)).mtimeMs;
    // Two leases: the clocks of two machines differ.
    return { state: age < 2 * (owner.lease ?? 60_000) ? 'held' : 'left', owner, here: false };
  } catch {
    return null;
  }
}
