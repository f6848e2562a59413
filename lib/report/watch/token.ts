import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '../../native/libtorch/probe.js';

/**
 * The secret in the address of a page: the same each time for the same user and what is watched, so that a page that is open
 * finds a restarted server again. Its key lies in the user's cache directory, readable by the user alone; where it cannot be kept,
 * the secret is a new one each time.
 */
export async function tokenOf(watched: string): Promise<string> {
  const key = await userKey().catch(() => randomBytes(32));
  return createHmac('sha256', key).update(watched).digest('base64url').slice(0, 32);
}

async function userKey(): Promise<Buffer> {
  const path = join(cacheDirectory(), 'watch.key');
  await mkdir(dirname(path), { recursive: true });
  // One of several that begin at once makes it; all read it.
  await writeFile(path, randomBytes(32), { mode: 0o600, flag: 'wx' }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    },
  );
  const key = await readFile(path);
  if (key.length !== 32) throw new Error('half written');
  return key;
}

/** Whether two texts are equal, in a time that does not tell where they differ. */
export function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
