/**
 * What is written beside its place before it is renamed there: `<path>.<writer>.<random>.part`, and `.old` for what steps
 * aside meanwhile. The name tells who writes, so that whatever a killed process left can be told from the work of one that
 * lives.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { quietly } from '../async/cleanup.js';
import { syncDirectory } from './durable.js';
import { fileError } from './file_error.js';

/** Loaded when the first name is made: the start of the library does not wait for it. */
const crypto = () => process.getBuiltinModule('node:crypto');

type Ending = 'part' | 'old';

/** Milliseconds after which what an unknown writer has not touched is taken for abandoned. */
const abandonedAfter = 24 * 3600 * 1000;

/** The writer is missing from the names that earlier versions gave. */
const shape = /\.(?:([0-9a-z]+)-([0-9a-z]+)-([0-9a-z]+)-([0-9a-f]{6})\.)?[0-9a-f]{8}\.(part|old)$/;

/** Where process numbers mean the same: the machine since its start, and the namespace of its numbers. */
let ownMachine: string | undefined;
function machine(): string {
  if (ownMachine === undefined) {
    const parts = [hostname()];
    for (const read of [
      () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'),
      () => readlinkSync('/proc/self/ns/pid'),
    ]) {
      try {
        parts.push(read());
      } catch {
        // Only Linux knows.
      }
    }
    ownMachine = crypto().createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 6);
  }
  return ownMachine;
}

/** State and start of a process, from /proc; null where that is not to be known. */
function processOf(pid: number): { state: string; start: string } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, start: Number(fields[19]).toString(36) };
  } catch {
    return null;
  }
}

/** What this thread is writing now. */
const active = new Set<string>();

/** A new name beside a path, this thread's until release(). */
export function claimBeside(path: string, ending: Ending): { path: string; release: () => void } {
  const start = processOf(process.pid)?.start ?? '0';
  const writer = `${process.pid.toString(36)}-${start}-${threadId.toString(36)}-${machine()}`;
  const beside = `${resolve(path)}.${writer}.${crypto().randomBytes(4).toString('hex')}.${ending}`;
  active.add(beside);
  return { path: beside, release: () => active.delete(beside) };
}

/** dead: nobody will continue it; live: somebody may; unknown: the name or the machine says too little. */
function writerOf(path: string): 'dead' | 'live' | 'unknown' {
  const [, pid36, start, thread, where] = shape.exec(path) ?? [];
  if (pid36 === undefined || where !== machine()) return 'unknown';
  const pid = Number.parseInt(pid36, 36);
  if (pid === process.pid && processOf(pid)?.start === (start === '0' ? undefined : start)) {
    return thread === threadId.toString(36) && !active.has(path) ? 'dead' : 'live';
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'dead' : 'live';
  }
  const found = processOf(pid);
  if (found === null || start === '0') return 'live';
  // A zombie writes nothing any more, and a number is given again.
  return found.state === 'Z' || found.state === 'X' || found.start !== start ? 'dead' : 'live';
}

async function isAbandoned(path: string): Promise<boolean> {
  const writer = writerOf(path);
  if (writer !== 'unknown') return writer === 'dead';
  const entries = await readdir(path).catch(() => []);
  const times = await Promise.all(
    [path, ...entries.map((entry) => join(path, entry))].map((one) =>
      stat(one).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return Date.now() - Math.max(...times) > abandonedAfter;
}

/**
 * Removes what had stepped aside. It is a leftover by name first: half removed, it would not be known any more for what it is.
 * A failure is no error: the next process that writes there removes it.
 */
export async function discardReplaced(old: string): Promise<void> {
  await quietly(async () => {
    const leftover = old.replace(/\.old$/, '.part');
    const renamed = await rename(old, leftover).then(
      () => leftover,
      // Where directories cannot be renamed.
      () => old,
    );
    await rm(renamed, { recursive: true, force: true });
  });
}

/** The names beside a path that were made for it. */
async function beside(path: string, ending: Ending): Promise<string[]> {
  const place = resolve(path);
  const directory = dirname(place);
  const entries = await readdir(directory).catch(() => []);
  return entries
    .filter((name) => name.startsWith(`${basename(place)}.`) && name.endsWith(`.${ending}`))
    .filter((name) => shape.exec(name)?.index === basename(place).length)
    .map((name) => join(directory, name));
}

/** Removes what killed writers of this path have left beside it. A failure is none: the next writer tries again. */
export async function clearLeftovers(path: string): Promise<void> {
  for (const name of await beside(path, 'part')) {
    if (await isAbandoned(name)) await quietly(() => rm(name, { recursive: true, force: true }));
  }
}

/**
 * Removes what killed writers have left in a directory.
 *
 * @param isOwn which files nobody but the caller writes: what an unknown writer left of them goes as well
 */
export async function clearLeftoversIn(directory: string, isOwn: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const match = shape.exec(name);
    if (match?.[5] !== 'part') continue;
    const path = join(resolve(directory), name);
    const own = isOwn(name.slice(0, match.index)) && writerOf(path) === 'unknown';
    if (own || (await isAbandoned(path))) await quietly(() => rm(path, { recursive: true, force: true }));
  }
}

/**
 * After a process that ended while it replaced a directory: what had stepped aside comes back where the new one is not
 * there, and goes where it is.
 *
 * @param isOne whether a directory is of the kind that is replaced; what is not is left alone
 * @throws RdropError FILE_UNWRITABLE, DISK_FULL
 */
export async function recoverReplaced(
  path: string,
  isOne: (directory: string) => Promise<boolean>,
): Promise<void> {
  const place = resolve(path);
  const there = () =>
    stat(place).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
  for (const old of await beside(place, 'old')) {
    if (writerOf(old) === 'live' || !(await isOne(old))) continue;
    if (!(await there())) {
      try {
        await rename(old, place);
        await syncDirectory(dirname(place));
      } catch (error) {
        throw fileError(error, place, 'write');
      }
    } else if (await isOne(place)) await discardReplaced(old);
  }
}
