/** tensorboard/ of a run directory: what metrics.jsonl holds, as event files that TensorBoard reads. */
import { appendFile, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeDirectories } from '../../util/files/durable.js';
import { fileError } from '../../util/files/files.js';
import type { TrainMetrics, ValidationMetrics } from '../metrics.js';
import { eventRecord, type TensorboardEvent } from './event.js';

type Line = TrainMetrics | ValidationMetrics;

const names = {
  loss: 'loss',
  nll: 'nll',
  kl: 'kl',
  crossEntropy: 'cross_entropy',
  bleu: 'bleu',
  learningRate: 'learning_rate',
  gradientNorm: 'gradient_norm',
  tokensPerSecond: 'tokens_per_second',
} as const;

/** The scalars of a line of metrics: `train/loss`, `validation/bleu`, …; those of other tasks and of a hook keep their names. */
function scalarsOf(line: Line): [tag: string, value: number][] {
  const values = line as unknown as Record<string, unknown>;
  const own = Object.entries(names).map(([key, tag]) => [tag, values[key]] as const);
  const named = Object.entries(line.type === 'validation' ? { ...line.scores, ...line.metrics } : {});
  return [...own, ...named].flatMap(([tag, value]) =>
    typeof value === 'number' ? [[`${line.type}/${tag}`, value] as [string, number]] : [],
  );
}

/**
 * Appends to one event file. restart() opens another that begins with the step from which on a reader forgets what earlier files
 * say: a run that was killed and resumed shows no point twice.
 */
export class TensorboardLog {
  readonly #directory: string;
  #file: string | undefined;

  /** @param directory the event files', which is made */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param update the first one that is written anew; 0 for all
   * @param lines of metrics.jsonl that hold from there on
   * @throws RdropError DISK_FULL, FILE_UNWRITABLE, FILE_UNREADABLE
   */
  async restart(update: number, lines: readonly Line[] = []): Promise<void> {
    this.#file = await this.#newFile();
    await this.#write([{ kind: 'version' }, { kind: 'start', step: update }]);
    for (const line of lines) await this.append(line);
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE */
  async append(line: Line): Promise<void> {
    if (this.#file === undefined) await this.restart(line.update);
    await this.#write([{ kind: 'scalars', step: line.update, scalars: scalarsOf(line) }]);
  }

  /** A name that sorts after those that are there, for TensorBoard reads them in this order. */
  async #newFile(): Promise<string> {
    try {
      await makeDirectories(this.#directory);
      const times = (await readdir(this.#directory)).map(
        (name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0) + 1,
      );
      const seconds = Math.max(Math.floor(Date.now() / 1000), ...times);
      const time = String(seconds).padStart(10, '0');
      return join(this.#directory, `events.out.tfevents.${time}.${hostname()}.${process.pid}.0`);
    } catch (error) {
      throw fileError(error, this.#directory, 'write');
    }
  }

  async #write(events: readonly TensorboardEvent[]): Promise<void> {
    const wallTime = Date.now() / 1000;
    const records = events.map((event) => eventRecord(event, wallTime));
    const file = this.#file as string;
    try {
      await appendFile(file, Buffer.concat(records));
    } catch (error) {
      throw fileError(error, file, 'write');
    }
  }
}
