import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathExists } from '../../util/files/exists.js';

/** Levels below a root at which data and runs are looked for. */
const depth = 2;

/** The root and the directories below it that hold a file of this name. */
export async function* directoriesBelow(
  directory: string,
  file: string,
  levels: number = depth,
): AsyncGenerator<string> {
  if (await pathExists(join(directory, file)).catch(() => false)) yield directory;
  if (levels === 0) return;
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const { name } of entries.filter((each) => each.isDirectory() || each.isSymbolicLink())) {
    if (!name.startsWith('.') && name !== 'node_modules')
      yield* directoriesBelow(join(directory, name), file, levels - 1);
  }
}
