import { createHash } from 'node:crypto';

import { mkdir, open, rm } from 'node:fs/promises';

import { join } from 'node:path';
import * as z from 'zod';
import { OpenSafetensors } from '../data/safetensors/safetensors.js';

import { quietly, withCleanup } from '../util/async/cleanup.js';
import { RdropError } from '../util/errors.js';
import { makeDirectories, syncDirectory } from '../util/files/durable.js';
import { pathExists } from '../util/files/exists.js';
import { fileError } from '../util/files/files.js';
import { linkOrCopy } from '../util/files/link_or_copy.js';
import { moveDirectory } from '../util/files/move_directory.js';
import { claimBeside, clearLeftoversIn } from '../util/files/part_files.js';
import { readSmallFile } from '../util/files/small_file.js';
import { emptyWindow, windowSchema } from './metrics.js';

/** Everything that a run needs to continue, besides the parameters and the moments of the optimizer. */
export const trainingStateSchema = z.strictObject({
  /** Of the configuration, see run_directory.ts. */
  fingerprint: z.string(),
  update: z.int().min(0),
  /** Counted from 1. */
  epoch: z.int().min(1),
  /** Updates done in this epoch. */
  position: z.int().min(0),
  /** Batches of the epoch that are done; absent in checkpoints of earlier versions, whose every update took as many. */
  batches: z.int().min(0).optional(),
  /** Processes that trained the last update; absent where it was one, as in earlier versions. */
  worldSize: z.int().min(1).optional(),
  lastValidated: z.int().min(0),
  best: z
    .strictObject({
      update: z.int(),
      loss: z.number(),
      bleu: z.number().nullable(),
      /** The value of the metric that validation.metric names. */
      metric: z.number().optional(),
    })
    .nullable(),
  /** Validations since the best one. */
  sinceBest: z.int().min(0),
  /** Of the steps alone. */
  trainingSeconds: z.number(),
  /** Of fit(): steps, validations and checkpoints. */
  elapsedSeconds: z.number(),
  /** Lines of metrics.jsonl that were on the disk before the checkpoint; absent in those of earlier versions. */
  metricsLines: z.int().min(0).optional(),
  /** The sums of the next line of metrics. */
  window: windowSchema,
  /** NativeCounters of lib/native/contract.ts. */
  optimizer: z.strictObject({
    update: z.int().min(0),
    applied: z.int().min(0),
    lossScale: z.number(),
    lastOverflow: z.int().min(-1),
  }),
});
export type TrainingState = z.infer<typeof trainingStateSchema>;

/** Of a trainer whose every step was applied. */
export const freshCounters = (update: number): TrainingState['optimizer'] => ({
  update,
  applied: update,
  lossScale: 1,
  lastOverflow: -1,
});

/** Of a run before its first update. */
export const freshState = (fingerprint: string): TrainingState & { batches: number } => ({
  fingerprint,
  update: 0,
  epoch: 1,
  position: 0,
  batches: 0,
  lastValidated: 0,
  best: null,
  sinceBest: 0,
  trainingSeconds: 0,
  elapsedSeconds: 0,
  window: emptyWindow(),
  optimizer: freshCounters(0),
});

export type CheckpointName = 'last' | 'best';
const modelFile = 'model.safetensors';
const optimizerFile = 'optimizer.safetensors';
const stateFile = 'state.json';

/** The file has these and `sha256`, that of them as JSON without spaces. */
const stateFileSchema = z.strictObject({
  version: z.literal(2),
  files: z.record(z.string(), z.string()),
  state: trainingStateSchema,
});

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Pieces of the two files, which are asked for one after another. */
export interface CheckpointContent {
  model: Pieces;
  optimizer: Pieces;
  state: TrainingState;
}

/**
 * Writes checkpoints with the same content. Each appears whole or not at all: its directory is filled beside its place,
 * flushed to the disk, then renamed. The files of the second are links to those of the first.
 *
 * The last of the names decides: what stood before is kept until it has been replaced, so that a process that ends anywhere
 * between leaves either all of the old checkpoints or all of the new ones (settle).
 *
 * @param fence awaited before each rename; when it throws, the checkpoints are somebody else's and are left alone
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE, and what the fence throws; the old checkpoints are then untouched
 */
export async function writeCheckpoint(
  checkpoints: string,
  names: readonly CheckpointName[],
  content: CheckpointContent,
  fence: () => Promise<void> = async () => {},
): Promise<void> {
  const claims = names.map((name) => claimBeside(join(checkpoints, name), 'part'));
  const besides = claims.map(({ path }) => path);
  try {
    const [first, ...others] = besides;
    await makeDirectories(checkpoints);
    await fence();
    await settle(checkpoints);
    await mkdir(first!);
    const files = {
      [modelFile]: await writeSynced(join(first!, modelFile), content.model),
      [optimizerFile]: await writeSynced(join(first!, optimizerFile), content.optimizer),
    };
    const body = { version: 2, files, state: content.state };
    const whole = { ...body, sha256: sha256(JSON.stringify(body)) };
    await writeSynced(join(first!, stateFile), [Buffer.from(`${JSON.stringify(whole, null, 2)}\n`)]);
    await syncDirectory(first!);
    for (const other of others) {
      await mkdir(other);
      for (const file of [modelFile, optimizerFile, stateFile])
        await linkOrCopy(join(first!, file), join(other, file));
      await syncDirectory(other);
    }
    for (const [i, name] of names.entries()) {
      const place = join(checkpoints, name);
      // A directory cannot be renamed over a full one, so the old one steps aside.
      await fence();
      if (await pathExists(place)) await moveDirectory(place, previousOf(place), stateFile);
      await fence();
      await moveDirectory(besides[i]!, place, stateFile);
      // In this order on the disk as well.
      await syncDirectory(checkpoints);
    }
  } catch (error) {
    for (const beside of besides) await quietly(() => rm(beside, { recursive: true, force: true }));
    await quietly(async () => {
      await fence();
      await settle(checkpoints);
    });
    throw fileError(error, checkpoints, 'write');
  } finally {
    for (const { release } of claims) release();
  }
  // The new ones stand: what cannot be removed now goes with the next checkpoint.
  await quietly(async () => {
    await fence();
    for (const name of names) await rm(previousOf(join(checkpoints, name)), { recursive: true, force: true });
  });
}

const previousOf = (place: string) => `${place}.previous`;

/**
 * After a process that ended, or failed, between the renames of writeCheckpoint(): `last` is the new one or else the old
 * one again, and `best` is the one that the state of `last` speaks of.
 */
async function settle(checkpoints: string): Promise<void> {
  const last = join(checkpoints, 'last');
  if (await pathExists(previousOf(last))) {
    if (!(await isWhole(last)) && (await isWhole(previousOf(last)))) await bringBack(last);
    else await rm(previousOf(last), { recursive: true, force: true });
  }
  const best = join(checkpoints, 'best');
  const previous = previousOf(best);
  if (!(await pathExists(previous))) return;
  const wanted = (await stateOf(last))?.best?.update;
  const isBest = async (place: string) => wanted !== undefined && (await stateOf(place))?.update === wanted;
  const back = !(await isWhole(best)) || (!(await isBest(best)) && (await isBest(previous)));
  if (back && (await isWhole(previous))) await bringBack(best);
  else await rm(previous, { recursive: true, force: true });
}

/** Where directories cannot be renamed a checkpoint is moved file by file, and its state is the last of them. */
const isWhole = (place: string): Promise<boolean> => pathExists(join(place, stateFile));

async function bringBack(place: string): Promise<void> {
  await rm(place, { recursive: true, force: true });
  await moveDirectory(previousOf(place), place, stateFile);
}

/** null where none is to be read. */
const stateOf = (place: string): Promise<TrainingState | null> =>
  openCheckpoint(place).then(
    ({ state }) => state,
    () => null,
  );

/**
 * Clears away what a killed process left. Only for the holder of the run's lock.
 *
 * @throws RdropError FILE_UNREADABLE, FILE_UNWRITABLE
 */
export async function tidyCheckpoints(checkpoints: string): Promise<void> {
  try {
    if (!(await pathExists(checkpoints))) return;
    // Of a process that lives, and has lost the run without knowing it yet, nothing: it clears away its own.
    await clearLeftoversIn(checkpoints, (name) => name === 'last' || name === 'best');
    await settle(checkpoints);
  } catch (error) {
    throw fileError(error, checkpoints, 'write');
  }
}

/** Where a checkpoint lies, or null where there is none. */
export async function findCheckpoint(checkpoints: string, name: CheckpointName): Promise<string | null> {
  const place = join(checkpoints, name);
  for (const path of [place, previousOf(place)]) {
    if (await isWhole(path)) return path;
  }
  // One without its state is a damaged one.
  return (await pathExists(place)) ? place : null;
}

export interface Checkpoint {
  path: string;
  state: TrainingState;
  /** SHA-256 of the file of the parameters, which open() compares. */
  modelHash: string | undefined;
  /**
   * Opens one of the two files of tensors, once its SHA-256 is compared; the caller closes it.
   *
   * @throws RdropError CHECKPOINT_CORRUPT
   */
  open(file: 'model' | 'optimizer', options?: { verify: boolean }): Promise<OpenSafetensors>;
}

/** Opens a checkpoint and checks its state. @throws RdropError CHECKPOINT_CORRUPT, FILE_UNREADABLE */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { files, state } = parseState(await readPart(join(path, stateFile)), join(path, stateFile));
  const open: Checkpoint['open'] = async (which, { verify } = { verify: true }) => {
    const name = which === 'model' ? modelFile : optimizerFile;
    const check = async (pieces: AsyncIterable<Uint8Array>) => {
      if ((await sha256Pieces(pieces)) === files[name]) return;
      throw new RdropError(
        'CHECKPOINT_CORRUPT',
        `${join(path, name)}: its SHA-256 is not the one in ${stateFile}; the file is damaged or incomplete`,
      );
    };
    return missingIsCorrupt(OpenSafetensors.open(join(path, name), verify ? check : undefined));
  };
  return { path, state, modelHash: files[modelFile], open };
}

async function missingIsCorrupt<T>(opening: Promise<T>): Promise<T> {
  return opening.catch((error: unknown) => {
    if (!(error instanceof RdropError) || error.code !== 'FILE_NOT_FOUND') throw error;
    const path = error.message.replace(/: no such file or directory$/, '');
    throw new RdropError('CHECKPOINT_CORRUPT', `${path}: missing from the checkpoint`, { cause: error });
  });
}

/**
 * The checkpoint that a state calls the best; null when it knows none.
 *
 * @throws RdropError CHECKPOINT_MISMATCH when another or none is there, CHECKPOINT_CORRUPT
 */
export async function openBest(
  checkpoints: string,
  { best }: Pick<TrainingState, 'best'>,
): Promise<Checkpoint | null> {
  if (best === null) return null;
  const path = await findCheckpoint(checkpoints, 'best');
  const checkpoint = path === null ? null : await openCheckpoint(path);
  if (checkpoint?.state.update === best.update) return checkpoint;
  const got = checkpoint === null ? 'none' : `that of update ${checkpoint.state.update}`;
  throw new RdropError(
    'CHECKPOINT_MISMATCH',
    `${join(checkpoints, 'best')}: expected the best checkpoint, of update ${best.update}, got ${got}; ` +
      'bring it back, or resume with verify false (--no-verify), which continues without it',
  );
}

function parseState(bytes: Uint8Array, path: string) {
  try {
    const { sha256: claimed, ...body } = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (sha256(JSON.stringify(body)) !== claimed) throw new Error('its SHA-256 does not fit');
    return stateFileSchema.parse(body.version === 1 ? fromVersion1(body) : body);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError('CHECKPOINT_CORRUPT', `${path}: not a complete state of a run (${reason})`, {
      cause: error,
    });
  }
}

/** Version 1 knew the CPU alone: every step was applied, and the learning rate of a line was that of its last step. */
function fromVersion1(body: { state: { update: number; window: object } }) {
  const { state } = body;
  return {
    ...body,
    version: 2,
    state: {
      ...state,
      window: { ...state.window, learningRate: 0, skipped: 0 },
      optimizer: freshCounters(state.update),
    },
  };
}

async function readPart(path: string): Promise<Uint8Array> {
  try {
    return await readSmallFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new RdropError('CHECKPOINT_CORRUPT', `${path}: missing from the checkpoint`, { cause: error });
    }
    throw fileError(error, path, 'read');
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const chunkBytes = 1 << 20;

/** What is hashed and written at a time, so that the event loop keeps running. */
function* chunks(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length; at += chunkBytes) yield piece.subarray(at, at + chunkBytes);
}

async function sha256Pieces(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** Writes and flushes a new file; returns its SHA-256. */
async function writeSynced(path: string, pieces: Pieces): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  await withCleanup(
    async () => {
      for await (const piece of pieces) {
        for (const chunk of chunks(piece)) {
          hash.update(chunk);
          await file.writeFile(chunk);
        }
      }
      await file.sync();
    },
    () => file.close(),
  );
  return hash.digest('hex');
}
