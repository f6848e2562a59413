import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('plain_file_system.c', import.meta.url));

/** Compiles plain_file_system.c into a directory, to be preloaded; null where there is no C compiler. */
export function plainFileSystem(directory: string): string | null {
  const library = join(directory, 'plain_file_system.so');
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], { stdio: 'ignore' });
    return library;
  } catch {
    return null;
  }
}
