import { appendFile, readFile, stat, truncate } from 'node:fs/promises';
import { lazily, z } from '../config/zod.js';
import { fileError, writeFileAtomically } from '../files.js';
import type { NativeFigures, NativeLoss, NativeStep } from '../native.js';

/** Losses per target token, base 2, as fairseq prints them. */
export interface TokenLosses {
  loss: number;
  nll: number;
  kl: number;
  crossEntropy: number;
}

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

export interface ValidMetrics {
  type: 'valid';
  update: number;
  epoch: number;
  loss: number;
  nll: number;
  /** sacreBLEU of the beam search against the raw text; null where the loss alone picks the best checkpoint. */
  bleu: number | null;
  seconds: number;
  /** Seconds that this validation took. */
  validationSeconds: number;
}

export function perToken({ loss, nll, kl, crossEntropy, tokens }: NativeLoss): TokenLosses {
  const unit = tokens * Math.LN2;
  return { loss: loss / unit, nll: nll / unit, kl: kl / unit, crossEntropy: crossEntropy / unit };
}

export function stepMetrics(step: NativeStep, figures: NativeFigures): StepMetrics {
  const { update, tokens, pairs, sourceTokens } = step;
  const { learningRate, gradientNorm } = figures;
  return {
    update,
    ...perToken(figures),
    tokens,
    pairs,
    sourceTokens,
    learningRate,
    gradientNorm,
    skipped: figures.skipped > 0,
  };
}

export const windowSchema = lazily(() =>
  z.strictObject({
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
  }),
);
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

export function addToWindow(window: Window, figures: NativeFigures): void {
  for (const key of ['loss', 'crossEntropy', 'nll', 'kl', 'tokens', 'gradientNorm', 'skipped'] as const) {
    window[key] += figures[key];
  }
  window.updates += figures.steps;
  if (figures.steps > 0) window.learningRate = figures.learningRate;
}

/** metrics.jsonl: one JSON object a line, appended. */
export class MetricsLog {
  readonly #path: string;
  readonly #fence: () => Promise<void>;

  /** @param fence awaited before each write: whether the run is still this process's */
  constructor(path: string, fence: () => Promise<void> = async () => {}) {
    this.#path = path;
    this.#fence = fence;
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE; no part of the line is then left */
  async append(line: TrainMetrics | ValidMetrics): Promise<void> {
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
  }

  /** Drops what was written after a checkpoint, and a last line that a killed process did not finish. */
  async rewind(update: number, lastValidated: number): Promise<void> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw fileError(error, this.#path, 'read');
    });
    const kept = text.split('\n').filter((line) => {
      try {
        const { type, update: at } = JSON.parse(line) as TrainMetrics | ValidMetrics;
        return at <= (type === 'valid' ? lastValidated : update);
      } catch {
        return false;
      }
    });
    await writeFileAtomically(this.#path, kept.map((line) => `${line}\n`).join(''), {
      fence: this.#fence,
    });
  }
}
