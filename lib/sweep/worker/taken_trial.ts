/** One trial that a worker has taken from the queue, from the check of its job to the files of its run. */
import { join, resolve } from 'node:path';
import type { Redis } from 'ioredis';
import type { WorkerConfig } from '../../options/worker.js';
import type { RunResult } from '../../training/run/run_directory.js';
import type { TrainProgress } from '../../training/stages.js';
import type { TrainEvent } from '../../training/train_events.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { readJsonFile } from '../../util/files/files.js';
import { packageVersion } from '../../util/package_version.js';
import { type Trial, trialState } from '../plan.js';
import { packRun } from '../queue/files.js';
import { keptSeconds, metricsKey, type TrialJob } from '../queue/job.js';
import type { Slot } from '../slots.js';
import { runTrial } from '../trial_process.js';
import type { DataRoot } from './data_root.js';
import { findInit } from './find_init.js';
import type { Lease } from './lease.js';
import { uploadBest } from './upload.js';

/** A trial that this worker cannot train, and another may. */
export class Refusal extends Error {}

export interface TrialWork {
  config: WorkerConfig;
  data: DataRoot;
  client: Redis;
  slot: Slot;
  lease: Lease;
  /** Ends the trial with a checkpoint. */
  signal: AbortSignal;
  entry: string | undefined;
  onStart(resumed: boolean): void;
  onProgress(event: TrainProgress): void;
}

/**
 * Trains a trial to its end and packs the files of its run.
 *
 * @throws Refusal, RdropError TRIAL_FAILED, ABORTED, RUN_LOST (the lease is over)
 */
export async function runTakenTrial(
  job: TrialJob,
  work: TrialWork,
): Promise<{ packed: Buffer; result: RunResult }> {
  const { config, slot, lease, signal } = work;
  const trial = await placedTrial(job, work);
  const state = await trialState(trial);
  work.onStart(state !== 'new');
  if (state !== 'finished') {
    const run = (unlock: boolean, resume: boolean) =>
      runTrial(trial, { resume, unlock, verify: true, entry: work.entry, signal, slot, lease, onEvent });
    const onEvent = (event: TrainEvent | TrainProgress): void => {
      if (event.type === 'progress') work.onProgress(event);
      else if (event.type === 'train' || event.type === 'validation' || event.type === 'warning')
        void sendMetrics(work.client, job, event);
    };
    try {
      await run(false, state === 'interrupted');
    } catch (error) {
      const cause = asRdropError((error as Error).cause).code;
      if (lease.lost.aborted || signal.aborted || (cause !== 'RUN_LOCKED' && cause !== 'RUN_EXISTS'))
        throw error;
      // The queue says whose the trial is: a process that still has its directory has lost it, and stops before its next write.
      const now = await trialState(trial);
      if (now !== 'finished') await run(true, now === 'interrupted');
    }
  }
  if (config.upload === 'best')
    await uploadBest(trial.directory, resolve(config.uploadDirectory as string), job.sweep, job.trial);
  const result = (await readJsonFile(join(trial.directory, 'result.json'))) as RunResult;
  return { packed: await packRun(trial.directory), result };
}

async function placedTrial(job: TrialJob, { config, data, slot, signal }: TrialWork): Promise<Trial> {
  if (job.rdrop !== packageVersion())
    throw new Refusal(`it is of rdrop ${job.rdrop}, this worker of ${packageVersion()}`);
  const { device } = job.config;
  if (device !== 'auto' && device !== slot.device)
    throw new Refusal(`it needs the device ${device}, the slot ${slot.name} has ${slot.device}`);
  const directory = await data.find(job.data, signal);
  if (directory === null)
    throw new Refusal(`no directory below ${resolve(config.dataRoot)} holds its data (compared by SHA-256)`);
  const init = job.init === undefined ? null : await findInit([config.dataRoot, config.runs], job.init);
  if (init !== null && 'reason' in init) throw new Refusal(init.reason);
  const runs = resolve(config.runs);
  const runDirectory = join(runs, job.sweep, job.trial);
  if (!runDirectory.startsWith(join(runs, '/'))) {
    throw new RdropError(
      'INVALID_CONFIG',
      `job.trial: expected a name below the runs, got ${JSON.stringify(job.trial)}`,
    );
  }
  const { trial: name, direction, seed } = job;
  return {
    name,
    direction,
    seed,
    directory: runDirectory,
    config: { ...job.config, data: directory, runDirectory, ...(init && { init: init.directory }) },
  };
}

/** Lines that are lost on the way come with the files of the run. */
async function sendMetrics(client: Redis, { sweep, trial }: TrialJob, event: TrainEvent): Promise<void> {
  const key = metricsKey(sweep);
  try {
    await client.xadd(key, 'MAXLEN', '~', 200_000, '*', 'trial', trial, 'event', JSON.stringify(event));
    await client.expire(key, keptSeconds);
  } catch {
    // The connection was closed.
  }
}
