import { readFile, stat } from 'node:fs/promises';
import { RdropError } from '../errors.js';

/** What is read whole: configurations, states, plans. The largest of them has some hundred kilobytes. */
const largest = 64 << 20;

/** A file that is small by its nature, whole. @throws RdropError TOO_LARGE, and what the file system throws */
export async function readSmallFile(path: string, limit = largest): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > limit) {
    throw new RdropError('TOO_LARGE', `${path}: expected at most ${limit} bytes, got ${size}`);
  }
  return readFile(path);
}
