/** Statistics over runs, sweep, theory, demo. */
import { count, countTo, positive } from './ranges.js';
import {
  lockSchema,
  lossSchema,
  overlongSchema,
  runModelSchema,
  runtimeSchema,
  threadsSchema,
  verifyOption,
} from './training.js';
import { lazily, z } from './zod.js';

/** The percentile bootstrap of a difference of means (lib/statistics/comparison.ts). */
export const bootstrapSchema = lazily(() =>
  z.strictObject({
    samples: countTo(10_000_000).default(10_000),
    /** Share of the resampled differences inside the interval. */
    level: z.number().gt(0).lt(1).default(0.95),
    seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
  }),
);
export type BootstrapConfig = z.infer<typeof bootstrapSchema>;
export type BootstrapOptions = z.input<typeof bootstrapSchema>;

/** Exact intervals of effect sizes and shifts (lib/statistics/effect_sizes.ts, shift.ts). */
export const intervalSchema = lazily(() =>
  z.strictObject({
    /** Confidence of the interval. */
    level: bootstrapSchema.shape.level,
  }),
);
export type IntervalOptions = z.input<typeof intervalSchema>;

export const alternatives = ['two-sided', 'less', 'greater'] as const;
/** What a test looks for: a difference, or that the first sample tends to be smaller or larger. */
export type Alternative = (typeof alternatives)[number];

export const rankTestSchema = lazily(() =>
  z.strictObject({ alternative: z.enum(alternatives).default('two-sided') }),
);
export type RankTestOptions = z.input<typeof rankTestSchema>;

/** Everything about two conditions, or about each pair of several (lib/statistics/comparison.ts). */
export const comparisonSchema = lazily(() =>
  z.strictObject({
    ...bootstrapSchema.shape,
    /** Of the rank tests; intervals stay two-sided. */
    alternative: rankTestSchema.shape.alternative,
  }),
);
export type ComparisonOptions = z.input<typeof comparisonSchema>;

export const plannedTests = ['rank-sum', 'signed-rank', 't', 'paired-t'] as const;
export type PlannedTest = (typeof plannedTests)[number];
const pairedPlannedTests: readonly PlannedTest[] = ['signed-rank', 'paired-t'];

/** The power of a comparison that has not been run yet (lib/statistics/planned_power.ts). */
export const plannedPowerSchema = lazily(() =>
  z
    .strictObject({
      runsPerCondition: countTo(100),
      /** The true difference of two conditions' means, in standard deviations of a run. */
      effectSize: z.number(),
      test: z.enum(plannedTests).default('rank-sum'),
      alternative: rankTestSchema.shape.alternative,
      /** The chance of a false rejection that is accepted; a test rejects with p ≤ α. */
      alpha: z.number().gt(0).lt(1).default(0.05),
      /** Each pair of conditions is a test; α is divided by their number, as in the first step of Holm's correction. */
      conditions: z.int().min(2).max(20).default(2),
      /** Of the two runs of a seed, for the paired tests. */
      correlation: z.number().gt(-1).lt(1).default(0),
      /** The power for which the fewest runs are sought. */
      targetPower: z.number().gt(0).lt(1).default(0.8),
      /** Comparisons drawn for a rank test; the power of a t test needs none. */
      simulations: countTo(1_000_000).default(10_000),
      seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
      /** How long a run takes, for the cost in hours. */
      hoursPerRun: positive.optional(),
    })
    .refine(({ test, correlation }) => correlation === 0 || pairedPlannedTests.includes(test), {
      path: ['correlation'],
      error: `expected 0 unless the test is ${pairedPlannedTests.join(' or ')}`,
    }),
);
export type PlannedPowerOptions = z.input<typeof plannedPowerSchema>;

export const trialDirections = ['baseline', 'uni', 'uni-reverse', 'bi'] as const;
/** What a sweep compares: baseline trains with α 0 (two passes, cross-entropy alone), the others with a KL direction. */
export type TrialDirection = (typeof trialDirections)[number];

const distinct = <T>(values: readonly T[]): boolean => new Set(values).size === values.length;

export const sweepSchema = lazily(() =>
  z.strictObject({
    /** Where sweep.json and one directory a trial, `<direction>-<seed>`, go. */
    directory: z.string().min(1),
    seeds: z
      .array(runtimeSchema.shape.seed)
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
    /** Trials at a time, which share the cores; 0 runs as many as there are cores, one thread each. */
    parallel: z.int().min(0).max(1024).default(0),
    /** Whether a failed trial ends the sweep. */
    stopOnFailure: z.boolean().default(false),
    /** Takes the directory, and those of its trials, over: their holder stops with RUN_LOST before its next write. */
    unlock: lockSchema.shape.unlock,
    verify: verifyOption,
  }),
);
export type SweepConfig = z.infer<typeof sweepSchema>;
export type SweepOptions = z.input<typeof sweepSchema>;

/** `lossSchema` without the direction, which the experiment compares; what is left out is that of the run. */
const theoryLossSchema = lazily(() =>
  z.strictObject({
    alpha: lossSchema.shape.alpha.unwrap().optional(),
    labelSmoothing: lossSchema.shape.labelSmoothing.unwrap().optional(),
    smoothing: lossSchema.shape.smoothing.unwrap().optional(),
    passReduction: lossSchema.shape.passReduction.unwrap().optional(),
  }),
);

/** Section 3 of the paper as an experiment (lib/theory/theory.ts): a run or a fresh model, and mask pairs. */
export const dropoutMomentsSchema = lazily(() =>
  z
    .strictObject({
      run: z
        .strictObject({
          directory: z.string().min(1),
          /** initial: the parameters with which the run began. */
          checkpoint: z.enum(['best', 'last', 'initial']).default('best'),
        })
        .optional(),
      /** A freshly initialized model instead of a run's. */
      model: runModelSchema.optional(),
      /** A prepared directory; left out, that of the run. */
      data: z.string().min(1).optional(),
      split: z.enum(['train', 'valid', 'test']).default('valid'),
      /** Batches of the split, drawn with the seed and held fixed. */
      batches: count.default(4),
      /** Size of a batch: pairs × the longest side of any of them, eos included. */
      maxTokens: count.default(1024),
      /** What happens to sentences longer than maxTokens or the model's maxPositions. Left out: refuse. */
      overlong: overlongSchema.optional(),
      /** Pairs of masks that each batch is passed under. */
      pairs: z.int().min(4).max(1_000_000).default(50),
      loss: theoryLossSchema.prefault({}),
      /** Of every interval. */
      level: z.number().gt(0).lt(1).default(0.95),
      /** Random signs drawn for the randomization test. */
      samples: countTo(10_000_000).default(10_000),
      /** Of the masks, of the choice of batches, of the signs, and of a fresh model's initialization. */
      seed: runtimeSchema.shape.seed,
      device: runtimeSchema.shape.device,
      precision: runtimeSchema.shape.precision,
      threads: threadsSchema,
      verify: verifyOption,
    })
    .refine((options) => (options.run === undefined) !== (options.model === undefined), {
      path: ['run'],
      error: 'expected either a run or a model to initialize, not both',
    })
    .refine((options) => options.run !== undefined || options.data !== undefined, {
      path: ['data'],
      error: 'expected a prepared directory where no run names one',
    }),
);
export type DropoutMomentsConfig = z.infer<typeof dropoutMomentsSchema>;
export type DropoutMomentsOptions = z.input<typeof dropoutMomentsSchema>;

export const demoSchema = lazily(() =>
  z.strictObject({
    directory: z.string().min(1).default('runs/demo'),
    /** A minute's worth, to see that everything works; its numbers mean nothing. */
    quick: z.boolean().default(false),
    /** Removes an earlier demo in the directory first. */
    fresh: z.boolean().default(false),
  }),
);
export type DemoOptions = z.input<typeof demoSchema>;
