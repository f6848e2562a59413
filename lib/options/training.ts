/** A training run. */
import * as z from 'zod';
import { type TrainBatchOptions, trainBatchSchema } from './batches.js';
import { type DistributedOptions, distributedSchema } from './distributed.js';
import { lossSchema, type TrainLossOptions } from './loss.js';
import { type RunModelOptions, runModelSchema } from './model.js';
import { type OpenOptions, openSchema } from './opening.js';
import { type OptimizerOptions, optimizerSchema } from './optimizer.js';
import {
  type DeviceName,
  devices,
  type RuntimeOptions,
  runtimeSchema,
  type ThreadsOptions,
  threadsSchema,
} from './runtime.js';
import { documented, type Resolved } from './schema/documented.js';
import { count, countOrZero, nonNegative, text } from './schema/ranges.js';
import { type TaskMetricName, type TaskName, taskMetricNames, taskNames } from './tasks/names.js';
import {
  type BeamSearchOptions,
  beamSearchSchema,
  type OverlongPolicy,
  overlongSchema,
  type ValidationBeamOptions,
  validationBeamSchema,
} from './translation.js';

export const presetNames = [
  'iwslt14-rdrop-uni',
  'iwslt14-rdrop-bi',
  'transformer_base',
  'transformer_big',
  'multi30k',
  'tiny',
  'classifier-small',
  'classifier-bert',
  'gpt-tiny',
  'gpt-small',
] as const;
/**
 * `iwslt14-rdrop-uni`, `iwslt14-rdrop-bi`: the paper's run. `transformer_base`, `transformer_big`: the models of Vaswani et al.
 * 2017. `multi30k`: Multi30k on two cores within the hour. `tiny`: the demo's. `classifier-small`: an encoder of 2 × 128 from scratch.
 * `classifier-bert`: BERT-base and its fine-tuning. `gpt-tiny`, `gpt-small`: nanoGPT's settings for characters on a CPU and on a GPU.
 */
export type PresetName = (typeof presetNames)[number];

/** A metric that the hook `validate` of `fit()` returns. */
export interface HookMetric {
  /** Its name: not empty, and none of those of rdrop's own metrics (`loss`, `bleu`, …). */
  name: string;
  /**
   * Whether the largest (`max`) or the smallest (`min`) is the best.
   * @default "max"
   */
  mode?: 'max' | 'min' | undefined;
}

/** When a run is validated, and which checkpoint is the best. */
export interface ValidationOptions {
  /**
   * Updates between two validations; 0 validates at the end of each epoch.
   * @default 0
   * @range 0 or more
   */
  interval?: number | undefined;
  /**
   * The metric that picks the best checkpoint: `loss`, one of the task's (docs/tasks.md), or one that the hook `validate` of `fit()`
   * returns. In translation all but `bleu` leave out the beam search. The default is that of translation; the other tasks have the
   * first of their own.
   * @default "bleu"
   */
  metric?: TaskMetricName | HookMetric | undefined;
  /**
   * `raw`: BLEU against the untouched text. `fairseq`: as --eval-bleu --eval-bleu-detok moses computes it, against the reference's
   * tokens put together again, rounded to two decimals; of equal ones the later is the best.
   * @default "raw"
   */
  bleu?: 'raw' | 'fairseq' | undefined;
  /**
   * Validations without improvement after which training ends; 0 never does.
   * @default 0
   * @range 0 or more
   */
  patience?: number | undefined;
  /** The beam search that translates the validation split. */
  beam?: ValidationBeamOptions | undefined;
}

/** What is done with the test split once training has ended. */
export interface TestOptions {
  /** The beam search that translates the test split. */
  beam?: BeamSearchOptions | undefined;
}

/** Limits of a run: it ends at whichever comes first. */
export interface TrainLimits {
  /**
   * Updates after which training ends; 0 sets no limit.
   * @default 300000
   * @range 0 or more
   */
  maxUpdates?: number | undefined;
  /**
   * Epochs after which training ends; 0 sets no limit.
   * @default 0
   * @range 0 or more
   */
  maxEpochs?: number | undefined;
  /**
   * Minutes after which training ends; 0 sets no limit. Counts the run from its beginning, over all resumptions: steps, validation
   * and checkpoints, not reading the data nor translating the test split.
   * @default 0
   * @range 0 or more
   */
  maxMinutes?: number | undefined;
}

/** A training run: `Trainer.create(options)`, `rdrop train`. */
export interface TrainOptions extends Omit<RuntimeOptions, 'device'>, ThreadsOptions, TrainLimits {
  /** A preset under these options, part by part: an option given here replaces that option of the preset alone. Left out: none. */
  preset?: PresetName | undefined;
  /**
   * What is trained; the prepared directory must be of the same task.
   * @default "translation"
   */
  task?: TaskName | undefined;
  /** The prepared directory, made by `prepareCorpus` or `rdrop prepare`. */
  data: string;
  /** The directory to make, for config.json, metrics, checkpoints and results. */
  runDirectory: string;
  /**
   * `cpu`, `cuda`, or `auto`: CUDA where a GPU can be used, else the CPU. The run's config.json says which it was.
   * @default "auto"
   */
  device?: DeviceName | undefined;
  /** The network. */
  model?: RunModelOptions | undefined;
  /**
   * A run whose parameters this one begins with, whatever its task: those that both have under one name and in one shape. Left out:
   * all are drawn from the seed.
   */
  init?: string | undefined;
  /** The loss. */
  loss?: TrainLossOptions | undefined;
  /** The optimizer and its schedule. */
  optimizer?: OptimizerOptions | undefined;
  /** Size of a batch. */
  batches?: TrainBatchOptions | undefined;
  /**
   * Sentences longer than `model.maxPositions`, and in training than `batches.maxTokens`, are an error (`refuse`), cut (`truncate`)
   * or left out (`skip`); a source that is not translated then counts as an empty translation. Left out: `refuse`.
   */
  overlong?: OverlongPolicy | undefined;
  /**
   * Updates between two lines of metrics.
   * @default 100
   * @range 1 or more
   */
  logInterval?: number | undefined;
  /** When the run is validated, and which checkpoint is the best. */
  validation?: ValidationOptions | undefined;
  /** What is done with the test split once training has ended. */
  test?: TestOptions | undefined;
  /**
   * Updates between two checkpoints besides those of validation; 0 makes none.
   * @default 0
   * @range 0 or more
   */
  checkpointInterval?: number | undefined;
  /** Several processes that train this one run. Left out: the process that calls trains alone. */
  distributed?: DistributedOptions | undefined;
  /**
   * Writes the metrics as event files for TensorBoard as well, in `tensorboard/` of the run directory.
   * @default false
   */
  tensorboard?: boolean | undefined;
}

/** The names of rdrop's own metrics and of what else stands in a line of metrics.jsonl: no metric of a hook has one of them. */
export const reservedMetrics: readonly string[] = [
  ...['type', 'update', 'epoch', 'best', 'metrics', 'seconds', 'validationSeconds'],
  ...['loss', 'nll', 'kl', 'crossEntropy', 'bleu', 'scores'],
];

const hookMetricSchema = documented<HookMetric>()(
  z.strictObject({
    name: z.string().refine((name) => name !== '' && !reservedMetrics.includes(name), {
      error: `expected a name of your own, not empty and none of ${reservedMetrics.join(', ')}`,
    }),
    mode: z.enum(['max', 'min']).default('max'),
  }),
);

const validationSchema = documented<ValidationOptions>()(
  z.strictObject({
    interval: countOrZero.default(0),
    metric: z
      .union([z.enum(taskMetricNames), hookMetricSchema], {
        error:
          "expected 'bleu', 'loss' or {name, mode: 'max' or 'min'} with the name of a metric of your own, or in another task one of its own",
      })
      .default('bleu'),
    bleu: z.enum(['raw', 'fairseq']).default('raw'),
    patience: countOrZero.default(0),
    beam: validationBeamSchema.prefault({}),
  }),
);

/** Parsed by `resolveTrainOptions`, which lays the options over their preset first. */
export const trainSchema = documented<TrainOptions>()(
  z.strictObject({
    preset: z.enum(presetNames).optional(),
    data: text,
    runDirectory: text,
    task: z.enum(taskNames).default('translation'),
    seed: runtimeSchema.shape.seed,
    device: z.enum(devices).default('auto'),
    precision: runtimeSchema.shape.precision,
    threads: threadsSchema,
    model: runModelSchema.prefault({}),
    init: text.optional(),
    loss: lossSchema.prefault({}),
    optimizer: optimizerSchema.prefault({}),
    batches: trainBatchSchema.prefault({}),
    overlong: overlongSchema.optional(),
    maxUpdates: countOrZero.default(300_000),
    maxEpochs: countOrZero.default(0),
    maxMinutes: nonNegative.default(0),
    logInterval: count.default(100),
    validation: validationSchema.prefault({}),
    test: documented<TestOptions>()(z.strictObject({ beam: beamSearchSchema.prefault({}) })).prefault({}),
    checkpointInterval: countOrZero.default(0),
    distributed: distributedSchema.optional(),
    tensorboard: z.boolean().default(false),
  }),
);
/** The options of a run with every default filled in. */
export type TrainConfig = Resolved<
  Omit<TrainOptions, 'preset'>,
  Omit<z.output<typeof trainSchema>, 'preset'>
>;

/** What a resumed run may be given anew; without one, the run's own holds. */
export interface ResumeOptions extends OpenOptions {
  /**
   * Updates after which training ends; 0 sets no limit. Left out: the run's own.
   * @range 0 or more
   */
  maxUpdates?: number | undefined;
  /**
   * Epochs after which training ends; 0 sets no limit. Left out: the run's own.
   * @range 0 or more
   */
  maxEpochs?: number | undefined;
  /**
   * Minutes after which training ends, from the run's beginning; 0 sets no limit. Left out: the run's own.
   * @range 0 or more
   */
  maxMinutes?: number | undefined;
  /** Where the prepared data lies now; its files must be those the run began with. Left out: where it was. */
  data?: string | undefined;
  /** Several processes that train the run from here on. Left out: the run's own `processes`. */
  distributed?: DistributedOptions | undefined;
  /** Writes event files for TensorBoard from now on, or no more. Left out: as the run did. */
  tensorboard?: boolean | undefined;
}

export const resumeSchema = documented<ResumeOptions>()(
  z.strictObject({
    maxUpdates: countOrZero.optional(),
    maxEpochs: countOrZero.optional(),
    maxMinutes: nonNegative.optional(),
    data: text.optional(),
    distributed: distributedSchema.optional(),
    tensorboard: z.boolean().optional(),
    ...openSchema.shape,
  }),
);
