/** A sweep over seeds and KL directions. */
import * as z from 'zod';
import { lockSchema, type OpenOptions, verifyOption } from './opening.js';
import { documented, type Resolved } from './schema/documented.js';
import { distinct, seed, text } from './schema/ranges.js';

export const trialDirections = ['baseline', 'uni', 'uni-reverse', 'bi'] as const;
/** What a sweep compares: baseline trains with α 0 (two passes, cross-entropy alone), the others with a KL direction. */
export type TrialDirection = (typeof trialDirections)[number];

/** Which trials a sweep has, and how they run. */
export interface SweepOptions extends OpenOptions {
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
    stopOnFailure: z.boolean().default(false),
    unlock: lockSchema.shape.unlock,
    verify: verifyOption,
  }),
);
export type SweepConfig = Resolved<SweepOptions, z.output<typeof sweepSchema>>;
