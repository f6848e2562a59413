/** Statistics over runs. */
import * as z from 'zod';
import { documented } from './schema/documented.js';
import { countTo, positive, probability, seed } from './schema/ranges.js';

/** Exact intervals of effect sizes and of the Hodges-Lehmann estimate. */
export interface IntervalOptions {
  /**
   * Confidence of the interval.
   * @default 0.95
   * @range above 0, below 1
   */
  level?: number | undefined;
}

/** The percentile bootstrap of a difference of means. */
export interface BootstrapOptions extends IntervalOptions {
  /**
   * Resamples that are drawn.
   * @default 10000
   * @range 1 to 10,000,000
   */
  samples?: number | undefined;
  /**
   * Seed of the bootstrap.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
}

export const alternatives = ['two-sided', 'less', 'greater'] as const;
/** What a test looks for: a difference, or that the first sample tends to be smaller or larger. */
export type Alternative = (typeof alternatives)[number];

/** Wilcoxon's rank tests. */
export interface RankTestOptions {
  /**
   * What a rank test looks for: a difference (`two-sided`), or that the first sample tends to be smaller (`less`) or larger
   * (`greater`). Intervals stay two-sided.
   * @default "two-sided"
   */
  alternative?: Alternative | undefined;
}

/** Everything about two conditions, or about each pair of several. */
export interface ComparisonOptions extends BootstrapOptions, RankTestOptions {}

export const plannedTests = ['rank-sum', 'signed-rank', 't', 'paired-t'] as const;
/** The test of a planned comparison; `signed-rank` and `paired-t` pair the runs of a seed. */
export type PlannedTest = (typeof plannedTests)[number];
const pairedPlannedTests: readonly PlannedTest[] = ['signed-rank', 'paired-t'];

/** The power of a comparison that has not been run yet. */
export interface PlannedPowerOptions extends RankTestOptions {
  /**
   * Runs of each condition.
   * @range 1 to 100
   */
  runsPerCondition: number;
  /** The true difference of two conditions' means, in standard deviations of a run. */
  effectSize: number;
  /**
   * The test: `rank-sum`, `signed-rank`, `t` or `paired-t`.
   * @default "rank-sum"
   */
  test?: PlannedTest | undefined;
  /**
   * The chance of a false rejection that is accepted; a test rejects with p ≤ α.
   * @default 0.05
   * @range above 0, below 1
   */
  alpha?: number | undefined;
  /**
   * Number of conditions. Each pair of them is a test; α is divided by the number of pairs, the first step of Holm's correction.
   * @default 2
   * @range 2 to 20
   */
  conditions?: number | undefined;
  /**
   * Correlation of the two runs of a seed, for the paired tests alone.
   * @default 0
   * @range above -1, below 1
   */
  correlation?: number | undefined;
  /**
   * The power for which the fewest runs are sought.
   * @default 0.8
   * @range above 0, below 1
   */
  targetPower?: number | undefined;
  /**
   * Comparisons drawn for a rank test; the power of a t test needs none.
   * @default 10000
   * @range 1 to 1,000,000
   */
  simulations?: number | undefined;
  /**
   * Seed of the drawings.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
  /**
   * How long a run takes, in hours, for the cost. Left out: no cost is computed.
   * @range above 0
   */
  hoursPerRun?: number | undefined;
}

export const intervalSchema = documented<IntervalOptions>()(
  z.strictObject({ level: probability.default(0.95) }),
);

export const bootstrapSchema = documented<BootstrapOptions>()(
  z.strictObject({
    samples: countTo(10_000_000).default(10_000),
    level: intervalSchema.shape.level,
    seed: seed.default(1),
  }),
);

export const rankTestSchema = documented<RankTestOptions>()(
  z.strictObject({ alternative: z.enum(alternatives).default('two-sided') }),
);

export const comparisonSchema = documented<ComparisonOptions>()(
  z.strictObject({ ...bootstrapSchema.shape, ...rankTestSchema.shape }),
);

export const plannedPowerSchema = documented<PlannedPowerOptions>()(
  z
    .strictObject({
      runsPerCondition: countTo(100),
      effectSize: z.number(),
      test: z.enum(plannedTests).default('rank-sum'),
      alternative: rankTestSchema.shape.alternative,
      alpha: probability.default(0.05),
      conditions: z.int().min(2).max(20).default(2),
      correlation: z.number().gt(-1).lt(1).default(0),
      targetPower: probability.default(0.8),
      simulations: countTo(1_000_000).default(10_000),
      seed: seed.default(1),
      hoursPerRun: positive.optional(),
    })
    .refine(({ test, correlation }) => correlation === 0 || pairedPlannedTests.includes(test), {
      path: ['correlation'],
      error: `expected 0 unless the test is ${pairedPlannedTests.join(' or ')}`,
    }),
);
