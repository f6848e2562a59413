/** A run that begins with the parameters of another, whatever the task of that one. */
import { join, resolve } from 'node:path';
import { hashFile } from '../data/manifest.js';
import { loadParameters, snapshotOf, type Transformer } from '../model/transformer.js';
import type { TrainConfig } from '../options/training.js';
import { taskOf } from '../tasks/index.js';
import type { TaskData } from '../tasks/task.js';
import { RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';
import type { RdropWarning } from '../util/warnings.js';
import { type Checkpoint, findCheckpoint, openCheckpoint } from './checkpoint.js';
import { type DataHashes, type RunDirectory, readRunConfig } from './run/run_directory.js';
import { checkRunText } from './run/run_text.js';
import { runWarnings } from './run/run_warnings.js';

/** What is indexed by the types of a dictionary. */
const ofTypes = /\.(embed_tokens|output_projection)\.weight$/;
const ofPositions = /\.embed_positions\.weight$/;
/** What a dictionary, or a tokenizer with ids of its own, is written to. */
const dictionaries = /^(dict.*\.txt|tokenizer\.json)$/;

/**
 * The beginning of a run: where nothing of it is there yet, its parameters become those of the run that `init` names. Other ranks than
 * the first have them from it.
 *
 * @returns what is to be warned of before the first update
 * @throws RdropError as beginWith()
 */
export async function begin(
  model: Transformer,
  config: TrainConfig,
  run: RunDirectory,
  taskData: TaskData,
): Promise<RdropWarning[]> {
  const warnings = runWarnings(config, taskData);
  const { init, data } = config;
  if (init === undefined || (await findCheckpoint(run.checkpoints, 'last')) !== null) return warnings;
  return [...warnings, ...(await beginWith(model, init, data))];
}

/**
 * Puts the best parameters of another run into a model, or the last where it was never validated: those that both have under one name
 * and in one shape. Embeddings of another dictionary are not taken.
 *
 * @param data the prepared directory of the run that begins
 * @returns what was not taken, where something was not
 * @throws RdropError FILE_NOT_FOUND, CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH (other positions, or nothing in common), MANIFEST_MISMATCH
 */
async function beginWith(model: Transformer, runDirectory: string, data: string): Promise<RdropWarning[]> {
  const directory = resolve(runDirectory);
  await readRunConfig(directory);
  await checkRunText(directory, false);
  const checkpoint = await openInitial(directory);
  await using file = await checkpoint.open('model');
  using own = await snapshotOf(model);
  const sameTypes = await shareTypes(directory, data);
  const reasons = new Map<string, string[]>();
  const leave = (why: string, name: string) => reasons.set(why, [...(reasons.get(why) ?? []), name]);
  const taken = new Map(own.tensors);
  let count = 0;
  for (const [name, { shape }] of own.tensors) {
    const found = file.tensors.get(name);
    if (found === undefined) leave('the run has none of the name', name);
    else if (String(found.shape) !== String(shape)) {
      if (ofPositions.test(name)) throw otherPositions(checkpoint.path, name, shape, found.shape);
      leave('its shape is another', name);
    } else if (ofTypes.test(name) && !sameTypes) leave('its dictionary is another', name);
    else {
      taken.set(name, found);
      count++;
    }
  }
  if (count === 0) {
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${checkpoint.path}: expected parameters of the names and shapes of the run's network, got none of ${own.tensors.size}`,
    );
  }
  await loadParameters(model, taken, checkpoint.path);
  if (reasons.size === 0) return [];
  const said = [...reasons].map(([why, names]) => `${shortList(names)} (${why})`);
  return [
    {
      code: 'INIT_PARTIAL',
      message: `${count} of ${own.tensors.size} parameters are those of ${directory}; drawn from the seed: ${said.join('; ')}`,
    },
  ];
}

async function openInitial(directory: string): Promise<Checkpoint> {
  const checkpoints = join(directory, 'checkpoints');
  const path = (await findCheckpoint(checkpoints, 'best')) ?? (await findCheckpoint(checkpoints, 'last'));
  if (path === null)
    throw new RdropError('FILE_NOT_FOUND', `${checkpoints}: no checkpoint to begin with yet`);
  return openCheckpoint(path);
}

/** SHA-256 of the files, of those that are there, in which each id has its meaning. */
async function hashDictionaries(directory: string): Promise<DataHashes> {
  const hashes: DataHashes = {};
  for (const name of await (await taskOf(directory)).textFiles(directory)) {
    const path = join(directory, name);
    if (dictionaries.test(name) && (await pathExists(path))) hashes[name] = await hashFile(path);
  }
  return hashes;
}

/** Whether the text of both goes to the same ids. */
async function shareTypes(run: string, data: string): Promise<boolean> {
  const theirs = Object.values(await hashDictionaries(run));
  return Object.values(await hashDictionaries(data)).some((hash) => theirs.includes(hash));
}

/**
 * What a run begins with where `init` names this one, wherever it lies: SHA-256 of its parameters and dictionaries.
 *
 * @param verify reads the parameters, which may be damaged or not all there yet; else their SHA-256 is what the checkpoint says
 * @throws RdropError FILE_NOT_FOUND (no run, or no checkpoint), CHECKPOINT_CORRUPT, MALFORMED_FILE, INVALID_CONFIG
 */
export async function hashInit(runDirectory: string, verify: boolean): Promise<DataHashes> {
  const directory = resolve(runDirectory);
  await readRunConfig(directory);
  const { path, modelHash, open } = await openInitial(directory);
  if (modelHash === undefined)
    throw new RdropError('CHECKPOINT_CORRUPT', `${path}: expected the SHA-256 of its parameters, got none`);
  if (verify) await (await open('model')).close();
  return { 'model.safetensors': modelHash, ...(await hashDictionaries(directory)) };
}

const otherPositions = (path: string, name: string, expected: readonly number[], got: readonly number[]) =>
  new RdropError(
    'CHECKPOINT_MISMATCH',
    `${path}: ${name}: expected ${expected[0]} positions (model.maxPositions ${expected[0]! - 2}), got ${got[0]}`,
  );

const shortList = (names: readonly string[]): string =>
  names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
