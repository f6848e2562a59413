import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findCheckpoint } from '../../training/checkpoint.js';
import { pathExists } from '../../util/files/exists.js';
import { fileError } from '../../util/files/files.js';
import { makePath } from '../../util/files/make_path.js';

/**
 * Copies a finished run with its best checkpoint alone to `<to>/<sweep>/<trial>`, beside its place first. What is there already stays:
 * it is the same run.
 *
 * @throws RdropError FILE_UNREADABLE, FILE_UNWRITABLE, DISK_FULL
 */
export async function uploadBest(run: string, to: string, sweep: string, trial: string): Promise<void> {
  const target = join(to, sweep, trial);
  if (await pathExists(target)) return;
  const beside = join(to, sweep, `.${trial}.${process.pid}.part`);
  try {
    await makePath(join(to, sweep));
    await rm(beside, { recursive: true, force: true });
    await mkdir(beside);
    const best = await findCheckpoint(join(run, 'checkpoints'), 'best');
    await cp(run, beside, {
      recursive: true,
      filter: (path) => path !== join(run, 'checkpoints') && !path.endsWith('.lock'),
    });
    if (best !== null) await cp(best, join(beside, 'checkpoints', 'best'), { recursive: true });
    await rename(beside, target);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    // Another worker may have been quicker.
    if (!(await pathExists(target))) throw fileError(error, target, 'write');
  }
}
