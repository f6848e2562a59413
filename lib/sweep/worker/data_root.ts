import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { hashFile } from '../../data/manifest.js';
import { type DataHashes, hashData } from '../../training/run/run_directory.js';
import { asRdropError } from '../../util/errors.js';
import { directoriesBelow } from './directories_below.js';

/** Prepared directories below a root, found by their content: what a job says of paths plays no part. */
export class DataRoot {
  readonly #root: string;
  readonly #known = new Map<string, { state: string; hashes: DataHashes }>();

  constructor(root: string) {
    this.#root = resolve(root);
  }

  /** The directory whose files have these SHA-256; null where none has. */
  async find(data: DataHashes, signal?: AbortSignal): Promise<string | null> {
    for await (const directory of directoriesBelow(this.#root, 'text.json')) {
      try {
        if (await this.#holds(directory, data, signal)) return directory;
      } catch (error) {
        // One that cannot be read is none of these.
        if (asRdropError(error).code === 'ABORTED') throw error;
      }
    }
    return null;
  }

  async #holds(directory: string, data: DataHashes, signal?: AbortSignal): Promise<boolean> {
    const names = Object.keys(data);
    const states = await Promise.all(names.map((name) => stat(join(directory, name)).catch(() => null)));
    if (names.length === 0 || states.includes(null)) return false;
    const state = JSON.stringify(states.map((each) => [each?.size, each?.mtimeMs, each?.ino]));
    const known = this.#known.get(directory);
    if (known?.state === state) return isDeepStrictEqual(known.hashes, { ...data });
    // The description is small, and differs for most other data.
    if ((await hashFile(join(directory, 'text.json'), signal)) !== data['text.json'] && data['text.json'])
      return false;
    const hashes = await hashData(directory, false, signal);
    this.#known.set(directory, { state, hashes });
    return isDeepStrictEqual(hashes, { ...data });
  }
}
