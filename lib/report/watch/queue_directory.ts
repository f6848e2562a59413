/** A sweep on a queue for the live page: what the queue says of its trials, as run directories of the page's own. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { WatchedQueue } from '../../options/watch.js';
import { lossOfDirection } from '../../sweep/direction_loss.js';
import { connect, prefix, queueName, shownUrl } from '../../sweep/queue/connection.js';
import {
  type JobProgress,
  type JobResult,
  metricsKey,
  parseJob,
  type TrialJob,
  trialName,
} from '../../sweep/queue/job.js';
import { Mirror, metricsLine } from '../../sweep/queue/mirror.js';
import { loadQueuePackages } from '../../sweep/queue/packages.js';
import { namedTrial } from '../../sweep/search.js';
import { writeFileAtomically } from '../../util/files/files.js';
import { makePath } from '../../util/files/make_path.js';
import { warn } from '../../util/warnings.js';

/** The queue's lists, and what a trial in one of them is for the page. */
const lists = [
  ['wait', 'waiting'],
  ['prioritized', 'waiting'],
  ['delayed', 'waiting'],
  ['active', 'running'],
  ['completed', 'finished'],
  ['failed', 'failed'],
] as const;
type State = (typeof lists)[number][1];

/** Milliseconds between two looks at the queue: where it tells of nothing, and where it does. */
const pause = 1000;
const soon = 200;
/** Entries of a stream that are read at once. */
const atOnce = 1000;

interface Shown {
  id: string;
  mirror: Mirror;
  state: State | '';
  /** The content of its worker.json. */
  told: string;
}

interface Line {
  trial: string;
  event: string;
}

/**
 * Follows a sweep on its queue into a temporary directory. It asks only: nothing on the server changes. A trial that the sweep has
 * fetched is no longer on the queue; that it was done is known from the queue's last events.
 */
export class QueueDirectory {
  /** What is watched in place of a directory, without its password. */
  readonly title: string;
  readonly path: string;
  readonly #name: string;
  readonly #client: Redis;
  /** A connection of its own for what waits. */
  readonly #reader: Redis;
  readonly #queue: Queue;
  /** Called when a look has found something new. */
  onChange: () => void = () => {};
  readonly #shown = new Map<string, Shown>();
  readonly #completed = new Map<string, unknown>();
  /** Ids of jobs that are not what a sweep puts on a queue. */
  readonly #foreign = new Set<string>();
  #unplaced: Line[] = [];
  #last = { metrics: '0', events: '0' };
  #plan = '';
  #following: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(source: WatchedQueue, path: string, client: Redis, queue: Queue, reader: Redis) {
    this.title = `${shownUrl(source.queue)} ${source.name}`;
    this.path = path;
    this.#name = source.name;
    this.#client = client;
    this.#reader = reader;
    this.#queue = queue;
  }

  /** @throws RdropError QUEUE_UNAVAILABLE, PACKAGE_MISSING, INVALID_CONFIG, FILE_NOT_FOUND, FILE_UNREADABLE */
  static async open(source: WatchedQueue): Promise<QueueDirectory> {
    const { Queue } = await loadQueuePackages();
    const client = await connect(source, (reason) =>
      warn({
        code: 'QUEUE_AWAY',
        message: `${shownUrl(source.queue)}: ${reason}; the page continues when the queue answers`,
      }),
    );
    const queue = new Queue(queueName, { connection: client, prefix, skipMetasUpdate: true });
    queue.on('error', () => {});
    const reader = await connect(source).catch((error) => {
      client.disconnect();
      throw error;
    });
    const path = await mkdtemp(join(tmpdir(), 'rdrop-watch-'));
    const directory = new QueueDirectory(source, path, client, queue, reader);
    // What was streamed before, all of it, and then what the trials are now.
    await directory.#readAll();
    await directory.#look();
    directory.#following = directory.#follow();
    return directory;
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Commands that wait for a server which is away end with it.
    this.#client.disconnect();
    this.#reader.disconnect();
    await this.#following;
    await this.#queue.close().catch(() => {});
    await rm(this.path, { recursive: true, force: true }).catch(() => {});
  }

  /** Waits for what is streamed and looks at the trials, soon where the queue tells of something, until the page is closed. */
  async #follow(): Promise<void> {
    let looked = Date.now();
    let due = false;
    while (!this.#closed) {
      try {
        const { lines, events } = await this.#read(due ? soon : pause);
        due ||= events;
        let changed = lines;
        if (Date.now() - looked >= (due ? soon : pause)) {
          looked = Date.now();
          due = false;
          changed = (await this.#look()) || changed;
        }
        if (changed) this.onChange();
      } catch {
        // The server is away: the next look finds what this one did not.
        if (!this.#closed) await sleep(soon);
      }
    }
  }

  /** @returns whether something is new */
  async #look(): Promise<boolean> {
    let changed = await this.#trials();
    // Metrics of a trial that is on no queue at all are of an earlier sweep.
    for (const line of this.#unplaced.splice(0)) changed = (await this.#place(line)) || changed;
    return (await this.#writePlan()) || changed;
  }

  async #trials(): Promise<boolean> {
    const states = new Map<string, { list: string; state: State }>();
    // One list after the other: a trial that moves on meanwhile is in the later one as well.
    for (const [list, state] of lists) {
      for (const id of await this.#queue.getRanges([list], 0, -1))
        if (id.startsWith(`${this.#name}.`)) states.set(id, { list, state });
    }
    // What was told before a job was taken off the queue.
    let changed = await this.#readAll();
    const known = new Map([...this.#shown].map(([trial, { id }]) => [id, trial]));
    for (const [id, { list, state }] of states) {
      const trial = known.get(id);
      const told = trial === undefined ? undefined : this.#shown.get(trial)?.state;
      // Workers say something new of a trial that they have, and of one that they gave back.
      if (this.#foreign.has(id) || (told === state && list !== 'active' && list !== 'delayed')) continue;
      changed = (await this.#trial(id, trial, state)) || changed;
    }
    for (const [trial, shown] of this.#shown) {
      if (states.has(shown.id) || shown.state === 'finished') continue;
      changed = true;
      if (this.#completed.has(shown.id)) await this.#finish(trial, shown, this.#completed.get(shown.id));
      else if ((await this.#queue.getJobState(shown.id)) === 'unknown') await this.#remove(trial);
    }
    for (const id of this.#completed.keys()) changed = (await this.#fetchedBefore(id)) || changed;
    return changed;
  }

  /** What has become of a trial that is on the queue. */
  async #trial(id: string, known: string | undefined, state: State): Promise<boolean> {
    const job = await this.#queue.getJob(id);
    if (job === undefined) return false;
    let trial = known ?? '';
    let shown = this.#shown.get(trial);
    if (shown === undefined) {
      let parsed: TrialJob;
      try {
        parsed = parseJob(job.data);
      } catch {
        this.#foreign.add(id);
        return false;
      }
      // An id of another sweep may begin alike.
      if (parsed.sweep !== this.#name) {
        this.#foreign.add(id);
        return false;
      }
      trial = parsed.trial;
      shown = await this.#open(trial, id, parsed.config);
    }
    if (state === 'finished') {
      await this.#finish(trial, shown, (job.returnvalue as JobResult | null)?.result);
      return true;
    }
    const progress =
      typeof job.progress === 'object' ? (job.progress as unknown as Partial<JobProgress>) : {};
    const worker = state === 'waiting' ? '' : String(progress.worker ?? '').slice(0, 200);
    const refused = state === 'waiting' && progress.state === 'refused' ? progress.message : undefined;
    const reason = state === 'failed' ? job.failedReason || 'no reason is known' : refused;
    const told = {
      ...{ worker, since: Number(progress.since ?? 0), state },
      ...(reason !== undefined && { reason: String(reason).slice(0, 2000) }),
    };
    return this.#tell(trial, shown, told);
  }

  async #open(trial: string, id: string, config: object): Promise<Shown> {
    // Of the same name, with another configuration.
    if (this.#shown.has(trial)) await this.#remove(trial);
    const shown: Shown = { id, mirror: await Mirror.open(this.#at(trial), config), state: '', told: '' };
    this.#shown.set(trial, shown);
    return shown;
  }

  async #tell(
    trial: string,
    shown: Shown,
    told: { worker: string; since: number; state: State; reason?: string },
  ): Promise<boolean> {
    const text = JSON.stringify(told);
    if (shown.told === text) return false;
    if (shown.state === 'finished') await rm(join(this.#at(trial), 'result.json'), { force: true });
    await writeFileAtomically(join(this.#at(trial), 'worker.json'), `${text}\n`);
    shown.told = text;
    shown.state = told.state;
    return true;
  }

  async #finish(trial: string, shown: Shown, result: unknown): Promise<void> {
    const text = JSON.stringify(typeof result === 'object' && result !== null ? result : {});
    await writeFileAtomically(join(this.#at(trial), 'result.json'), `${text}\n`);
    shown.state = 'finished';
    shown.told = '';
  }

  /** A trial that was done and fetched before the page began: its name says its direction and seed, no job says the rest. */
  async #fetchedBefore(id: string): Promise<boolean> {
    const trial = id.slice(this.#name.length + 1, -13);
    if (this.#shown.has(trial) || !trialName.safeParse(trial).success) return false;
    const named = namedTrial(trial);
    if (named === null) return false;
    const { direction, seed } = named;
    const loss = lossOfDirection(direction);
    await this.#finish(trial, await this.#open(trial, id, { seed, loss }), this.#completed.get(id));
    return true;
  }

  /**
   * What is new of the sweep's metrics and of the queue's events, of which it keeps the last 10,000.
   *
   * @param wait milliseconds
   */
  async #read(wait: number): Promise<{ any: boolean; lines: boolean; events: boolean }> {
    const keys = { metrics: metricsKey(this.#name), events: this.#queue.toKey('events') };
    const found = { any: false, lines: false, events: false };
    const block = ['BLOCK', wait] as const;
    const { metrics, events } = this.#last;
    const read = await this.#reader.xread(
      ...(['COUNT', atOnce, ...block, 'STREAMS', keys.metrics, keys.events, metrics, events] as const),
    );
    for (const [key, entries] of read ?? []) {
      for (const [id, fields] of entries) {
        found.any = true;
        const field = (name: string): string => {
          // Names and values take turns; a value may be a name.
          const at = fields.findIndex((each, i) => i % 2 === 0 && each === name);
          return at < 0 ? '' : (fields[at + 1] ?? '');
        };
        if (key === keys.metrics) {
          this.#last.metrics = id;
          found.lines =
            (await this.#metrics({ trial: field('trial'), event: field('event') })) || found.lines;
        } else {
          this.#last.events = id;
          found.events = this.#event(field('event'), field('jobId'), field('returnvalue')) || found.events;
        }
      }
    }
    return found;
  }

  /** What is there now. @returns whether some of it is new to the page */
  async #readAll(): Promise<boolean> {
    let changed = false;
    for (let read = await this.#read(1); read.any; read = await this.#read(1)) changed ||= read.lines;
    return changed;
  }

  /** @returns whether it is of this sweep */
  #event(event: string, id: string, returned: string): boolean {
    if (!id.startsWith(`${this.#name}.`)) return false;
    if (event === 'completed') {
      try {
        this.#completed.set(id, (JSON.parse(returned) as JobResult).result);
      } catch {
        this.#completed.set(id, undefined);
      }
    }
    return true;
  }

  /** One line, or for the next look that of a trial that has not been seen. @returns whether something is new */
  async #metrics(line: Line): Promise<boolean> {
    if (this.#shown.has(line.trial)) return this.#place(line);
    this.#unplaced.push(line);
    return false;
  }

  async #place({ trial, event }: Line): Promise<boolean> {
    const parsed = metricsLine(event);
    const mirror = this.#shown.get(trial)?.mirror;
    return mirror !== undefined && parsed !== null && (await mirror.append(parsed));
  }

  async #writePlan(): Promise<boolean> {
    const plan = JSON.stringify({ trials: [...this.#shown.keys()].sort() });
    if (plan === this.#plan) return false;
    await makePath(join(this.path, this.#name));
    await writeFileAtomically(join(this.path, this.#name, 'sweep.json'), `${plan}\n`);
    this.#plan = plan;
    return true;
  }

  async #remove(trial: string): Promise<void> {
    this.#shown.delete(trial);
    await rm(this.#at(trial), { recursive: true, force: true });
  }

  #at(trial: string): string {
    return join(this.path, this.#name, trial);
  }
}
