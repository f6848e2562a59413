import { join } from 'node:path';
import { pathExists } from '../util/files/exists.js';

/** The directions that rdrop 0.1 wrote to sweep.json, and their trials' directories, under another name. */
const earlierDirections = new Map([['plain', 'baseline']]);

/** A direction as this version calls it. */
export const currentDirection = (written: string): string => earlierDirections.get(written) ?? written;

/** The directory of a trial in that of its sweep: its name, or the one that rdrop 0.1 made. */
export async function trialDirectory(
  sweep: string,
  { name, direction, seed }: { name: string; direction: string; seed: number },
): Promise<string> {
  const own = join(sweep, name);
  if (await pathExists(own)) return own;
  for (const [earlier, current] of earlierDirections) {
    const there = join(sweep, `${earlier}-${seed}`);
    if (current === direction && name === `${direction}-${seed}` && (await pathExists(there))) return there;
  }
  return own;
}
