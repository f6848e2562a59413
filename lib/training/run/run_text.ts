import { join } from 'node:path';
import { hashFile, mismatch } from '../../data/manifest.js';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { readJsonFile } from '../../util/files/files.js';

/** What a run directory holds of its prepared data: the files that text goes through. */
const textFile = /^(dict[^/]*\.txt|labels\.txt|codes|text\.json|tokenizer(_ids)?\.json)$/;

/**
 * Compares the text files of a run directory with their SHA-256 in environment.json: another dictionary or other codes change
 * every translation, and nothing else shows it. Every version has written environment.json, before config.json.
 *
 * @param complete whether they and environment.json have to be there; of an archived run they may be missing
 * @throws RdropError MANIFEST_MISMATCH, naming the file; MALFORMED_FILE
 */
export async function checkRunText(directory: string, complete = true): Promise<void> {
  const origin = join(directory, 'environment.json');
  if (!(await pathExists(origin))) {
    if (complete) throw unknownText(origin, 'none');
    return;
  }
  const { data } = ((await readJsonFile(origin)) ?? {}) as { data?: unknown };
  if (typeof data !== 'object' || data === null) {
    if (complete) throw unknownText(origin, 'one without them');
    return;
  }
  for (const [name, sha256] of Object.entries(data)) {
    if (!textFile.test(name)) continue;
    const path = join(directory, name);
    if (!(await pathExists(path))) {
      if (complete) throw mismatch(path, origin, 'none');
      continue;
    }
    const hash = await hashFile(path);
    if (hash !== sha256) throw mismatch(path, origin, `one with the SHA-256 ${hash.slice(0, 12)}…`);
  }
}

const unknownText = (origin: string, got: string) =>
  new RdropError(
    'MANIFEST_MISMATCH',
    `${origin}: expected the file with the SHA-256 of the run's dictionary and codes, got ${got}; bring it back, or continue with ` +
      'verify false (--no-verify)',
  );
