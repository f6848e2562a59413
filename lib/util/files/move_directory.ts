import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { quietly } from '../async/cleanup.js';
import { syncDirectory } from './durable.js';
import { linkOrCopy } from './link_or_copy.js';
import { makePath } from './make_path.js';

/** What a file system answers that cannot rename a directory, or none that holds files (gcsfuse, rclone, layered mounts). */
const cannotRename = new Set(['EXDEV', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EINVAL', 'EMFILE']);
const occupied = new Set(['EEXIST', 'ENOTEMPTY']);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

/**
 * Moves a directory to a place where none is, or an empty one. Where the file system cannot rename it, its files are put
 * there one by one, the file `last` at the end, and then taken from the old place, that file first: at each moment one of the
 * two directories is whole, and one that holds `last` is. What fails leaves the old place as it was.
 */
export async function moveDirectory(from: string, to: string, last: string): Promise<void> {
  try {
    return await rename(from, to);
  } catch (error) {
    // A full one is an error, of rmdir then.
    if (occupied.has(codeOf(error))) await rmdir(to);
    else if (!cannotRename.has(codeOf(error))) throw error;
  }
  try {
    return await rename(from, to);
  } catch (error) {
    if (!cannotRename.has(codeOf(error))) throw error;
  }
  const made = await makePath(to);
  try {
    if (made === undefined && (await readdir(to)).length > 0) {
      throw Object.assign(new Error(`ENOTEMPTY: directory not empty, rename '${from}' -> '${to}'`), {
        code: 'ENOTEMPTY',
      });
    }
    const hasLast = (await readdir(from)).includes(last);
    await copyInto(from, to, last);
    if (hasLast) {
      await linkOrCopy(join(from, last), join(to, `${last}.part`));
      await rename(join(to, `${last}.part`), join(to, last));
      await syncDirectory(to);
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY') await quietly(() => rm(to, { recursive: true, force: true }));
    throw error;
  }
  await rm(join(from, last), { force: true });
  await rm(from, { recursive: true });
}

/** Puts everything but one entry of a directory into another. */
async function copyInto(from: string, to: string, except?: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.name === except) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await mkdir(target);
      await copyInto(source, target);
    } else await linkOrCopy(source, target);
  }
  await syncDirectory(to);
}
