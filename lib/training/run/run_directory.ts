import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkManifest, hashFile } from '../../data/manifest.js';
import type { OverlongCount } from '../../data/overlong.js';
import type { Split } from '../../data/pairs.js';
import { Lock, type LockOptions } from '../../lock/lock.js';
import { native } from '../../native/binding.js';
import { parseConfig } from '../../options/schema/parse.js';
import type { TaskName } from '../../options/tasks/names.js';
import { type TrainConfig, trainSchema } from '../../options/training.js';
import { taskNamed, taskOf } from '../../tasks/index.js';
import type { TaskScore, ValidationSample } from '../../tasks/task.js';
import { type ErrorCode, RdropError } from '../../util/errors.js';
import { makeDirectories, syncDirectory } from '../../util/files/durable.js';
import { pathExists } from '../../util/files/exists.js';
import { fileError, readJsonFile, writeFileAtomically } from '../../util/files/files.js';
import { unmakePath } from '../../util/files/make_path.js';
import { clearLeftoversIn } from '../../util/files/part_files.js';
import { packageVersion } from '../../util/package_version.js';
import { processorName } from '../../util/processor.js';
import { findCheckpoint, tidyCheckpoints } from '../checkpoint.js';
import { MetricsLog } from '../metrics.js';

/** result.json, written when training has ended and the test split is translated. */
export interface RunResult {
  /** Not there in results of 0.1, which were of translation. */
  task?: TaskName;
  seed: number;
  direction: string;
  alpha: number;
  updates: number;
  /** With the fraction of the last one. */
  epochs: number;
  /** Of training steps alone. */
  seconds: number;
  bestUpdate: number;
  /** What picked the best checkpoint, there; null where nothing was validated, not there in results of 0.1. */
  validScore?: { name: string; value: number; mode: 'max' | 'min' } | null;
  /** Of translation. */
  validBleu: number | null;
  /** The metric of the hook that picked the best checkpoint, where one did. */
  validMetric?: { name: string; mode: 'max' | 'min'; value: number };
  /** The first of `scores`: what the task is judged by; null without a test split, not there in results of 0.1. */
  testScore?: { name: string; score: number; signature: string; mode: 'max' | 'min' } | null;
  /** Of translation: sacreBLEU's 13a on the text. */
  testBleu: { score: number; signature: string } | null;
  /** Every metric of the test split, signed; null without one. */
  scores: TaskScore[] | null;
  parameters: number;
  /** Processes that trained it at the end; not there where it was one. */
  worldSize?: number;
  /** What was too long for the model or a batch, and left out or cut, by split; not there where nothing was. */
  overlong?: Partial<Record<Split, OverlongCount>>;
}

/** failure.json: the error that ended training; there until the run continues. */
export interface RunFailure {
  code: ErrorCode;
  message: string;
  /** Updates done. */
  update: number;
}

/** A prepared directory's files and their SHA-256. */
export type DataHashes = Record<string, string>;

/** How the lock of a run is taken. */
export type Locking = Pick<LockOptions, 'unlock' | 'signal'>;

/** What only the writer of a run writes, beside checkpoints/ and hypotheses/. */
const ownFiles =
  /^((config|environment|result|failure|text|manifest|tokenizer)\.json|metrics\.jsonl.*|(dict.*|labels)\.txt|codes)$/;

/** The files of a run. A writer holds its lock. */
export class RunDirectory {
  readonly path: string;
  readonly metrics: MetricsLog;
  readonly #lock: Lock;

  private constructor(path: string, lock: Lock) {
    this.path = path;
    this.#lock = lock;
    this.metrics = new MetricsLog(join(path, 'metrics.jsonl'), () => lock.verify());
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  /**
   * Starts a run: makes the directory, or takes one whose run of the same configuration has no checkpoint yet.
   *
   * @throws RdropError RUN_EXISTS, RUN_LOCKED, DISK_FULL, FILE_UNWRITABLE
   */
  static async create(
    config: TrainConfig,
    hashes: DataHashes,
    { worldSize = 1, init, ...locking }: Locking & { worldSize?: number; init?: DataHashes | undefined } = {},
  ): Promise<RunDirectory> {
    const path = resolve(config.runDirectory);
    const run = await RunDirectory.#lockAt(path, locking);
    try {
      if (await pathExists(join(path, 'config.json'))) {
        const existing = await readRunConfig(path);
        if (JSON.stringify(identity(existing)) !== JSON.stringify(identity(config))) {
          throw new RdropError(
            'RUN_EXISTS',
            `${path}: expected a new directory or a run of the same configuration, got a run that differs in ` +
              `${differences(existing, config).join(', ')}`,
          );
        }
        await run.#tidy();
        if ((await findCheckpoint(run.checkpoints, 'last')) !== null) {
          throw new RdropError(
            'RUN_EXISTS',
            `${path}: this run has begun already; resume it (Trainer.resume, rdrop train --resume) or choose another directory`,
          );
        }
      }
      for (const name of await taskNamed(config.task).textFiles(config.data)) {
        const text = await readFile(join(config.data, name)).catch((error) => {
          throw fileError(error, join(config.data, name), 'read');
        });
        await writeFileAtomically(join(path, name), text);
      }
      await run.#writeJson('environment.json', {
        ...(await environment(config.threads)),
        worldSize,
        data: hashes,
        ...(init !== undefined && { init }),
      });
      for (const name of ['metrics.jsonl', 'failure.json']) await rm(join(path, name), { force: true });
      // Last: a directory with a config.json has all the others.
      await run.writeConfig(config);
    } catch (error) {
      run.release();
      throw fileError(error, path, 'write');
    }
    return run;
  }

  /** Opens a run to continue it. @throws RdropError RUN_LOCKED, FILE_NOT_FOUND, MALFORMED_FILE */
  static async open(directory: string, locking: Locking = {}): Promise<RunDirectory> {
    const path = resolve(directory);
    await readRunConfig(path);
    const run = await RunDirectory.#lockAt(path, locking);
    try {
      await run.#tidy();
    } catch (error) {
      run.release();
      throw error;
    }
    return run;
  }

  /** Clears away what a killed writer left. */
  async #tidy(): Promise<void> {
    await tidyCheckpoints(this.checkpoints);
    await clearLeftoversIn(this.path, (name) => ownFiles.test(name));
    const hypotheses = join(this.path, 'hypotheses');
    await clearLeftoversIn(hypotheses, (name) => /^(test|valid)\./.test(name));
  }

  static async #lockAt(path: string, locking: Locking): Promise<RunDirectory> {
    let made: string | undefined;
    try {
      made = await makeDirectories(path);
    } catch (error) {
      throw fileError(error, path, 'write');
    }
    try {
      return new RunDirectory(path, await Lock.acquire(join(path, 'run.lock'), { ...locking, what: 'run' }));
    } catch (error) {
      await unmakePath(path, made);
      throw error;
    }
  }

  writeConfig(config: TrainConfig): Promise<void> {
    // A rank that something else started is the launcher's matter, and another one when the run continues.
    const { distributed, ...rest } = config;
    const kept = distributed?.processes === undefined ? {} : { distributed };
    return this.#writeJson('config.json', { ...rest, runDirectory: this.path, ...kept });
  }

  async writeResult(result: RunResult): Promise<void> {
    await this.#writeJson('result.json', result);
  }

  /** A resumed run has no result yet. */
  removeResult(): Promise<void> {
    return this.#remove('result.json');
  }

  async writeFailure(failure: RunFailure): Promise<void> {
    await this.#writeJson('failure.json', failure);
  }

  /** A run that continues has not failed. */
  removeFailure(): Promise<void> {
    return this.#remove('failure.json');
  }

  async #remove(name: string): Promise<void> {
    const path = join(this.path, name);
    try {
      if (!(await pathExists(path))) return;
      await this.writing(() => rm(path, { force: true }));
      await syncDirectory(this.path);
    } catch (error) {
      throw fileError(error, path, 'write');
    }
  }

  /** hypotheses/: what the model made of the test split, by file. */
  async writeHypotheses(files: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const directory = join(this.path, 'hypotheses');
    await makeDirectories(directory).catch((error) => {
      throw fileError(error, directory, 'write');
    });
    for (const [name, lines] of Object.entries(files)) {
      const text = lines.map((line) => `${line}\n`).join('');
      await this.writing((fence) => writeFileAtomically(join(directory, name), text, { fence }));
    }
  }

  /** hypotheses/valid.last.json: a few sentences of the last validation, where one translated, for those who look on. */
  async writeValidation(found: { update: number; samples: ValidationSample[] }): Promise<void> {
    if (found.samples.length === 0) return;
    const directory = join(this.path, 'hypotheses');
    await makeDirectories(directory).catch((error) => {
      throw fileError(error, directory, 'write');
    });
    const text = `${JSON.stringify(found, null, 2)}\n`;
    await this.writing((fence) => writeFileAtomically(join(directory, 'valid.last.json'), text, { fence }));
  }

  /** @throws RdropError CHECKPOINT_MISMATCH, naming the file, when the data are not those the run began with */
  async checkData(hashes: DataHashes): Promise<void> {
    const path = join(this.path, 'environment.json');
    const { data } = (await readJsonFile(path)) as { data?: DataHashes };
    const changed = Object.keys({ ...data, ...hashes }).filter((name) => data?.[name] !== hashes[name]);
    if (changed.length === 0) return;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${this.path}: the run began with other data: ${changed.join(', ')} changed since`,
    );
  }

  async #writeJson(name: string, value: unknown): Promise<void> {
    const text = `${JSON.stringify(value, null, 2)}\n`;
    await this.writing((fence) => writeFileAtomically(join(this.path, name), text, { fence }));
  }

  /** Throws where it is known that another process took the run over; costs nothing. @throws RdropError RUN_LOST */
  check(): void {
    this.#lock.check();
  }

  /**
   * A write to the run. It calls the fence before each step that shows; a failure that comes of another process having
   * taken the run over, and having cleared away what was written beside, says so.
   *
   * @throws RdropError RUN_LOST, and what the write throws
   */
  async writing<T>(write: (fence: () => Promise<void>) => Promise<T>): Promise<T> {
    const fence = () => this.#lock.verify();
    await fence();
    try {
      return await write(fence);
    } catch (error) {
      await fence().catch((lost) => {
        if (lost.code === 'RUN_LOST') throw lost;
      });
      throw error;
    }
  }

  /** Nothing new is begun: a process that wants the run waits for what is under way, and for release(). */
  end(): void {
    this.#lock.end();
  }

  /** Idempotent. */
  release(): void {
    this.#lock.release();
  }
}

/** @throws RdropError FILE_NOT_FOUND (no run there), MALFORMED_FILE, INVALID_CONFIG */
export async function readRunConfig(directory: string): Promise<TrainConfig> {
  const path = join(directory, 'config.json');
  return parseConfig(trainSchema, await readJsonFile(path), path);
}

/** What makes two runs the same one: everything but where it lies, and how many processes train it. */
function identity(config: TrainConfig) {
  const { runDirectory: _r, distributed: _d, ...rest } = config;
  return rest;
}

/** The paths of the options in which two configurations differ. */
export function differences(a: unknown, b: unknown, path = ''): string[] {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return Object.is(a, b) ? [] : [path];
  }
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return Object.keys({ ...x, ...y })
    .filter((key) => path !== '' || (key !== 'runDirectory' && key !== 'distributed'))
    .flatMap((key) => differences(x[key], y[key], path === '' ? key : `${path}.${key}`));
}

/** Versions, machine and threads: the conditions under which numbers come about. */
export async function environment(threads: number) {
  return {
    rdrop: packageVersion(),
    node: process.version,
    platform: process.platform as string,
    architecture: process.arch as string,
    processor: processorName(),
    ...native().info(),
    threads: threads > 0 ? threads : native().info().threads,
    started: new Date().toISOString(),
  };
}

/**
 * SHA-256 of the files of a prepared directory that a run reads.
 *
 * @param verify compares them with the directory's manifest
 * @throws RdropError ABORTED, MANIFEST_MISMATCH, FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE
 */
export async function hashData(directory: string, verify = true, signal?: AbortSignal): Promise<DataHashes> {
  const names = await (await taskOf(directory)).dataFiles(directory);
  const hashes: DataHashes = {};
  for (const name of names) {
    const path = join(directory, name);
    if (!(await pathExists(path))) continue;
    hashes[name] = await hashFile(path, signal);
  }
  if (verify) await checkManifest(directory, hashes);
  return hashes;
}
