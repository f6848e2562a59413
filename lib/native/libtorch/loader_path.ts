import { readdirSync } from 'node:fs';
import { delimiter, isAbsolute, resolve } from 'node:path';
import { isLibrary } from './cache_trust.js';

/**
 * The dynamic loader takes an empty or relative entry of LD_LIBRARY_PATH (`:/usr/local/lib` has an empty one) for the
 * current directory, and looks there for what libtorch needs, libgomp.so.1 or libcuda.so.1 for instance, before it looks
 * where that lies. It has read the variable when the process began, so that nothing but refusing helps.
 *
 * @returns a sentence for the user where a library could be taken from such a directory, else null.
 */
export function libraryFromHere(list: string | undefined = process.env['LD_LIBRARY_PATH']): string | null {
  if (!list) return null;
  for (const entry of list.split(delimiter)) {
    if (isAbsolute(entry)) continue;
    const directory = resolve(entry);
    let library: string | undefined;
    try {
      library = readdirSync(directory).find(isLibrary);
    } catch {
      // No such directory.
    }
    if (library === undefined) continue;
    return (
      `LD_LIBRARY_PATH=${list}: its ${entry === '' ? 'empty entry' : `entry ${entry}`} means ${directory}, and that ` +
      `directory holds libraries (${library}) which would be taken instead of those of libtorch. Nothing was opened. ` +
      'Next: give LD_LIBRARY_PATH absolute directories only'
    );
  }
  return null;
}
