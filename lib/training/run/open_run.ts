/** How a run is opened for training: its ranks, its directory, its data, its model. */
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type ResolvedRuntime, resolveRuntime } from '../../model/device.js';
import { type OpenOptions, openSchema } from '../../options/opening.js';
import { resolveTrainOptions } from '../../options/presets.js';
import { checkCall, workOptions } from '../../options/schema/call_options.js';
import { parseConfig } from '../../options/schema/parse.js';
import {
  type ResumeOptions,
  resumeSchema,
  type TrainConfig,
  type TrainOptions,
} from '../../options/training.js';
import { taskOfRun } from '../../tasks/index.js';
import type { TaskData } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { checkWritableDirectory } from '../../util/files/writable.js';
import { openRanks } from '../distributed/open_ranks.js';
import { isPlaced } from '../distributed/place.js';
import type { Ranks } from '../distributed/ranks.js';
import { agreedConfig, checkRanks } from '../distributed/same_run.js';
import { hashInit } from '../init.js';
import { checkOptimizer } from '../optimizer/optimizer_options.js';
import { StageReporter, type TrainListener } from '../stages.js';
import { TensorboardLog } from '../tensorboard/tensorboard_log.js';
import { TrainingLoop } from '../training_loop.js';
import { hashData, RunDirectory, readRunConfig } from './run_directory.js';
import { checkRunText } from './run_text.js';

/** Opening a run reads its data and makes its model. */
export interface OpenWork {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  /** Called while data is read and the model is made. */
  onProgress?: TrainListener | undefined;
}

export type CreateWork = OpenWork & OpenOptions;

/** Trainer.create. */
export async function createLoop(options: TrainOptions, work: CreateWork): Promise<TrainingLoop> {
  const { signal, onProgress, ...opening } = work;
  checkCall({ signal, onProgress }, workOptions, 'opening');
  const { unlock, verify } = parseConfig(openSchema, opening, 'opening', 'INVALID_ARGUMENT', workOptions);
  throwIfAborted(signal, opened);
  const own = resolved(absolute(resolveTrainOptions(options, 'train')));
  const start = { how: 'create' as const, options: withoutRanks(own) };
  const ranks = await openRanks(own.distributed, { device: own.device, start, signal });
  return open(ranks, signal, async () => {
    const config = await agreedConfig(ranks, own, own);
    if (ranks.first) await checkWritableDirectory(config.runDirectory);
    const hashes = await hashData(config.data, ranks.first && verify, signal);
    await checkRanks(ranks, hashes);
    const data = await openData(config, ranks, { signal, onProgress });
    throwIfAborted(signal, opened);
    checkOptimizer(config, data.network);
    const init = config.init === undefined || !ranks.first ? undefined : await hashInit(config.init, false);
    const creating = { unlock, worldSize: ranks.size, init };
    const run = ranks.first ? await RunDirectory.create(config, hashes, creating) : null;
    return releasing(run, async () => {
      await mirrorMetrics(config, run)?.restart(0);
      return TrainingLoop.create(config, run, data, ranks);
    });
  });
}

/** Trainer.resume. */
export async function resumeLoop(
  runDirectory: string,
  limits: ResumeOptions,
  work: OpenWork,
): Promise<TrainingLoop> {
  checkCall(work, workOptions, 'opening');
  const { signal } = work;
  throwIfAborted(signal, opened);
  const { unlock, verify, ...changed } = parseConfig(resumeSchema, limits, 'limits', 'INVALID_ARGUMENT');
  const given = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== undefined));
  const placed = isPlaced(changed.distributed);
  const path = resolve(runDirectory);
  const data = changed.data === undefined ? undefined : resolve(changed.data);
  // Another rank than the first, on another machine perhaps, need not see the directory; the first may read it before it is locked.
  const stored = await readRunConfig(path).catch((error) => {
    if (!placed) throw error;
    return null;
  });
  const distributed = changed.distributed ?? stored?.distributed;
  const start = { how: 'resume' as const, runDirectory: path, data };
  const { device } = resolveRuntime(stored ?? { seed: 0, device: 'auto', precision: 'auto' });
  const ranks = await openRanks(distributed, { device, start, signal });
  const make = async (): Promise<TrainingLoop> => {
    const run = ranks.first ? await RunDirectory.open(path, { unlock }) : null;
    return releasing(run, async () => {
      const own = run && absolute({ ...(await readRunConfig(path)), ...given, runDirectory: path });
      const config = await agreedConfig(ranks, own, { data, distributed });
      if (run !== null && verify) await checkRunText(path);
      const hashes = await hashData(config.data, false, signal).catch((error) =>
        throwMoved(error, config.data),
      );
      if (run !== null && verify) await run.checkData(hashes);
      await checkRanks(ranks, hashes);
      const runData = await openData(config, ranks, work);
      throwIfAborted(signal, opened);
      mirrorMetrics(config, run);
      return TrainingLoop.create(config, run, runData, ranks);
    });
  };
  return open(ranks, signal, make, async (loop) => {
    await loop.restore(verify);
    const { config, run } = loop;
    await run?.removeFailure();
    if (run !== null && !isDeepStrictEqual(config, await readRunConfig(path))) await run.writeConfig(config);
  });
}

const opened = 'opening the run';

/** The data of a run, hashed before: of a damaged file the error should be that it is damaged, not what is wrong with its text. */
async function openData(
  config: TrainConfig,
  ranks: Ranks,
  { signal, onProgress }: OpenWork,
): Promise<TaskData> {
  const task = await taskOfRun(config.task, config.data);
  const moment = { update: 0, epoch: 0, loss: null, kl: null, tokensPerSecond: null };
  const reporter = new StageReporter(onProgress, () => moment);
  return task.open(config, { signal, report: (...progress) => reporter.report(...progress), taker: ranks });
}

/** The loop of a run that is being opened, the same on every rank; what ends the opening on one ends it on all. */
async function open(
  ranks: Ranks,
  signal: AbortSignal | undefined,
  make: () => Promise<TrainingLoop>,
  prepare: (loop: TrainingLoop) => Promise<void> = async () => {},
): Promise<TrainingLoop> {
  let loop: TrainingLoop | null = null;
  try {
    loop = await make();
    await prepare(loop);
    await loop.share();
    throwIfAborted(signal, opened);
    return loop;
  } catch (error) {
    const told = await ranks.failed(error);
    if (loop === null) ranks.dispose();
    else loop.dispose();
    throw told;
  }
}

/** Work on a run, which is released where the work fails. */
async function releasing<T>(run: RunDirectory | null, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    run?.release();
    throw error;
  }
}

/** Event files beside metrics.jsonl, where the configuration asks for them. */
function mirrorMetrics({ tensorboard }: TrainConfig, run: RunDirectory | null): TensorboardLog | null {
  if (run === null || !tensorboard) return null;
  const log = new TensorboardLog(join(run.path, 'tensorboard'));
  run.metrics.mirror = log;
  return log;
}

/** What another rank of the run is given: all but which rank it is. */
function withoutRanks(config: TrainConfig): TrainOptions {
  const { distributed: _, ...rest } = config;
  return rest;
}

/** The error of a run whose data are not where they were. */
async function throwMoved(error: unknown, data: string): Promise<never> {
  if (!(error instanceof RdropError) || error.code !== 'FILE_NOT_FOUND' || (await pathExists(data)))
    throw error;
  throw new RdropError(
    'FILE_NOT_FOUND',
    `${data}: the run's prepared data are not there; where they were moved, say so by the option data (--data)`,
    { cause: error },
  );
}

/** A run continues where it began: what 'auto' stood for is written into its configuration. */
const resolved = (config: TrainConfig): TrainConfig & ResolvedRuntime => ({
  ...config,
  ...resolveRuntime(config),
});

const absolute = (config: TrainConfig): TrainConfig => ({
  ...config,
  data: resolve(config.data),
  ...(config.init !== undefined && { init: resolve(config.init) }),
  runDirectory: resolve(config.runDirectory),
});
