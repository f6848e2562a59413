import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** Variables of the environment by name. */
export type Environment = Record<string, string | undefined>;

/** The absolute directories of a list such as PATH: an empty or relative entry means whatever directory one is in. */
export const absoluteEntries = (list: string | undefined): string[] =>
  (list ?? '').split(delimiter).filter((entry) => isAbsolute(entry));

/**
 * The path of a program in an absolute directory of PATH, or null. Programs are started by this path and never by name:
 * the system would look in the current directory for an empty entry.
 */
export function onPath(program: string, env: Environment = process.env): string | null {
  for (const directory of absoluteEntries(env['PATH'])) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not in this directory.
    }
  }
  return null;
}

/** The lists of directories that programs, the dynamic loader and compilers take code from. */
const lists = ['PATH', 'LD_LIBRARY_PATH', 'LIBRARY_PATH', 'CPATH', 'CPLUS_INCLUDE_PATH', 'C_INCLUDE_PATH'];

/** The environment for a program that is started: its lists of directories without those that are not absolute. */
export function childEnvironment(env: Environment = process.env): NodeJS.ProcessEnv {
  const child: Environment = { ...env };
  for (const name of lists) {
    if (child[name] === undefined) continue;
    const entries = absoluteEntries(child[name]);
    // An empty list would be one empty entry.
    if (entries.length > 0) child[name] = entries.join(delimiter);
    else delete child[name];
  }
  return child as NodeJS.ProcessEnv;
}
