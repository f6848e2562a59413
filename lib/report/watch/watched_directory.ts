import { type FSWatcher, watch as watchFiles } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { decidedRungs, droppedAfter } from '../../sweep/halving.js';
import { conditionOfTrial, namedTrial } from '../../sweep/search.js';
import type { SweepRow, WatchEvent } from './messages.js';
import { WatchedRun } from './watched_run.js';

/** Directories below the watched one, and what of a run or of others is never looked into. */
const deepest = 4;
const passedOver = new Set(['checkpoints', 'hypotheses', 'tensorboard', 'node_modules']);
/** Files that are looked at at once. */
const atOnce = 16;
/** Milliseconds between two looks at what runs; at everything else and for new directories so many looks. */
const pause = 1000;
const seldom = 5;
/** Directories that the kernel is asked to tell changes of. */
const mostWatched = 64;

/** The runs and sweeps below a directory. Looks only while somebody is told: nothing is read for nobody. */
export class WatchedDirectory {
  readonly runs = new Map<string, WatchedRun>();
  sweeps: SweepRow[] = [];
  readonly #path: string;
  readonly #tell: (event: WatchEvent) => void;
  readonly #told = new Map<string, string>();
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  #looking: Promise<void> = Promise.resolve();

  constructor(path: string, tell: (event: WatchEvent) => void) {
    this.#path = resolve(path);
    this.#tell = tell;
  }

  /** Looks regularly from now on, until stop(). */
  start(): void {
    this.#timer ??= setInterval(() => {
      this.#looks += 1;
      void this.look(this.#looks % seldom === 0);
    }, pause);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** One look, at everything or at what runs; one at a time. */
  look(all: boolean): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look(all)).catch(() => {});
    return this.#looking;
  }

  async #look(all: boolean): Promise<void> {
    if (all) await this.#find();
    const runs = [...this.runs.values()].filter((run) => all || run.row?.state === 'running');
    let next = 0;
    const work = async () => {
      for (let run = runs[next++]; run !== undefined; run = runs[next++]) await this.#refresh(run);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    this.#watchRunning();
  }

  async #refresh(run: WatchedRun): Promise<void> {
    const lines = await run.refresh();
    const { id, row } = run;
    if (lines === null || row === null) {
      this.runs.delete(id);
      if (this.#told.delete(id)) this.#tell({ type: 'gone', id });
      return;
    }
    if (lines.length > 0) this.#tell({ type: 'lines', id, generation: row.generation, lines });
    const text = JSON.stringify(row);
    if (this.#told.get(id) === text) return;
    this.#told.set(id, text);
    this.#tell({ type: 'run', run: row });
  }

  /** Changes of a running run show at once where the kernel tells of them; where it cannot, with the next look. */
  #watchRunning(): void {
    const running = [...this.runs.values()]
      .filter(({ row }) => row?.state === 'running')
      .slice(0, mostWatched);
    const ids = new Set(running.map(({ id }) => id));
    for (const [id, watcher] of this.#watchers) {
      if (ids.has(id)) continue;
      watcher.close();
      this.#watchers.delete(id);
    }
    if (this.#timer === undefined) return;
    for (const run of running) {
      if (this.#watchers.has(run.id)) continue;
      try {
        const changed = gathered(() => {
          this.#looking = this.#looking.then(() => this.#refresh(run)).catch(() => {});
        });
        const watcher = watchFiles(run.directory, { persistent: false }, changed);
        watcher.on('error', () => watcher.close());
        this.#watchers.set(run.id, watcher);
      } catch {
        return;
      }
    }
  }

  /** Directories that are new. */
  async #find(): Promise<void> {
    const sweeps: SweepRow[] = [];
    const visit = async (
      directory: string,
      depth: number,
      sweep: string | null,
      droppedThere: (trial: string) => number | null,
    ): Promise<void> => {
      const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
      const names = new Set(entries.map(({ name }) => name));
      const id = relative(this.#path, directory) || '.';
      let inner = sweep;
      let dropped = droppedThere;
      if (names.has('sweep.json')) {
        inner = id;
        const plan = await readPlan(join(directory, 'sweep.json'));
        sweeps.push({ id, name: id, planned: plannedTrials(plan) });
        dropped = await droppedTrials(directory, plan);
      }
      if (
        names.has('config.json') &&
        (names.has('metrics.jsonl') ||
          names.has('run.lock') ||
          names.has('environment.json') ||
          names.has('worker.json'))
      ) {
        const run = this.runs.get(id) ?? new WatchedRun(id, directory, inner);
        run.droppedAt = dropped(basename(directory));
        this.runs.set(id, run);
        return;
      }
      if (depth === deepest) return;
      const below = entries.filter(
        (entry) => entry.isDirectory() && !passedOver.has(entry.name) && !entry.name.startsWith('.'),
      );
      for (const { name } of below) await visit(join(directory, name), depth + 1, inner, dropped);
    };
    await visit(this.#path, 0, null, () => null);
    if (JSON.stringify(sweeps) !== JSON.stringify(this.sweeps)) this.#tell({ type: 'sweeps', sweeps });
    this.sweeps = sweeps;
  }
}

/** Calls that come within a moment, as one. */
function gathered(call: () => void): () => void {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    setTimeout(() => {
      due = false;
      call();
    }, 100).unref();
  };
}

/** A sweep.json; null where it cannot be read. */
async function readPlan(path: string): Promise<Record<string, unknown> | null> {
  try {
    const plan: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof plan === 'object' && plan !== null ? { ...plan } : null;
  } catch {
    return null;
  }
}

/** How many trials a plan has: seeds, directions and the values of a grid. 0 without a plan. */
function plannedTrials(plan: Record<string, unknown> | null): number {
  if (plan === null) return 0;
  if (Array.isArray(plan['trials'])) return plan['trials'].length;
  const lists = [
    plan['seeds'],
    plan['directions'],
    ...Object.values((plan['grid'] as object | undefined) ?? {}),
  ];
  return lists.reduce<number>((product, list) => product * (Array.isArray(list) ? list.length : 1), 1);
}

/** Says of a trial after which rung its sweep's halving dropped it; null where it did not. */
async function droppedTrials(
  directory: string,
  plan: Record<string, unknown> | null,
): Promise<(trial: string) => number | null> {
  const search = plan?.['search'];
  if (typeof search !== 'string') return () => null;
  try {
    const after = droppedAfter(await decidedRungs({ directory, search }));
    return (name) => {
      const trial = namedTrial(name);
      return trial === null ? null : (after.get(conditionOfTrial(trial)) ?? null);
    };
  } catch {
    // A file that somebody has changed: the sweep itself says what is wrong with it.
    return () => null;
  }
}
