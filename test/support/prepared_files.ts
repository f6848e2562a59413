import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes files into a directory; a list is written as lines. */
export function writeFiles(
  root: string,
  files: Readonly<Record<string, string | readonly string[] | Uint8Array>>,
): void {
  for (const [name, content] of Object.entries(files)) {
    const isList = typeof content !== 'string' && !(content instanceof Uint8Array);
    writeFileSync(join(root, name), isList ? content.map((line) => `${line}\n`).join('') : content);
  }
}

/** The files below a directory and what they hold, but for its manifest. */
export function filesOf(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const named = paths.map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')] as const);
  return Object.fromEntries(named.filter(([name]) => name !== 'manifest.json').sort());
}
