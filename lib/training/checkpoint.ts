import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { lazily, z } from '../config/zod.js';
import { decodeSafetensors, type Tensor } from '../data/safetensors.js';
import { RdropError } from '../errors.js';
import { fileError } from '../files.js';
import { linkOrCopy } from '../util/link_or_copy.js';
import { windowSchema } from './metrics.js';

/** Everything that a run needs to go on, besides the parameters and the moments of the optimiser. */
export const trainingStateSchema = lazily(() =>
  z.strictObject({
    /** Of the configuration, see run_directory.ts. */
    fingerprint: z.string(),
    update: z.int().min(0),
    /** Counted from 1. */
    epoch: z.int().min(1),
    /** Updates done in this epoch. */
    position: z.int().min(0),
    lastValidated: z.int().min(0),
    best: z.strictObject({ update: z.int(), loss: z.number(), bleu: z.number().nullable() }).nullable(),
    /** Validations since the best one. */
    sinceBest: z.int().min(0),
    /** Of the steps alone. */
    trainingSeconds: z.number(),
    /** Of fit(): steps, validations and checkpoints. */
    elapsedSeconds: z.number(),
    /** The sums of the next line of metrics. */
    window: windowSchema,
    /** OptimizerState of lib/native.ts without the moments. */
    optimizer: z.strictObject({
      update: z.int().min(0),
      applied: z.int().min(0),
      lossScale: z.number(),
      lastOverflow: z.int().min(-1),
    }),
  }),
);
export type TrainingState = z.infer<typeof trainingStateSchema>;

/** Of a trainer whose every step was applied. */
export const freshCounters = (update: number): TrainingState['optimizer'] => ({
  update,
  applied: update,
  lossScale: 1,
  lastOverflow: -1,
});

export type CheckpointName = 'last' | 'best';
const modelFile = 'model.safetensors';
const optimizerFile = 'optimizer.safetensors';
const stateFile = 'state.json';

/** The file has these and `sha256`, that of them as JSON without spaces. */
const stateFileSchema = lazily(() =>
  z.strictObject({
    version: z.literal(2),
    files: z.record(z.string(), z.string()),
    state: trainingStateSchema,
  }),
);

export interface CheckpointContent {
  model: readonly Uint8Array[];
  optimizer: readonly Uint8Array[];
  state: TrainingState;
}

/**
 * Writes checkpoints with the same content. Each appears whole or not at all: its directory is filled beside its place,
 * flushed to the disk, then renamed. The files of the second are links to those of the first.
 *
 * @param fence awaited before each rename
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE, and what the fence throws; the old checkpoints are then untouched
 */
export async function writeCheckpoint(
  checkpoints: string,
  names: readonly CheckpointName[],
  content: CheckpointContent,
  fence: () => Promise<void> = async () => {},
): Promise<void> {
  const besides = names.map((name) => join(checkpoints, `${name}.${randomBytes(4).toString('hex')}.part`));
  try {
    const [first, ...others] = besides;
    await mkdir(first!, { recursive: true });
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
    for (const [i, name] of names.entries()) await replace(besides[i]!, join(checkpoints, name), fence);
    await syncDirectory(checkpoints);
  } catch (error) {
    for (const beside of besides) await rm(beside, { recursive: true, force: true });
    throw fileError(error, checkpoints, 'write');
  }
}

/** A directory cannot be renamed over a full one, so the old one steps aside; tidyCheckpoints() knows the gap. */
async function replace(beside: string, place: string, fence: () => Promise<void>): Promise<void> {
  const previous = `${place}.previous`;
  await fence();
  await settle(place);
  if (await exists(place)) await rename(place, previous);
  await fence();
  await rename(beside, place);
  await rm(previous, { recursive: true, force: true });
}

/** After a process that ended between two renames: its old directory comes back, or goes when the new one is there. */
async function settle(place: string): Promise<void> {
  const previous = `${place}.previous`;
  if (!(await exists(previous))) return;
  if (await exists(place)) await rm(previous, { recursive: true, force: true });
  else await rename(previous, place);
}

/** Clears away what a killed process left. Only for whoever holds the run's lock. */
export async function tidyCheckpoints(checkpoints: string): Promise<void> {
  const entries = await readdir(checkpoints).catch(() => []);
  for (const entry of entries) {
    if (entry.endsWith('.part')) await rm(join(checkpoints, entry), { recursive: true, force: true });
  }
  await settle(join(checkpoints, 'last'));
  await settle(join(checkpoints, 'best'));
}

/** Where a checkpoint lies, or null where there is none. */
export async function findCheckpoint(checkpoints: string, name: CheckpointName): Promise<string | null> {
  for (const place of [join(checkpoints, name), join(checkpoints, `${name}.previous`)]) {
    if (await exists(place)) return place;
  }
  return null;
}

export interface Checkpoint {
  path: string;
  state: TrainingState;
  /** Reads one of the two files of tensors and checks it. @throws RdropError CHECKPOINT_CORRUPT */
  read(file: 'model' | 'optimizer'): Promise<Map<string, Tensor>>;
}

/** Opens a checkpoint and checks its state. @throws RdropError CHECKPOINT_CORRUPT, FILE_UNREADABLE */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { files, state } = parseState(await readPart(join(path, stateFile)), join(path, stateFile));
  const read = async (file: 'model' | 'optimizer') => {
    const name = file === 'model' ? modelFile : optimizerFile;
    const bytes = await readPart(join(path, name));
    if ((await sha256Chunks([bytes])) !== files[name]) {
      throw new RdropError(
        'CHECKPOINT_CORRUPT',
        `${join(path, name)}: its SHA-256 is not the one in ${stateFile}; the file is damaged or incomplete`,
      );
    }
    return decodeSafetensors(bytes, join(path, name)).tensors;
  };
  return { path, state, read };
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
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new RdropError('CHECKPOINT_CORRUPT', `${path}: missing from the checkpoint`, { cause: error });
    }
    throw fileError(error, path, 'read');
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const chunkBytes = 1 << 20;

function* chunks(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += chunkBytes) yield piece.subarray(at, at + chunkBytes);
  }
}

/** In pieces with pauses, so that the event loop goes on. */
export async function sha256Chunks(pieces: Iterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for (const chunk of chunks(pieces)) {
    hash.update(chunk);
    await setImmediate();
  }
  return hash.digest('hex');
}

/** Writes and flushes a new file; returns its SHA-256. */
async function writeSynced(path: string, pieces: Iterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    for (const chunk of chunks(pieces)) {
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** What a file system answers that flushes no directory by itself. */
const cannotFlush = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EISDIR', 'EPERM', 'EACCES', 'EBADF'];

async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    if (!cannotFlush.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
