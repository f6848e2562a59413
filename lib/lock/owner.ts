import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import * as z from 'zod';

/**
 * What a lock file holds: who has the lock. Files of rdrop before leases have the first three fields alone; those are
 * understood, and nothing but their age tells whether a holder on another machine still lives.
 */
const ownerSchema = z.object({
  pid: z.int().min(1),
  host: z.string(),
  /** When the process started, in clock ticks since boot; tells it from a later one with its number. */
  started: z.string().nullable(),
  /** Names this acquisition and no other. */
  id: z.string().optional(),
  /** Of the kernel that runs the process: containers of one machine share it. */
  boot: z.string().nullable().optional(),
  /** The name space in which `pid` is a number of this process. */
  pidNamespace: z.string().nullable().optional(),
  /** Whether the holder also has the kernel's lock on the file (flock), which ends with its process. */
  kernelLock: z.boolean().optional(),
  /** Milliseconds without a renewal after which the lock is nobody's. */
  lease: z.number().positive().max(3_600_000).optional(),
  /** The holder was told to stop and finishes what it began. */
  ending: z.boolean().optional(),
});
export type LockOwner = z.infer<typeof ownerSchema>;

/** The owner that the text of a lock file names; null for anything else. */
export function parseOwner(content: string): LockOwner | null {
  try {
    return ownerSchema.parse(JSON.parse(content));
  } catch {
    return null;
  }
}

/**
 * The text of a lock file. Both states of `ending` have the same length: a write in place leaves no half of another text.
 */
export const lockText = (owner: LockOwner): string =>
  JSON.stringify(owner).replace('"ending":true', '"ending":true ');

const readOptional = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
};

/** The kernel's PF_EXITING: the thread no longer runs the program. */
const exitingFlag = 4;

/** A row of /proc: the number of the process there, what its first thread does, threads and start. Linux alone has one. */
function processRow(which: number | 'self') {
  const stat = readOptional(`/proc/${which}/stat`);
  if (stat === null) return null;
  // The name, in parentheses, may hold anything, further parentheses too.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid: Number.parseInt(stat, 10),
    /** The first thread has ended. */
    ended: fields[0] === 'Z' || fields[0] === 'X',
    /** It has, or is about to. */
    exiting: (Number(fields[6] ?? 0) & exitingFlag) !== 0,
    threads: Number(fields[17] ?? 1),
    started: fields[19] ?? null,
  };
}

const pidNamespace = (): string | null => {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
};

/** This process, as its lock files name it. */
export function thisProcess() {
  return {
    pid: process.pid,
    host: hostname(),
    started: processRow('self')?.started ?? null,
    boot: readOptional('/proc/sys/kernel/random/boot_id'),
    pidNamespace: pidNamespace(),
  };
}

/**
 * Whether the process of this number lives; `ending`: its first thread has ended, as of one that was killed, but its files may still be
 * open; `unknown` where it cannot be seen from here.
 */
export type Liveness = 'alive' | 'ending' | 'dead' | 'unknown';

/** What the table of processes says of an owner. */
export function livenessOf(owner: LockOwner): Liveness {
  const own = thisProcess();
  const boot = owner.boot ?? null;
  if (boot === null || own.boot === null) {
    return owner.host === own.host ? processLiveness(owner) : 'unknown';
  }
  if (boot !== own.boot || owner.pidNamespace !== own.pidNamespace) return 'unknown';
  return processLiveness(owner);
}

function processLiveness({ pid, started }: LockOwner): Liveness {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return 'dead';
  }
  // A /proc mounted for another name space has other numbers.
  if (processRow('self')?.pid !== process.pid) return 'alive';
  const row = processRow(pid);
  if (row === null) return 'alive';
  if (started !== null && row.started !== started) return 'dead';
  // Its parent has not asked how it ended. Other threads of a process that is being killed may still write.
  if (row.ended && row.threads <= 1) return 'dead';
  return row.ended || row.exiting ? 'ending' : 'alive';
}
