import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('lingerer.c', import.meta.url));

/** Compiles lingerer.c into a directory; null where there is no C compiler. */
export function lingerer(directory: string): string | null {
  const program = join(directory, 'lingerer');
  try {
    execFileSync('cc', ['-O1', '-o', program, source, '-pthread'], { stdio: 'ignore' });
    return program;
  } catch {
    return null;
  }
}
