/** What a sweep and its workers say to each other by the queue. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { sweepName } from '../../options/queue.js';
import { describe, parseConfig } from '../../options/schema/parse.js';
import { seed } from '../../options/schema/ranges.js';
import { trialDirections } from '../../options/sweep.js';
import { metricsText } from '../../options/tasks/names.js';
import { trainSchema } from '../../options/training.js';
import type { DataHashes, RunResult } from '../../training/run/run_directory.js';
import type { TrainProgress } from '../../training/stages.js';
import { RdropError } from '../../util/errors.js';
import { packageVersion } from '../../util/package_version.js';
import type { Trial } from '../plan.js';
import { prefix } from './connection.js';

/** Characters of a job; one of rdrop's has about 3,000. */
const largestJob = 1 << 18;

/** A trial's name: part of a path, so no separator and no dot first. */
export const trialName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._=,+-]{0,199}$/, 'expected the name of a trial');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const fileName = z
  .string()
  .max(200)
  .regex(/^(raw\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected the name of a file of prepared data');

export const jobSchema = z.strictObject({
  version: z.literal(1),
  /** Of rdrop: another one may train otherwise. */
  rdrop: z.string().max(40),
  sweep: sweepName,
  trial: trialName,
  direction: z.enum(trialDirections),
  seed,
  /** Every default filled in, without what belongs to the machine that trains: paths, processes. `auto` and 0 threads: the slot decides. */
  config: trainSchema.omit({ preset: true, data: true, init: true, runDirectory: true, distributed: true }),
  /** SHA-256 of the files of the data. */
  data: z.record(fileName, sha256),
  /** SHA-256 of the parameters and dictionaries of the run that it begins with. Left out: with none. */
  init: z.record(fileName, sha256).optional(),
});
export type TrialJob = z.output<typeof jobSchema>;

/** The job of a trial. @param init of the run that it begins with */
export function jobOf(
  sweep: string,
  { name, direction, seed, config }: Trial,
  { data, init }: { data: DataHashes; init?: DataHashes | undefined },
): TrialJob {
  const { data: _d, init: _i, runDirectory: _r, distributed: _p, ...shared } = config;
  return {
    ...{ version: 1, rdrop: packageVersion(), sweep, trial: name, direction, seed },
    ...{ config: shared, data, ...(init && { init }) },
  };
}

/** Its name on the queue: another configuration, other data or another rdrop make another one. */
export function jobId(job: TrialJob): string {
  const digest = createHash('sha256').update(JSON.stringify(job)).digest('hex').slice(0, 12);
  return `${job.sweep}.${job.trial}.${digest}`;
}

/**
 * A job as it came from the queue, checked.
 *
 * @throws RdropError INVALID_CONFIG for anything that the schema of a training does not express, TOO_LARGE
 */
export function parseJob(data: unknown): TrialJob {
  const size = JSON.stringify(data)?.length ?? 0;
  if (size > largestJob) {
    throw new RdropError('TOO_LARGE', `a job: expected at most ${largestJob} characters, got ${size}`);
  }
  const job = parseConfig(jobSchema, data, 'job');
  if (job.config.seed !== job.seed) {
    throw new RdropError('INVALID_CONFIG', `job.config.seed: expected ${job.seed}, got ${job.config.seed}`);
  }
  if (typeof job.config.validation.metric !== 'string') {
    throw new RdropError(
      'INVALID_CONFIG',
      `job.config.validation.metric: expected ${metricsText(job.config.task)}, got ${describe(job.config.validation.metric)}`,
    );
  }
  return job;
}

/** What a worker says of a trial it has, in the job's progress. */
export interface JobProgress {
  /** refused: the worker gave it back, for the reason `message`. */
  state: 'running' | 'refused';
  worker: string;
  /** Milliseconds since 1970, when it was taken. */
  since: number;
  resumed: boolean;
  message?: string;
  event?: TrainProgress;
}

/** What the worker that finished a trial leaves in the job: the key under which the files of the run lie, and its result for who looks on. */
export interface JobResult {
  files: string;
  result?: RunResult;
}

export const filesKey = (id: string, claim: string): string => `${prefix}:files:${id}:${claim}`;
/** The stream of a sweep's metrics, as they are made: entries with the fields `trial` and `event`. */
export const metricsKey = (sweep: string): string => `${prefix}:metrics:${sweep}`;

/** Seconds after which Redis forgets what nobody fetched. */
export const keptSeconds = 30 * 24 * 3600;
