/** A worker: takes trials of sweeps from a queue into its slots. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Job } from 'bullmq';
import { checkCall } from '../../options/schema/call_options.js';
import { parseConfig } from '../../options/schema/parse.js';
import { type WorkerConfig, type WorkerOptions, workerSchema } from '../../options/worker.js';
import type { TrainProgress } from '../../training/stages.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { checkWritableDirectory } from '../../util/files/writable.js';
import { connect, prefix, queueName, shownUrl } from '../queue/connection.js';
import {
  filesKey,
  type JobProgress,
  type JobResult,
  keptSeconds,
  parseJob,
  type TrialJob,
} from '../queue/job.js';
import { loadQueuePackages } from '../queue/packages.js';
import { machineSlots, type Slot, slotsOf } from '../slots.js';
import { DataRoot } from './data_root.js';
import { Lease } from './lease.js';
import { Refusal, runTakenTrial } from './taken_trial.js';

/** What a worker does. `trial` is `<sweep>/<trial>`. */
export type WorkerEvent =
  | { type: 'take'; trial: string; slot: string; resumed: boolean }
  | { type: 'finish'; trial: string; slot: string }
  | { type: 'release'; trial: string; slot: string }
  /** release: the worker ends. lost: the queue took the trial away. refuse: another worker may have what it needs. */
  | { type: 'fail' | 'lost' | 'refuse'; trial: string; slot: string; message: string }
  /** The queue does not answer, or does again. */
  | { type: 'away'; message: string };

export interface WorkerControl {
  /** Ends the worker; its trials write a checkpoint and go back to the queue. */
  signal?: AbortSignal;
  /** Called with what the worker does. */
  onEvent?: (event: WorkerEvent) => void;
  /** The program that trains a trial, for tests; the default is the package's own. */
  trialEntry?: string;
}

/** A worker at work. `await using` closes it. */
export interface TrialWorker extends AsyncDisposable {
  /** As the queue knows it: host and process. */
  readonly name: string;
  readonly slots: readonly string[];
  /** Resolved when it has ended: by its signal, close() or `maxIdleMinutes`. */
  readonly ended: Promise<void>;
  /** Ends it as its signal does. */
  close(): Promise<void>;
}

/** How often a trial may be taken from workers that died before it is taken for what kills them. */
const mostDeaths = 100;
/** Milliseconds between two reports of a trial's progress. */
const pause = 1000;

/**
 * Starts a worker. It takes trainings that the schema of TrainOptions expresses and nothing else, and writes below its `runs` alone.
 *
 * @throws RdropError INVALID_CONFIG, QUEUE_UNAVAILABLE, PACKAGE_MISSING, FILE_UNWRITABLE
 */
export async function startWorker(options: WorkerOptions & WorkerControl): Promise<TrialWorker> {
  const { signal, onEvent, trialEntry, ...rest } = options;
  checkCall({ signal }, ['signal'], 'worker');
  const config = parseConfig(workerSchema, rest, 'worker', 'INVALID_CONFIG', ['signal', 'onEvent']);
  if ((config.upload === 'best') !== (config.uploadDirectory !== undefined)) {
    throw new RdropError('INVALID_CONFIG', "worker.uploadDirectory: expected it together with upload 'best'");
  }
  const slots = config.slots === undefined ? machineSlots() : slotsOf(config.slots, 'worker.slots');
  await checkWritableDirectory(resolve(config.runs));
  const worker = new QueueWorker(config, slots, onEvent ?? (() => {}), trialEntry);
  await worker.start();
  if (signal?.aborted) await worker.close();
  signal?.addEventListener('abort', () => void worker.close(), { once: true });
  return worker;
}

class QueueWorker implements TrialWorker {
  readonly name = `${hostname()}:${process.pid}`;
  readonly slots: readonly string[];
  readonly ended: Promise<void>;
  readonly #config: WorkerConfig;
  readonly #free: Slot[];
  readonly #tell: (event: WorkerEvent) => void;
  readonly #entry: string | undefined;
  readonly #stop = new AbortController();
  readonly #data: DataRoot;
  #shut: () => Promise<void> = async () => {};
  #end: () => void = () => {};
  #closing: Promise<void> | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(
    config: WorkerConfig,
    slots: readonly Slot[],
    tell: (event: WorkerEvent) => void,
    entry: string | undefined,
  ) {
    this.#config = config;
    this.#free = [...slots];
    this.slots = slots.map(({ name }) => name);
    this.#tell = tell;
    this.#entry = entry;
    this.#data = new DataRoot(config.dataRoot);
    this.ended = new Promise((done) => {
      this.#end = done;
    });
  }

  async start(): Promise<void> {
    const { Worker, DelayedError, WaitingError } = await loadQueuePackages();
    const lease = Math.round(this.#config.lease * 1000);
    let away = '';
    const client = await connect(this.#config, (reason) => {
      if (away !== reason)
        this.#tell({ type: 'away', message: `${shownUrl(this.#config.queue)}: ${reason}` });
      away = reason;
    });
    client.on('ready', () => {
      away = '';
    });
    const worker = new Worker<TrialJob, JobResult | undefined>(
      queueName,
      async (job, token = '') => {
        const again = await this.#work(job, token, client);
        if (typeof again !== 'string') return again;
        if (again === 'wait') throw new WaitingError();
        throw new DelayedError();
      },
      {
        connection: client,
        prefix,
        name: this.name,
        concurrency: this.#free.length,
        lockDuration: lease,
        // Renewed by Lease, which also ends the trial where it cannot be.
        skipLockRenewal: true,
        stalledInterval: Math.round(lease / 3),
        maxStalledCount: mostDeaths,
        drainDelay: 2,
        runRetryDelay: 1000,
      },
    );
    // Of connections that broke, and of locks that went to others: both are told elsewhere.
    worker.on('error', () => {});
    this.#rest();
    this.#shut = async () => {
      // Trials under way end first, while the connection is there.
      const closed = worker.close();
      const limit = new Promise((done) => setTimeout(done, 30_000).unref());
      await Promise.race([closed.catch(() => {}), limit]);
      client.disconnect();
    };
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      clearTimeout(this.#idle);
      this.#stop.abort();
      await this.#shut();
      this.#end();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends the worker when it stays without a trial for long enough. */
  #rest(): void {
    const minutes = this.#config.maxIdleMinutes;
    clearTimeout(this.#idle);
    if (minutes > 0 && this.#free.length === this.slots.length && this.#closing === undefined)
      this.#idle = setTimeout(() => void this.close(), Math.min(minutes * 60_000, 2 ** 31 - 1));
  }

  /** @returns what the queue keeps of a finished trial, or how the trial has gone back to it */
  async #work(
    job: Job<TrialJob>,
    token: string,
    client: Awaited<ReturnType<typeof connect>>,
  ): Promise<JobResult | 'wait' | 'delay'> {
    const slot = this.#free.shift();
    if (slot === undefined) throw new RdropError('INTERNAL', 'a worker took more trials than it has slots');
    clearTimeout(this.#idle);
    const lease = new Lease(Math.round(this.#config.lease * 1000), async (time) => {
      try {
        return (await job.extendLock(token, time)) > 0;
      } catch (error) {
        // BullMQ's answer where another has the lock; anything else is a server that is away.
        if (/lock/i.test((error as Error).message)) return false;
        throw error;
      }
    });
    let trial = String(job.id).slice(0, 300);
    const tell = (event: { type: WorkerEvent['type']; message?: string; resumed?: boolean }): void =>
      this.#tell({ trial, slot: slot.name, ...event } as WorkerEvent);
    const progress: JobProgress = {
      state: 'running',
      worker: `${this.name} ${slot.name}`,
      since: Date.now(),
      resumed: false,
    };
    let told = 0;
    const report = async (event?: TrainProgress): Promise<void> => {
      if (event && event.done < event.total && Date.now() - told < pause) return;
      told = Date.now();
      if (event) progress.event = event;
      await job.updateProgress({ ...progress }).catch(() => {});
    };
    try {
      const parsed = parseJob(job.data);
      trial = `${parsed.sweep}/${parsed.trial}`;
      if (!(await lease.begin())) throw new RdropError('RUN_LOST', `the trial ${trial} is another worker's`);
      const { packed, result } = await runTakenTrial(parsed, {
        config: this.#config,
        data: this.#data,
        client,
        slot,
        lease,
        signal: this.#stop.signal,
        entry: this.#entry,
        onStart: (resumed) => {
          progress.resumed = resumed;
          void report();
          tell({ type: 'take', resumed });
        },
        onProgress: (event) => void report(event),
      });
      const key = filesKey(String(job.id), randomUUID());
      await client.set(key, packed, 'EX', keptSeconds);
      tell({ type: 'finish' });
      return { files: key, result };
    } catch (error) {
      const { code, message } = asRdropError(error);
      if (lease.lost.aborted || code === 'RUN_LOST') {
        tell({ type: 'lost', message });
        // Its process has ended. Where the lock is still ours, by the queue's clock, the trial need not wait for the lock's end.
        await job.moveToWait(token).catch(() => {});
        return 'wait';
      } else if (error instanceof Refusal) {
        tell({ type: 'refuse', message });
        await job.updateProgress({ ...progress, state: 'refused', message: `${this.name}: ${message}` });
        await job.moveToDelayed(Date.now() + Math.round(this.#config.lease * 300), token);
        return 'delay';
      } else if (code === 'ABORTED' || this.#stop.signal.aborted) {
        tell({ type: 'release' });
        await job.moveToWait(token);
        return 'wait';
      } else tell({ type: 'fail', message: code === 'TRIAL_FAILED' ? message : `${code}: ${message}` });
      throw code === 'TRIAL_FAILED' ? error : new Error(`${code}: ${message}`);
    } finally {
      lease.end();
      this.#free.push(slot);
      this.#rest();
    }
  }
}
