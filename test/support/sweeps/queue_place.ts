import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { SweepOptions, WorkerOptions } from '../../../lib/options/index.js';
import { type SweepEvent, sweep } from '../../../lib/sweep/sweep.js';
import { startWorker, type TrialWorker, type WorkerEvent } from '../../../lib/sweep/worker/worker.js';
import { RedisServer } from './redis_server.js';
import { all, fakeTrial, writeFakeData } from './sweeps.js';

type Extra = Partial<SweepOptions> & { signal?: AbortSignal };

/** A queue of a test with its own server, prepared data, and workers whose trials are those of test/sweep/fake_trial.mjs. */
export class QueuePlace {
  readonly root: string;
  readonly server: RedisServer;
  readonly client: Redis;
  readonly data: string;
  /** What the workers did. */
  readonly events: WorkerEvent[] = [];
  readonly #workers: TrialWorker[] = [];

  private constructor(root: string, server: RedisServer) {
    this.root = root;
    this.server = server;
    this.data = this.at('prepared', 'data');
    this.client = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null });
    this.client.on('error', () => {});
  }

  static async open(): Promise<QueuePlace> {
    const root = await mkdtemp(join(tmpdir(), 'rdrop-queue-'));
    const place = new QueuePlace(root, await RedisServer.start(join(root, 'redis')));
    await writeFakeData(place.data);
    await mkdir(place.at('work'));
    return place;
  }

  /** Another test begins: no job, no worker, no directory of the one before. */
  async clear(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.close()));
    await this.client.flushall();
    this.events.length = 0;
    for (const name of await readdir(this.root))
      if (!['prepared', 'text', 'redis'].includes(name)) await rm(this.at(name), { recursive: true });
    await mkdir(this.at('work'));
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.close()));
    this.client.disconnect();
    await this.server.kill();
    await rm(this.root, { recursive: true, force: true });
  }

  at(...names: string[]): string {
    return join(this.root, ...names);
  }

  read(...names: string[]): Promise<string> {
    return readFile(this.at(...names), 'utf8');
  }

  behave(behavior: Record<string, string>): Promise<void> {
    return writeFile(this.at('work', 'behavior.json'), JSON.stringify(behavior));
  }

  /** The sweep `mine`: seed 1 with baseline and bi. */
  start(extra: Extra = {}, config: object = {}): AsyncGenerator<SweepEvent> {
    const options: Parameters<typeof sweep>[1] = {
      ...{ directory: this.at('out'), queue: this.server.url, name: 'mine' },
      ...{ seeds: [1], directions: ['baseline', 'bi'], ...extra },
    };
    return sweep({ data: this.data, maxUpdates: 3, ...config }, options);
  }

  /** start(), to its end. */
  sweep(extra: Extra = {}, config: object = {}): Promise<SweepEvent[]> {
    return all(this.start(extra, config));
  }

  async work(extra: Partial<WorkerOptions> & { entry?: string } = {}): Promise<TrialWorker> {
    const { entry = fakeTrial, ...options } = extra;
    const worker = await startWorker({
      ...{ queue: this.server.url, slots: 'cpu:1x1', runs: this.at('work', 'runs') },
      ...{ dataRoot: this.at('prepared'), lease: 1, trialEntry: entry },
      onEvent: (event) => this.events.push(event),
      ...options,
    });
    this.#workers.push(worker);
    return worker;
  }

  /** Waits for a file below the place. */
  file(...names: string[]): Promise<void> {
    return until(() => existsSync(this.at(...names)));
  }
}

export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await what()); waited += 50) {
    if (waited > 20_000) throw new Error(`waited for 20 s: ${what}`);
    await sleep(50);
  }
}
