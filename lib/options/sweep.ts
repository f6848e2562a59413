/** A sweep over seeds and KL directions. */
import * as z from 'zod';
import { lockSchema, type OpenOptions, verifyOption } from './opening.js';
import { type QueueOptions, queueSchema, sweepName } from './queue.js';
import { documented, type Resolved } from './schema/documented.js';
import { distinct, seed, text } from './schema/ranges.js';
import { searchSchema } from './search.js';
import { slotsSchema } from './slots.js';

export const trialDirections = ['one-pass', 'baseline', 'uni', 'uni-reverse', 'bi'] as const;
/**
 * What a sweep compares: `one-pass` is ordinary training at half the cost (`loss.passes` 1), `baseline` has two passes and α 0, the
 * others a KL direction.
 */
export type TrialDirection = (typeof trialDirections)[number];

/** A value of an option in a grid. */
export type GridValue = number | string | boolean;

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
   * Directions of the trials, all different; `baseline` trains with α 0, `one-pass` with one pass.
   * @default ["uni","bi"]
   */
  directions?: TrialDirection[] | undefined;
  /**
   * Further options and the values that each takes, by path: `{'loss.alpha': [1, 5], 'model.dropout': [0.1, 0.3]}`. Every combination is
   * trained with every seed and direction; names and directories of trials carry it, as in `uni-63-alpha=5-dropout=0.1`.
   * @default {}
   */
  grid?: Record<string, GridValue[]> | undefined;
  /**
   * Not every condition to its end. `random:8` (or `random:8:SEED`): 8 points of the grid, drawn by the seed, 1 unless it is given.
   * `halving` (or `halving:FACTOR`, 3): all conditions begin with few updates, the best third by `validation.metric` continues with
   * three times as many, and so on up to `maxUpdates`; the last ones alone translate the test split. Left out: all are trained to
   * their end.
   */
  search?: string | undefined;
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

/** What a sweep or its machine gives each trial. */
const notInGrids = [
  'preset',
  'data',
  'runDirectory',
  'seed',
  'loss.direction',
  'threads',
  'device',
  'distributed',
];

const gridSchema = z.record(
  z
    .string()
    .regex(/^[A-Za-z]+(\.[A-Za-z]+)*$/, 'expected the path of an option, such as loss.alpha')
    .refine((path) => !notInGrids.includes(path) && !path.startsWith('distributed.'), {
      error: `expected none of ${notInGrids.join(', ')}`,
    }),
  z
    .array(
      z.union([z.number(), z.boolean(), z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_+]*$/)], {
        error: 'expected numbers, names, true or false',
      }),
    )
    .min(1)
    .refine(distinct, { error: 'expected values that differ' }),
);

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
    grid: gridSchema.default({}),
    search: searchSchema.optional(),
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
