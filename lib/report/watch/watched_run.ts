import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type LockSight, peekLock } from '../../lock/peek.js';
import { directionOf } from '../../sweep/direction_loss.js';
import type { RunRow, RunState, WatchLine } from './messages.js';
import { MetricsTail } from './metrics_tail.js';
import { type Limits, runProgress } from './run_progress.js';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;
const finite = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
const partOf = (value: Json, name: string): Json => (isObject(value[name]) ? value[name] : {});

/** An object in a small file that is read again only when it changes; null where there is none. */
class JsonFile {
  readonly #path: string;
  #stamp = '';
  modified = 0;
  value: Json | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Json | null> {
    try {
      const { mtimeMs, ino, size } = await stat(this.#path);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp === this.#stamp) return this.value;
      const value: unknown = size > 1 << 20 ? null : JSON.parse(await readFile(this.#path, 'utf8'));
      this.#stamp = stamp;
      this.modified = mtimeMs;
      this.value = isObject(value) ? value : null;
    } catch {
      this.#stamp = '';
      this.value = null;
    }
    return this.value;
  }
}

/** Milliseconds after which a trial that runs elsewhere and sends nothing is no longer taken for running. */
const silence = 10 * 60_000;
const logLines = 30;
/** Characters of a reason. */
const longest = 2000;

/** What the files of a run say of its state. */
interface Seen {
  result: Json | null;
  worker: Json | null;
  failure: Json | null;
  lock: LockSight | null;
}

const nameOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** A run directory, of which only what changes is read again. */
export class WatchedRun {
  row: RunRow | null = null;
  /** The last lines of its metrics. */
  log: WatchLine[] = [];
  readonly metricsPath: string;
  readonly #tail: MetricsTail;
  readonly #config: JsonFile;
  readonly #result: JsonFile;
  readonly #worker: JsonFile;
  readonly #best: JsonFile;
  readonly #failure: JsonFile;
  /** The rung of its sweep's halving after which it was dropped. */
  droppedAt: number | null = null;
  #train: WatchLine | null = null;
  #validation: WatchLine | null = null;

  constructor(
    readonly id: string,
    readonly directory: string,
    readonly sweep: string | null,
  ) {
    const at = (...names: string[]) => join(directory, ...names);
    this.metricsPath = at('metrics.jsonl');
    this.#tail = new MetricsTail(this.metricsPath);
    this.#config = new JsonFile(at('config.json'));
    this.#result = new JsonFile(at('result.json'));
    this.#worker = new JsonFile(at('worker.json'));
    this.#best = new JsonFile(at('checkpoints', 'best', 'state.json'));
    this.#failure = new JsonFile(at('failure.json'));
  }

  get config(): Json | null {
    return this.#config.value;
  }

  /** Looks again. @returns the lines that are new, none of those of a new generation; null where no run is there any more */
  async refresh(): Promise<WatchLine[] | null> {
    const [config, result, worker, failure, lock, { lines, fresh }] = await Promise.all([
      this.#config.read(),
      this.#result.read(),
      this.#worker.read(),
      this.#failure.read(),
      peekLock(join(this.directory, 'run.lock')),
      this.#tail.read(),
    ]);
    if (config === null) {
      this.row = null;
      return null;
    }
    const first = this.row === null;
    if (fresh) {
      this.log = [];
      this.#train = this.#validation = null;
    }
    for (const line of lines) {
      if (line.type === 'train') this.#train = line;
      else this.#validation = line;
    }
    this.log = [...this.log, ...lines].slice(-logLines);
    if (lines.some(({ type }) => type === 'validation') || first) await this.#best.read();
    this.#row(config, { result, worker, failure, lock }, lock?.here ? await memoryOf(lock.owner.pid) : null);
    return fresh ? [] : lines;
  }

  #row(config: Json, seen: Seen, memory: number | null): void {
    const { result, worker, lock } = seen;
    const state = this.#state(seen);
    const [loss, train, validation] = [partOf(config, 'loss'), this.#train, this.#validation];
    const last = train ?? validation;
    const limits = Object.fromEntries(
      ['maxUpdates', 'maxEpochs', 'maxMinutes'].map((name) => [name, finite(config[name]) ?? 0]),
    ) as unknown as Limits;
    const { progress, secondsLeft } = runProgress(
      limits,
      last,
      (last?.seconds ?? 0) * validationShare(this.log),
    );
    const alpha = finite(loss['alpha']);
    const testScore = partOf(result ?? {}, 'testScore');
    const held = lock?.state === 'held' ? `process ${lock.owner.pid} on ${lock.owner.host}` : null;
    this.row = {
      id: this.id,
      name: this.id === '.' ? basename(this.directory) : this.id,
      sweep: this.sweep,
      state,
      direction: directionOf({
        direction: String(loss['direction'] ?? ''),
        alpha: alpha ?? Number.NaN,
        passes: finite(loss['passes']) ?? 2,
      }),
      alpha,
      seed: finite(config['seed']),
      update: finite(result?.['updates']) ?? last?.update ?? 0,
      epoch: last?.epoch ?? 0,
      progress: state === 'finished' ? 1 : progress,
      secondsLeft: state === 'running' ? secondsLeft : null,
      seconds: finite(result?.['seconds']) ?? last?.seconds ?? 0,
      loss: train?.loss ?? null,
      kl: train?.kl ?? null,
      validLoss: validation?.loss ?? null,
      metric: validation?.metric ?? nameOf(testScore['name']) ?? 'BLEU',
      validScore: validation?.score ?? finite(partOf(this.#best.value ?? {}, 'best')['bleu']),
      bestUpdate: finite(result?.['bestUpdate']) ?? finite(partOf(this.#best.value ?? {}, 'best')['update']),
      testScore: finite(testScore['score']) ?? finite(partOf(result ?? {}, 'testBleu')['score']),
      learningRate: train?.learningRate ?? null,
      tokensPerSecond: train?.tokensPerSecond ?? null,
      memory,
      worker: held ?? ((state === 'running' && String(worker?.['worker'] ?? '')) || null),
      reason: reasonOf(state, seen),
      rung: state === 'dropped' ? this.droppedAt : null,
      generation: this.#tail.generation,
    };
  }

  #state({ result, worker, failure, lock }: Seen): RunState {
    if (result !== null) return 'finished';
    // Taken away before the run continues; a process may still hold a run that has failed.
    if (failure !== null) return 'failed';
    if (lock?.state === 'held') return 'running';
    // Of a sweep that is watched on its queue, which knows it.
    const told = worker?.['state'];
    if (told === 'waiting' || told === 'running' || told === 'failed') return told;
    const heard = Math.max(this.#tail.modified, this.#worker.modified);
    if (worker !== null && worker['worker'] !== '' && Date.now() - heard < silence) return 'running';
    if (lock?.state === 'left') return 'failed';
    return this.droppedAt === null ? 'interrupted' : 'dropped';
  }
}

function reasonOf(state: RunState, { failure, worker }: Seen): string | null {
  if (state === 'failed' && failure !== null)
    return `${failure['code']}: ${failure['message']}`.slice(0, longest);
  return state === 'finished' || worker?.['reason'] === undefined ? null : String(worker['reason']);
}

/** The seconds of validation for each of training, by the last lines: those before have not been read. */
function validationShare(lines: readonly WatchLine[]): number {
  const span = (lines.at(-1)?.seconds ?? 0) - (lines[0]?.seconds ?? 0);
  return span > 0 ? lines.reduce((sum, each) => sum + each.validationSeconds, 0) / span : 0;
}

/** Resident memory of a process, in bytes; null where /proc does not say. */
async function memoryOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? null : 1024 * Number(kilobytes);
}
