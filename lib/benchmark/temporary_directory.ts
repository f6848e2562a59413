import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withCleanup } from '../util/async/cleanup.js';

/** Lends a new directory, which is gone when the work ends, and when the process exits in the middle of it. */
export async function withTemporaryDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'rdrop-bench-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  return withCleanup(
    () => work(directory),
    async () => {
      process.off('exit', remove);
      await rm(directory, { recursive: true, force: true });
    },
  );
}
