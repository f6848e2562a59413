/** A sweep whose trials are on a queue: puts them there, shows how they come on, and fetches the files of those that are done. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { parseConfig } from '../../options/schema/parse.js';
import type { SweepConfig } from '../../options/sweep.js';
import { trainSchema } from '../../options/training.js';
import { hashInit } from '../../training/init.js';
import type { DataHashes, RunResult } from '../../training/run/run_directory.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { readJsonFile } from '../../util/files/files.js';
import { type RdropWarning, warn } from '../../util/warnings.js';
import { named, type SweepEvent } from '../messages.js';
import { configDifferences, type Trial, type TrialState, trialState } from '../plan.js';
import { connect, prefix, queueName, shownUrl } from './connection.js';
import { unpackRun, writeRun } from './files.js';
import { type JobProgress, type JobResult, jobId, jobOf, metricsKey, type TrialJob } from './job.js';
import { isMirror, Mirror, metricsLine, warningLine } from './mirror.js';
import { loadQueuePackages } from './packages.js';

export interface QueueControl {
  signal: AbortSignal | undefined;
  /** Aborted when another sweep has taken the directory over. */
  lost: AbortSignal;
  verify(): Promise<void>;
  data: DataHashes;
}

/** Milliseconds between two looks at the queue, and for each trial that is open. */
const pause = { least: 300, each: 2 };

interface Open {
  trial: Trial;
  job: TrialJob;
  id: string;
  mirror: Mirror | null;
  /** What was told last. */
  worker: string;
  shown: string;
}

/** How far a trial has come in the sweep's directory; what only shows one that runs elsewhere counts as new. */
export async function queuedState(trial: Trial): Promise<TrialState> {
  const state = await trialState(trial);
  if (state !== 'interrupted') return state;
  if (await isMirror(trial.directory)) return 'new';
  throw new RdropError(
    'RUN_EXISTS',
    `${trial.directory}: a run has begun here; expected a sweep on a queue in a directory of its own, or the same call without a queue`,
  );
}

/** The events of trials that are open, until all are done or the signal comes. */
export async function* queueTrials(
  trials: readonly Trial[],
  sweep: SweepConfig & { queue: string; name: string },
  control: QueueControl,
): AsyncGenerator<SweepEvent, { finished: number; failed: number }> {
  const { Queue } = await loadQueuePackages();
  let away: RdropWarning | null = null;
  const client = await connect(sweep, (reason) => {
    away = {
      code: 'QUEUE_AWAY',
      message: `${shownUrl(sweep.queue)}: ${reason}; the sweep continues when the queue answers`,
    };
  });
  const queue = new Queue(queueName, { connection: client, prefix });
  queue.on('error', () => {});
  const stop = AbortSignal.any([control.lost, ...(control.signal ? [control.signal] : [])]);
  // Commands that wait for a server which is away end as well.
  const disconnect = () => client.disconnect();
  stop.addEventListener('abort', disconnect, { once: true });
  let finished = 0;
  let failed = 0;
  try {
    const open = new Map<string, Open>();
    const inits = new Map<string, DataHashes>();
    for (const trial of trials) {
      const { init: place } = trial.config;
      if (place !== undefined && !inits.has(place)) inits.set(place, await hashInit(place, true));
      const init = place === undefined ? undefined : inits.get(place);
      const job = jobOf(sweep.name, trial, { data: control.data, init });
      open.set(trial.name, { trial, job, id: jobId(job), mirror: null, worker: '', shown: '' });
    }
    for (const each of open.values()) await put(queue, each, true);
    const warned = new Set<string>();
    const told = function* (warning: RdropWarning): Generator<SweepEvent> {
      if (warned.has(warning.message)) return;
      warned.add(warning.message);
      warn(warning);
      yield { type: 'warning', ...warning };
    };
    let last = '0';
    const metrics = async function* (): AsyncGenerator<SweepEvent> {
      const lines = await metricsSince(client, sweep.name, last);
      last = lines.at(-1)?.id ?? last;
      for (const { trial: name, event } of lines) {
        const at = open.get(name);
        if (at === undefined) continue;
        const warning = warningLine(event);
        if (warning !== null) yield* told(warning);
        const line = metricsLine(event);
        if (line === null) continue;
        at.mirror ??= await Mirror.open(at.trial.directory, at.trial.config);
        if (await at.mirror.append(line)) yield { type: 'progress', trial: named(at.trial), event: line };
      }
      if (lines.length > 0) yield* metrics();
    };
    while (open.size > 0 && !stop.aborted) {
      if (away !== null) yield* told(away);
      away = null;
      yield* metrics();
      for (const at of [...open.values()]) {
        for await (const event of look(queue, client, at, control, metrics)) {
          if (event.type === 'warning') {
            yield* told(event);
            continue;
          }
          if (event.type === 'finish' || event.type === 'fail') open.delete(at.trial.name);
          if (event.type === 'finish') finished += 1;
          if (event.type === 'fail') failed += 1;
          yield event;
          if (event.type === 'fail' && sweep.stopOnFailure) {
            for (const other of open.values()) await queue.remove(other.id).catch(() => {});
            throw event.error;
          }
        }
      }
      if (open.size > 0) {
        const time = Math.max(pause.least, pause.each * open.size);
        await sleep(time, undefined, { signal: stop }).catch(() => {});
      }
    }
    if (open.size === 0) await client.del(metricsKey(sweep.name));
  } catch (error) {
    if (control.lost.aborted) throw control.lost.reason;
    if (!stop.aborted) throw error;
  } finally {
    stop.removeEventListener('abort', disconnect);
    await queue.close().catch(() => {});
    client.disconnect();
  }
  if (control.lost.aborted) throw control.lost.reason;
  return { finished, failed };
}

/** Puts a job on the queue where it is not there; one that failed before this call is tried again. */
async function put(queue: Queue, { id, job }: Open, again: boolean): Promise<void> {
  const there = (await queue.getJob(id)) as Job | undefined;
  if (there === undefined) {
    await queue.add('trial', job, { jobId: id, attempts: 1, removeOnComplete: false, removeOnFail: false });
  } else if (again && (await there.isFailed())) {
    // What was said of it before is not about this attempt.
    await there.updateProgress({});
    await there.retry('failed');
  }
}

async function metricsSince(client: Redis, sweep: string, last: string) {
  const read = await client.xread('COUNT', 1000, 'STREAMS', metricsKey(sweep), last);
  return (read?.[0]?.[1] ?? []).map(([id, fields]) => {
    const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
    return { id, trial: field('trial'), event: field('event') };
  });
}

/** What is new of one trial. */
async function* look(
  queue: Queue,
  client: Redis,
  at: Open,
  control: QueueControl,
  metrics: () => AsyncGenerator<SweepEvent>,
): AsyncGenerator<SweepEvent> {
  const { id, trial } = at;
  const state = await queue.getJobState(id);
  if (state === 'unknown') return put(queue, at, false);
  if (state === 'waiting' && at.shown === '') return;
  const job = (await queue.getJob(id)) as Job<TrialJob, JobResult> | undefined;
  if (job === undefined) return;
  const progress = typeof job.progress === 'object' ? (job.progress as Partial<JobProgress>) : {};
  if (progress.state === 'refused' && typeof progress.message === 'string') {
    const message = `the trial ${trial.name} waits: ${progress.message.slice(0, 1000)}`;
    yield { type: 'warning', code: 'TRIAL_REFUSED', message };
  }
  const { worker, since } = progress;
  const running = progress.state === 'running' && typeof worker === 'string' && typeof since === 'number';
  if (running && `${worker} ${since}` !== at.worker) {
    at.worker = `${worker} ${since}`;
    at.mirror ??= await Mirror.open(trial.directory, trial.config);
    await at.mirror.writeWorker(worker.slice(0, 200), since);
    yield {
      type: 'start',
      trial: named(trial),
      resumed: progress.resumed === true,
      worker: worker.slice(0, 200),
    };
  }
  const shown = JSON.stringify(progress.event ?? '');
  if (running && progress.event?.type === 'progress' && shown !== at.shown) {
    at.shown = shown;
    yield { type: 'progress', trial: named(trial), event: progress.event };
  }
  if (state === 'failed') {
    const reason = job.failedReason || 'no reason is known';
    const message = /^the trial \S+ failed: /.test(reason)
      ? reason
      : `the trial ${trial.name} failed: ${reason}`;
    await at.mirror?.writeFailure(message);
    yield { type: 'fail', trial: named(trial), error: new RdropError('TRIAL_FAILED', message) };
  } else if (state === 'completed') {
    // Sent before the trial was done, so all of its lines are there.
    yield* metrics();
    const result = await fetchRun(client, at, job.returnvalue, control);
    if (result === 'gone') {
      // The server forgot the files: the worker that has the run hands them in again.
      await job.retry('completed');
      return;
    }
    await queue.remove(id).catch(() => {});
    await client.del(String(job.returnvalue.files));
    yield result instanceof RdropError
      ? { type: 'fail', trial: named(trial), error: result }
      : { type: 'finish', trial: named(trial), result, reused: false };
  }
}

/** Writes the files of a finished trial into its directory, once they are found to be that trial's. */
async function fetchRun(
  client: Redis,
  { trial, job, id }: Open,
  returned: JobResult | null,
  { data, verify }: QueueControl,
): Promise<RunResult | RdropError | 'gone'> {
  const key = returned?.files;
  const packed = typeof key === 'string' && key.includes(id) ? await client.getBuffer(key) : null;
  if (packed === null) return 'gone';
  try {
    const files = await unpackRun(packed, `the results of ${trial.name}`);
    const json = (name: string): unknown => JSON.parse(files.get(name) ?? 'null');
    const config = parseConfig(trainSchema, json('config.json'), `config.json of ${trial.name}`);
    const found = configDifferences(config, trial);
    const environment = json('environment.json') as { data?: unknown; init?: unknown } | null;
    const result = json('result.json') as Partial<RunResult> | null;
    if (!isDeepStrictEqual(environment?.data, JSON.parse(JSON.stringify(data)))) found.push('its data');
    if (!isDeepStrictEqual(environment?.init, job.init && JSON.parse(JSON.stringify(job.init))))
      found.push('the parameters that it began with');
    if (result?.seed !== trial.seed) found.push('its result');
    if (found.length > 0) {
      throw new RdropError(
        'TRIAL_FAILED',
        `the trial ${trial.name} failed: what came from its worker is of another run, it differs in ${found.join(', ')}`,
      );
    }
    const { directory } = trial;
    const { data: own, init } = trial.config;
    const here = { ...config, data: own, runDirectory: directory, ...(init !== undefined && { init }) };
    files.set('config.json', `${JSON.stringify(here, null, 2)}\n`);
    await verify();
    await writeRun(directory, files);
    return result as RunResult;
  } catch (error) {
    const coded = asRdropError(error);
    if (coded.code === 'TRIAL_FAILED') return coded;
    if (coded.code === 'MALFORMED_FILE' || coded.code === 'INVALID_CONFIG' || error instanceof SyntaxError)
      return new RdropError('TRIAL_FAILED', `the trial ${trial.name} failed: ${coded.message}`, {
        cause: coded,
      });
    throw error;
  }
}

/** Those of a call that were finished before it. */
export async function* finishedBefore(trials: readonly Trial[]): AsyncGenerator<SweepEvent> {
  for (const trial of trials) {
    if (!(await pathExists(join(trial.directory, 'result.json')))) continue;
    const result = (await readJsonFile(join(trial.directory, 'result.json'))) as RunResult;
    yield { type: 'finish', trial: named(trial), result, reused: true };
  }
}
