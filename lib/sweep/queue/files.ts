/** The files of a finished run on their way through the queue: everything but checkpoints. */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { RdropError } from '../../util/errors.js';
import { fileError, writeFileAtomically } from '../../util/files/files.js';
import { makePath } from '../../util/files/make_path.js';

/** Bytes of all files of a run, as text. The paper's runs have 6 million. */
const largest = 128 << 20;

/** No path leads out of the run, and no lock is among them. */
const allowed = /^(?:hypotheses\/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const passedOver = /\.(lock|part|damaged)\b|^(worker|sweep|manifest)\.json$/;

/** @returns compressed. @throws RdropError TOO_LARGE, FILE_UNREADABLE */
export async function packRun(directory: string): Promise<Buffer> {
  const files: Record<string, string> = {};
  let size = 0;
  for (const below of ['', 'hypotheses/']) {
    const entries = await readdir(join(directory, below), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const name = `${below}${entry.name}`;
      if (!entry.isFile() || !allowed.test(name) || passedOver.test(name)) continue;
      try {
        files[name] = await readFile(join(directory, name), 'utf8');
      } catch (error) {
        throw fileError(error, join(directory, name), 'read');
      }
      size += files[name].length;
      if (size > largest)
        throw new RdropError(
          'TOO_LARGE',
          `${directory}: expected at most ${largest} bytes of results, got more`,
        );
    }
  }
  return promisify(gzip)(JSON.stringify(files));
}

/** @throws RdropError MALFORMED_FILE where this is not what packRun() makes */
export async function unpackRun(packed: Uint8Array, what: string): Promise<Map<string, string>> {
  try {
    const text = await promisify(gunzip)(packed, { maxOutputLength: 2 * largest });
    const files = Object.entries(JSON.parse(text.toString('utf8')) as Record<string, unknown>);
    for (const [name, content] of files) {
      if (!allowed.test(name) || passedOver.test(name) || typeof content !== 'string')
        throw new Error(`a file is called ${JSON.stringify(name.slice(0, 100))}`);
    }
    return new Map(files as [string, string][]);
  } catch (error) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${what}: expected the files of a run, ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/** Writes the files of a run, result.json last: a run that has one is finished. */
export async function writeRun(directory: string, files: ReadonlyMap<string, string>): Promise<void> {
  const names = [...files.keys()].sort((a, b) => Number(a === 'result.json') - Number(b === 'result.json'));
  for (const name of names) {
    const path = join(directory, name);
    try {
      await makePath(dirname(path));
    } catch (error) {
      throw fileError(error, path, 'write');
    }
    await writeFileAtomically(path, files.get(name) as string);
  }
}
