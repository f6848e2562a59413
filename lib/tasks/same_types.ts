import { join } from 'node:path';
import { hashFile } from '../data/manifest.js';
import { differingLine } from '../text/dictionaries.js';
import { Dictionary } from '../text/dictionary.js';
import { RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';
import { taskOf } from './index.js';
import type { Task } from './task.js';

const dictionary = /^dict.*\.txt$/;
/** Other files in which each id has its meaning. */
const meanings = /^(labels\.txt|tokenizer(_ids)?\.json)$/;

/** The data must be of the task of a run. @throws RdropError CHECKPOINT_MISMATCH */
export async function checkSameTask(data: string, task: Task): Promise<void> {
  const found = await taskOf(data);
  if (found.name === task.name) return;
  throw new RdropError(
    'CHECKPOINT_MISMATCH',
    `${data}: expected data of ${task.name}, which the run was trained for, got data of ${found.name}`,
  );
}

/**
 * Prepared data whose ids have the meaning that a run gives them: the types of its dictionaries, its labels, its tokenizer.
 *
 * @param run its directory
 * @throws RdropError CHECKPOINT_MISMATCH, naming the file
 */
export async function checkSameTypes(run: string, data: string, task: Task): Promise<void> {
  await checkSameTask(data, task);
  for (const name of await task.textFiles(run)) {
    const [own, other] = [join(run, name), join(data, name)];
    const types = dictionary.test(name);
    if (!types && !meanings.test(name)) continue;
    const there = await pathExists(other);
    if (there && types) {
      const [expected, got] = [await Dictionary.read(own), await Dictionary.read(other)];
      if (differingLine(expected, got) === null) continue;
      throw new RdropError(
        'CHECKPOINT_MISMATCH',
        `${other}: expected the types of ${own} (${expected.size}), got others (${got.size})`,
      );
    }
    if (there && (await hashFile(own)) === (await hashFile(other))) continue;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${other}: expected the same file as ${own}, got ${there ? 'another' : 'none'}`,
    );
  }
}
