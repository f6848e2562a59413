import { appendFile, open, readFile, stat, truncate } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import * as z from 'zod';
import type { NativeMetrics, NativeStep } from '../native/contract.js';
import { perToken, type TokenLosses } from '../tasks/losses.js';

import { withCleanup } from '../util/async/cleanup.js';
import { syncDirectory } from '../util/files/durable.js';
import { fileError, writeFileAtomically } from '../util/files/files.js';

/** What one update did. */
export interface StepMetrics extends TokenLosses {
  update: number;
  /** Target tokens of one pass. */
  tokens: number;
  pairs: number;
  sourceTokens: number;
  learningRate: number;
  /** Of the gradient per token, before clipping. */
  gradientNorm: number;
  /** float16's gradient overflowed: nothing was changed but the loss scale, and the losses are not known (NaN). */
  skipped: boolean;
}

/** A line of metrics.jsonl: means over the updates since the line before; the learning rate is that of the last. */
export interface TrainMetrics extends TokenLosses {
  type: 'train';
  update: number;
  epoch: number;
  tokens: number;
  learningRate: number;
  gradientNorm: number;
  /** Updates left out since the line before because float16's gradient overflowed. */
  skipped: number;
  /** Seconds of training so far, without validation and checkpoints. */
  seconds: number;
  tokensPerSecond: number;
}

export interface ValidationMetrics {
  type: 'validation';
  update: number;
  epoch: number;
  loss: number;
  nll: number;
  /** Of translation: sacreBLEU of the beam search against the raw text; null where the loss alone picks the best checkpoint. */
  bleu: number | null;
  /** The figures of the other tasks, by the names of taskMetrics. */
  scores?: Record<string, number>;
  /** Those of the hook `validate` of fit(), where there is one. */
  metrics?: Record<string, number>;
  seconds: number;
  /** Seconds that this validation took. */
  validationSeconds: number;
}

/** The type of a line of metrics.jsonl as this version calls it; rdrop 0.1 wrote `valid`. */
export const currentLineType = (written: string): string => (written === 'valid' ? 'validation' : written);

/** @param unit of the losses: the task's lossUnit */
export function stepMetrics(step: NativeStep, metrics: NativeMetrics, unit = Math.LN2): StepMetrics {
  const { update, tokens, pairs, sourceTokens } = step;
  const { learningRate, gradientNorm } = metrics;
  return {
    update,
    ...perToken(metrics, unit),
    tokens,
    pairs,
    sourceTokens,
    learningRate,
    gradientNorm,
    skipped: metrics.skipped > 0,
  };
}

export const windowSchema = z.strictObject({
  loss: z.number(),
  crossEntropy: z.number(),
  nll: z.number(),
  kl: z.number(),
  tokens: z.number(),
  gradientNorm: z.number(),
  updates: z.int(),
  /** Of the last update. */
  learningRate: z.number(),
  skipped: z.int(),
  seconds: z.number(),
});
/** Sums over the updates since the last line of metrics. */
export type Window = z.infer<typeof windowSchema>;

export const emptyWindow = (): Window => ({
  loss: 0,
  crossEntropy: 0,
  nll: 0,
  kl: 0,
  tokens: 0,
  gradientNorm: 0,
  updates: 0,
  learningRate: 0,
  skipped: 0,
  seconds: 0,
});

export function addToWindow(window: Window, metrics: NativeMetrics): void {
  for (const key of ['loss', 'crossEntropy', 'nll', 'kl', 'tokens', 'gradientNorm', 'skipped'] as const) {
    window[key] += metrics[key];
  }
  window.updates += metrics.steps;
  if (metrics.steps > 0) window.learningRate = metrics.learningRate;
}

/** The line of metrics that a window makes. @param unit of the losses: the task's lossUnit */
export function trainLine(
  state: { update: number; epoch: number; trainingSeconds: number; window: Window },
  unit = Math.LN2,
): TrainMetrics {
  const { window } = state;
  return {
    type: 'train',
    update: state.update,
    epoch: state.epoch,
    ...perToken(window, unit),
    tokens: window.tokens,
    learningRate: window.learningRate,
    gradientNorm: window.gradientNorm / window.updates,
    skipped: window.skipped,
    seconds: state.trainingSeconds,
    tokensPerSecond: window.tokens / window.seconds,
  };
}

const keptAside = '.damaged';

/** What else is told of the lines of metrics.jsonl, such as event files for TensorBoard. */
export interface MetricsMirror {
  append(line: TrainMetrics | ValidationMetrics): Promise<void>;
  /** All from this update on is written anew, beginning with these lines. */
  restart(update: number, lines: readonly (TrainMetrics | ValidationMetrics)[]): Promise<void>;
}

/** metrics.jsonl: one JSON object a line, appended. */
export class MetricsLog {
  readonly #path: string;
  readonly #fence: () => Promise<void>;
  /** Lines of the file. */
  #lines = 0;
  /** Told of every line that is written and of every rewind. */
  mirror: MetricsMirror | undefined;
  /** The file is there, and flush() has flushed its directory's entry. */
  #entered = false;

  /** @param fence awaited before each write: whether the run is still this process's */
  constructor(path: string, fence: () => Promise<void> = async () => {}) {
    this.#path = path;
    this.#fence = fence;
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE; no part of the line is then left */
  async append(line: TrainMetrics | ValidationMetrics): Promise<void> {
    await this.#fence();
    const before = await stat(this.#path).then(
      ({ size }) => size,
      () => 0,
    );
    try {
      await appendFile(this.#path, `${JSON.stringify(line)}\n`);
    } catch (error) {
      await truncate(this.#path, before).catch(() => {});
      throw fileError(error, this.#path, 'write');
    }
    this.#lines++;
    await this.mirror?.append(line);
  }

  /**
   * Flushes the lines to the disk, for a checkpoint that counts them: after a loss of power they are there if it is.
   *
   * @returns how many there are
   * @throws RdropError DISK_FULL, FILE_UNWRITABLE
   */
  async flush(): Promise<number> {
    if (this.#lines === 0) return 0;
    try {
      const file = await open(this.#path, 'r+');
      await withCleanup(
        () => file.datasync(),
        () => file.close(),
      );
      if (!this.#entered) await syncDirectory(dirname(this.#path));
      this.#entered = true;
    } catch (error) {
      throw fileError(error, this.#path, 'write');
    }
    return this.#lines;
  }

  /**
   * Drops what was written after a checkpoint, and a last line that a killed process did not finish. Lines that cannot be
   * read are no lines of metrics: they are kept aside, in metrics.jsonl.damaged.
   *
   * @param counted the lines that the checkpoint counts, where it says so
   * @returns the warnings: each damaged line by file and number, and lines that are missing
   * @throws RdropError FILE_UNREADABLE, DISK_FULL, FILE_UNWRITABLE
   */
  async rewind(update: number, lastValidated: number, counted?: number): Promise<string[]> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw fileError(error, this.#path, 'read');
    });
    const lines = (text ?? '').split('\n');
    const unfinished = lines.pop() ?? '';
    const kept: string[] = [];
    const damaged: string[] = [];
    const told: string[] = [];
    lines.forEach((line, i) => {
      const place = placeOf(line);
      if (place === null) {
        damaged.push(`${i + 1}\t${line}`);
        told.push(
          `${this.#path}:${i + 1}: expected a line of metrics, got ${JSON.stringify(line.slice(0, 60))}; ` +
            `it is kept in ${basename(this.#path)}${keptAside}`,
        );
      } else if (place.update <= (place.type === 'validation' ? lastValidated : update)) kept.push(line);
    });
    // Whole but for its end: the process was killed between the two, or a copy left it out.
    const place = placeOf(unfinished);
    if (place !== null && place.update <= (place.type === 'validation' ? lastValidated : update))
      kept.push(unfinished);
    if (counted !== undefined && kept.length < counted) {
      told.push(
        `${this.#path}: expected the ${counted} lines that the checkpoint of update ${update} counts, got ${kept.length}`,
      );
    }
    if (damaged.length > 0) {
      const aside = `${this.#path}${keptAside}`;
      const before = await readFile(aside, 'utf8').catch(() => '');
      await writeFileAtomically(aside, `${before}${damaged.map((line) => `${line}\n`).join('')}`, {
        fence: this.#fence,
      });
    }
    const whole = kept.map((line) => `${line}\n`).join('');
    if (whole !== (text ?? '')) await writeFileAtomically(this.#path, whole, { fence: this.#fence });
    this.#lines = kept.length;
    // A validation of this very update may have been dropped: all of it is written anew.
    const again = kept.filter((line) => placeOf(line)!.update >= update);
    await this.mirror?.restart(
      update,
      again.map((line) => JSON.parse(line)),
    );
    return told;
  }
}

/** What a line of metrics is about; null for what is none. */
function placeOf(line: string): { type: 'train' | 'validation'; update: number } | null {
  try {
    const { type: written, update } = JSON.parse(line);
    const type = currentLineType(written);
    return (type === 'train' || type === 'validation') && Number.isSafeInteger(update)
      ? { type, update }
      : null;
  } catch {
    return null;
  }
}
