/** A sweep over seeds and KL directions. */
import * as z from 'zod';
import { lockSchema, type OpenOptions, verifyOption } from './opening.js';
import { type QueueOptions, queueSchema, sweepName } from './queue.js';
import { documented, type Resolved } from './schema/documented.js';
import { distinct, seed, text } from './schema/ranges.js';
import { slotsSchema } from './slots.js';

export const trialDirections = ['baseline', 'uni', 'uni-reverse', 'bi'] as const;
/** What a sweep compares: baseline trains with α 0 (two passes, cross-entropy alone), the others with a KL direction. */
export type TrialDirection = (typeof trialDirections)[number];

/** Which trials a sweep has, and how they run. */
export interface SweepOptions extends OpenOptions, Partial<QueueOptions> {
  /** The directory to make, for sweep.json and one run directory a trial, `<direction>-<seed>`. */
  directory: string;
  /**
   * Seeds of the trials, all different.
   * @default [63,64,65]
   * @range 0 or more
   */
  seeds?: number[] | undefined;
  /**
   * Directions of the trials, all different; `baseline` trains with α 0.
   * @default ["uni","bi"]
   */
  directions?: TrialDirection[] | undefined;
  /**
   * Trials at a time, which share the cores; 0 runs as many as there are cores, one thread each.
   * @default 0
   * @range 0 to 1,024
   */
  parallel?: number | undefined;
  /**
   * Where trials run on this machine: `cpu:2x1` (two at a time, one thread each), `gpu:0,1,2` (one on each GPU) or `gpu:0x3` (three on
   * GPU 0). Left out: one on each GPU where the device is not `cpu` and one can be used, else `parallel`.
   */
  slots?: string | undefined;
  /** On a queue: the sweep's name there, of letters, digits, dots, hyphens and underscores. Left out: needed with `queue` alone. */
  name?: string | undefined;
  /**
   * Whether a failed trial ends the sweep.
   * @default false
   */
  stopOnFailure?: boolean | undefined;
}

export const sweepSchema = documented<SweepOptions>()(
  z.strictObject({
    directory: text,
    seeds: z
      .array(seed)
      .min(1)
      .refine(distinct, { error: 'expected seeds that differ' })
      .default([63, 64, 65]),
    directions: z
      .array(
        z.enum(trialDirections, {
          // Its name in rdrop 0.1.
          error: ({ input }) =>
            input === 'plain'
              ? `expected one of ${trialDirections.join(', ')}; did you mean baseline?`
              : undefined,
        }),
      )
      .min(1)
      .refine(distinct, { error: 'expected directions that differ' })
      .default(['uni', 'bi']),
    parallel: z.int().min(0).max(1024).default(0),
    slots: slotsSchema.optional(),
    ...queueSchema.partial().shape,
    name: sweepName.optional(),
    stopOnFailure: z.boolean().default(false),
    unlock: lockSchema.shape.unlock,
    verify: verifyOption,
  }),
);
export type SweepConfig = Resolved<SweepOptions, z.output<typeof sweepSchema>>;
