import { constants } from 'node:fs';
import { copyFile, link, open } from 'node:fs/promises';
import { withCleanup } from '../async/cleanup.js';

/**
 * What a file system answers that has no hard links, or no further one for this file: exFAT, gcsfuse, rclone, SMB, the
 * mounts that containers on other systems get, a limit of links.
 */
const cannotLink = new Set([
  'EPERM',
  'EACCES',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EINVAL',
  'EMLINK',
  'EXDEV',
]);

/** Puts a file at a second place as well, without a second copy where the file system can; a copy is flushed to the disk. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    return await link(from, to);
  } catch (error) {
    if (!cannotLink.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const file = await open(to, 'r+');
  await withCleanup(
    () => file.sync(),
    () => file.close(),
  );
}
