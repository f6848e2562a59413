import { access } from 'node:fs/promises';
import { fileError } from './files.js';

/**
 * Whether something is at this path. What cannot be looked at (no permission, a failing disk) is an error, not an absence:
 * a caller that took it for one would begin anew where something is.
 *
 * @throws RdropError FILE_UNREADABLE
 */
export async function pathExists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw fileError(error, path, 'read');
  }
}
