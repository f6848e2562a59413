import { randomBytes } from 'node:crypto';
import { readFileSync, unlinkSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { lazily, z } from '../config/zod.js';
import { RdropError } from '../errors.js';
import { fileError } from '../files.js';

const ownerSchema = lazily(() =>
  z.object({ pid: z.int(), host: z.string(), started: z.string().nullable() }),
);
type Owner = z.infer<typeof ownerSchema>;

/**
 * One writer for a directory: a lock file that names its process. A lock whose process is gone is taken over; one of
 * another machine is respected, since nothing can be known of its process.
 */
export class Lock {
  readonly #path: string;
  readonly #content: string;

  private constructor(path: string, content: string) {
    this.#path = path;
    this.#content = content;
  }

  /** @throws RdropError RUN_LOCKED, FILE_UNWRITABLE, DISK_FULL */
  static async acquire(path: string): Promise<Lock> {
    const content = JSON.stringify({ pid: process.pid, host: hostname(), started: startOf(process.pid) });
    const beside = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      await writeFile(beside, content, { flag: 'wx' });
      // A link appears whole and fails where a file is: nobody ever reads half a lock.
      for (let attempt = 0; attempt < 3; attempt++) {
        try {
          await link(beside, path);
          return new Lock(path, content);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          await removeStale(path);
        }
      }
      throw new RdropError('RUN_LOCKED', `${path}: other processes keep taking this run`);
    } catch (error) {
      throw fileError(error, path, 'write');
    } finally {
      await rm(beside, { force: true });
    }
  }

  /** Idempotent, and synchronous so that dispose() can be. */
  release(): void {
    try {
      if (readFileSync(this.#path, 'utf8') === this.#content) unlinkSync(this.#path);
    } catch {
      // Gone already.
    }
  }
}

async function removeStale(path: string): Promise<void> {
  const content = await readOptional(path);
  if (content === null) return;
  const owner = parseOwner(content);
  if (owner !== null && isAlive(owner)) {
    throw new RdropError(
      'RUN_LOCKED',
      `${path}: process ${owner.pid} on ${owner.host} is writing to this run; wait for it or end it`,
    );
  }
  // Moved aside before it is deleted: if somebody else replaced the stale lock meanwhile, theirs is put back.
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readOptional(aside)) !== content) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

const readOptional = (path: string) => readFile(path, 'utf8').catch(() => null);

function parseOwner(content: string): Owner | null {
  try {
    return ownerSchema.parse(JSON.parse(content));
  } catch {
    return null;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const started = startOf(owner.pid);
  return started === null || owner.started === null || started === owner.started;
}

/** When a process started, in ticks since boot: tells it from a later one with its number. Linux alone knows. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
