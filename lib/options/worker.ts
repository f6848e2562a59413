/** A worker: it takes trials of sweeps from a queue. */
import * as z from 'zod';
import { type QueueOptions, queueSchema } from './queue.js';
import { documented, type Resolved } from './schema/documented.js';
import { nonNegative, text } from './schema/ranges.js';
import { slotsSchema } from './slots.js';

/** What a worker takes from which queue, and where it works. */
export interface WorkerOptions extends QueueOptions {
  /**
   * Trials at a time: `cpu:2x1` (two, one thread each), `gpu:0,1,2` (one on each GPU) or `gpu:0x3` (three on GPU 0). Left out: one on
   * each GPU, or where there is none one on each core.
   */
  slots?: string | undefined;
  /**
   * The directory of the run directories, `<sweep>/<trial>`. Workers that share it continue each other's trials.
   * @default "runs"
   */
  runs?: string | undefined;
  /**
   * A prepared directory, or one that holds some at most two levels below. A trial's data are found there by their SHA-256, and so is
   * the run that it begins with (`init`), there or below `runs`.
   * @default "."
   */
  dataRoot?: string | undefined;
  /**
   * `best`: the files of a finished run and its best checkpoint are put into `uploadDirectory`.
   * @default "none"
   */
  upload?: 'none' | 'best' | undefined;
  /** For `upload`: receives `<sweep>/<trial>`, a run directory for `Translator.load`. Left out: needed with `upload` alone. */
  uploadDirectory?: string | undefined;
  /**
   * Seconds without a sign of life after which a trial is taken from this worker.
   * @default 15
   * @range 1 to 600
   */
  lease?: number | undefined;
  /**
   * Minutes without a trial after which the worker ends; 0: it waits for ever.
   * @default 0
   * @range 0 or more
   */
  maxIdleMinutes?: number | undefined;
}

export const workerSchema = documented<WorkerOptions>()(
  z.strictObject({
    ...queueSchema.shape,
    slots: slotsSchema.optional(),
    runs: text.default('runs'),
    dataRoot: text.default('.'),
    upload: z.enum(['none', 'best']).default('none'),
    uploadDirectory: text.optional(),
    lease: z.number().min(1).max(600).default(15),
    maxIdleMinutes: nonNegative.default(0),
  }),
);
export type WorkerConfig = Resolved<WorkerOptions, z.output<typeof workerSchema>>;
