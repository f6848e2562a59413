/** Section 3 of the paper as an experiment. */
import * as z from 'zod';
import { lossSchema, type Smoothing } from './loss.js';
import { type RunModelOptions, runModelSchema } from './model.js';
import { type VerifyOptions, verifyOption } from './opening.js';
import { type RuntimeOptions, runtimeSchema, type ThreadsOptions, threadsSchema } from './runtime.js';
import { documented, type Resolved } from './schema/documented.js';
import { count, countTo, probability, text } from './schema/ranges.js';
import { type OverlongPolicy, overlongSchema } from './translation.js';

/** The run whose model, loss and data are taken. */
export interface MomentsRunOptions {
  /** The run directory. */
  directory: string;
  /**
   * Which parameters: those of a checkpoint, or those with which the run began (`initial`).
   * @default "best"
   */
  checkpoint?: 'best' | 'last' | 'initial' | undefined;
}

/** The loss whose gradients are compared, without the direction, which is what the experiment varies. */
export interface MomentsLossOptions {
  /**
   * Weight α of the KL term in the whole loss. Left out: that of the run, or of training.
   * @range 0 or more
   */
  alpha?: number | undefined;
  /**
   * ε of label smoothing. Left out: that of the run, or of training.
   * @range 0 to below 1
   */
  labelSmoothing?: number | undefined;
  /** How ε is spread over the classes. Left out: that of the run, or of training. */
  smoothing?: Smoothing | undefined;
  /**
   * Whether the KL term is averaged over target positions as the cross-entropy is, or summed over the batch. Left out: that of the
   * run, or of training.
   */
  klReduction?: 'mean' | 'sum' | undefined;
  /** A factor of the cross-entropy for each class, of classification. Left out: that of the run, or none. */
  classWeights?: number[] | 'balanced' | undefined;
  /** `sum` adds the cross-entropies of both passes, `mean` halves them. Left out: that of the run, or of training. */
  passReduction?: 'sum' | 'mean' | undefined;
}

/** A run or a fresh model, and the pairs of dropout masks under which its divergences and gradients are measured. */
export interface DropoutMomentsOptions extends Omit<RuntimeOptions, 'seed'>, ThreadsOptions, VerifyOptions {
  /** The run whose model, loss and data are taken. Left out: a fresh `model`. */
  run?: MomentsRunOptions | undefined;
  /** A freshly initialized model instead of a run's. Left out: that of `run`. */
  model?: RunModelOptions | undefined;
  /** A prepared directory, of the run's task and with its dictionary. Left out: that of the run. */
  data?: string | undefined;
  /**
   * The split that batches are drawn from.
   * @default "valid"
   */
  split?: 'train' | 'valid' | 'test' | undefined;
  /**
   * Batches of the split, drawn with the seed and held fixed.
   * @default 4
   * @range 1 or more
   */
  batches?: number | undefined;
  /**
   * Size of a batch in tokens: sequences × the longest of them, of pairs the longest side of any, eos included.
   * @default 1024
   * @range 1 or more
   */
  maxTokens?: number | undefined;
  /**
   * Tokens of a block of running text, of a language model. Left out: that of the run, or 512.
   * @range 1 or more
   */
  tokensPerSample?: number | undefined;
  /**
   * Sentences longer than `maxTokens` or the model's `maxPositions` are an error (`refuse`), cut (`truncate`) or left out (`skip`).
   * Left out: `refuse`.
   */
  overlong?: OverlongPolicy | undefined;
  /**
   * Pairs of masks under which each batch is passed.
   * @default 50
   * @range 4 to 1,000,000
   */
  pairs?: number | undefined;
  /** The loss whose gradients are compared. */
  loss?: MomentsLossOptions | undefined;
  /**
   * Confidence of every interval.
   * @default 0.95
   * @range above 0, below 1
   */
  level?: number | undefined;
  /**
   * Random signs drawn for the randomization test.
   * @default 10000
   * @range 1 to 10,000,000
   */
  samples?: number | undefined;
  /**
   * Seed of the masks, of the choice of batches, of the signs, and of a fresh model's initialization.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
}

const momentsLossSchema = documented<MomentsLossOptions>()(
  z.strictObject({
    alpha: lossSchema.shape.alpha.unwrap().optional(),
    labelSmoothing: lossSchema.shape.labelSmoothing.unwrap().optional(),
    smoothing: lossSchema.shape.smoothing.unwrap().optional(),
    klReduction: lossSchema.shape.klReduction.unwrap().optional(),
    classWeights: lossSchema.shape.classWeights,
    passReduction: lossSchema.shape.passReduction.unwrap().optional(),
  }),
);

export const dropoutMomentsSchema = documented<DropoutMomentsOptions>()(
  z
    .strictObject({
      run: documented<MomentsRunOptions>()(
        z.strictObject({
          directory: text,
          checkpoint: z.enum(['best', 'last', 'initial']).default('best'),
        }),
      ).optional(),
      model: runModelSchema.optional(),
      data: text.optional(),
      split: z.enum(['train', 'valid', 'test']).default('valid'),
      batches: count.default(4),
      maxTokens: count.default(1024),
      tokensPerSample: count.optional(),
      overlong: overlongSchema.optional(),
      pairs: z.int().min(4).max(1_000_000).default(50),
      loss: momentsLossSchema.prefault({}),
      level: probability.default(0.95),
      samples: countTo(10_000_000).default(10_000),
      ...runtimeSchema.shape,
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
export type DropoutMomentsConfig = Resolved<DropoutMomentsOptions, z.output<typeof dropoutMomentsSchema>>;
