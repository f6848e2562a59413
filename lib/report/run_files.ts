import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { pathExists } from '../util/files/exists.js';
import { fileError } from '../util/files/files.js';
import type { RunFiles } from './document.js';
import type { RunSummary } from './run_summary.js';

const listed = ['config.json', 'environment.json', 'metrics.jsonl', 'result.json'];

/** A path as a link from a directory to it; a name may hold anything. */
export function linkTo(path: string, from: string): string {
  const way = relative(from, path).split(sep).map(encodeURIComponent).join('/');
  return way.startsWith('..') ? way : `./${way}`;
}

/**
 * Links to the files that each run has.
 *
 * @param from where the report will lie
 * @throws RdropError FILE_UNREADABLE
 */
export async function runFiles(runs: readonly RunSummary[], from: string): Promise<RunFiles[]> {
  const found: RunFiles[] = [];
  for (const { directory, name, state } of runs) {
    if (directory === undefined || state === 'missing') continue;
    const files: RunFiles['files'] = [];
    for (const file of listed)
      if (await pathExists(join(directory, file)))
        files.push({ name: file, href: linkTo(join(directory, file), from) });
    const place = join(directory, 'hypotheses');
    if (await pathExists(place)) {
      const kept = (
        await readdir(place).catch((error) => {
          throw fileError(error, place, 'read');
        })
      ).sort();
      for (const file of kept.filter((each) => /^test\.[^.]+$/.test(each)))
        files.push({ name: `hypotheses/${file}`, href: linkTo(join(place, file), from) });
    }
    found.push({ run: name ?? directory, files });
  }
  return found;
}
