import { z } from 'zod';
import { RdropError } from './errors.js';

/**
 * The only home of option names, ranges and defaults. Every object is strict: an unknown key is an error, and each
 * accepted key has an effect. Sources: paper section 4 and the fairseq flags of dropreg/R-Drop's translation script.
 */

const count = z.int().min(1);
const dropoutRate = z.number().min(0).lt(1);
const positive = z.number().positive();
const nonNegative = z.number().min(0);

export const klDirections = ['uni', 'uni-reverse', 'bi'] as const;
/** uni: D(P1‖P2), the paper's eq. (5). uni-reverse: D(P2‖P1). bi: half the sum of both, eq. (2). */
export const klDirectionSchema = z.enum(klDirections);
export type KlDirection = z.infer<typeof klDirectionSchema>;

export const lossSchema = z.strictObject({
  direction: klDirectionSchema.default('uni'),
  /** Weight α of the KL term. 0 trains on cross-entropy alone (both passes still run). */
  alpha: nonNegative.default(5),
  /** ε of label smoothing, spread over all V classes as fairseq does. */
  labelSmoothing: z.number().min(0).lt(1).default(0.1),
  /** 'sum' adds the cross-entropies of both passes (dropreg's criterion), 'mean' halves them. */
  passReduction: z.enum(['sum', 'mean']).default('sum'),
});
export type LossConfig = z.infer<typeof lossSchema>;

export const lossOptionsSchema = z.strictObject({
  direction: klDirectionSchema,
  alpha: nonNegative,
  labelSmoothing: z.number().min(0).lt(1).default(0),
  /** Rows with this target have loss 0 and gradient exactly 0. */
  ignoreIndex: z.int().default(-100),
  passReduction: z.enum(['sum', 'mean']).default('sum'),
});
export type LossOptions = z.input<typeof lossOptionsSchema>;

export const modelSchema = z
  .strictObject({
    /** Dictionary types V, the four specials included. */
    vocabSize: z.int().min(5),
    embedDim: count.default(512),
    ffnDim: count.default(1024),
    heads: count.default(4),
    encoderLayers: count.default(6),
    decoderLayers: count.default(6),
    /** On embeddings and on residual branches. */
    dropout: dropoutRate.default(0.3),
    attentionDropout: dropoutRate.default(0),
    activationDropout: dropoutRate.default(0),
    norm: z.enum(['post', 'pre']).default('post'),
    activation: z.enum(['relu', 'gelu']).default('relu'),
    /** Which embedding matrices are one: source, target and output projection; target and output; or none. */
    shareEmbeddings: z.enum(['all', 'decoder', 'none']).default('all'),
    /** Longest sequence in tokens, eos included. */
    maxPositions: count.default(1024),
  })
  .refine((model) => model.embedDim % model.heads === 0, {
    path: ['heads'],
    error: 'embedDim must be a multiple of heads',
  })
  .refine((model) => model.embedDim % 2 === 0, {
    path: ['embedDim'],
    error: 'embedDim must be even (sine and cosine halves)',
  });
export type ModelConfig = z.infer<typeof modelSchema>;
export type ModelOptions = z.input<typeof modelSchema>;

export const runtimeSchema = z.strictObject({
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
  device: z.enum(['cpu']).default('cpu'),
  precision: z.enum(['float32', 'float64']).default('float32'),
});
export type RuntimeConfig = z.infer<typeof runtimeSchema>;
export type RuntimeOptions = z.input<typeof runtimeSchema>;

/** fairseq's Adam and inverse_sqrt schedule (fairseq/optim/adam.py, inverse_square_root_schedule.py). */
export const optimizerSchema = z.strictObject({
  /** inverse_sqrt: linear warm-up, then ∝ 1/√update. constant: learningRate throughout, no warm-up. */
  schedule: z.enum(['inverse_sqrt', 'constant']).default('inverse_sqrt'),
  learningRate: positive.default(5e-4),
  warmupUpdates: z.int().min(0).default(4000),
  warmupInitLearningRate: nonNegative.default(1e-7),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.98),
  epsilon: positive.default(1e-8),
  /** Decoupled: p -= lr·weightDecay·p before the step. */
  weightDecay: nonNegative.default(1e-4),
  /** Largest norm of the gradient (after division by the tokens); 0 switches clipping off. */
  clipNorm: nonNegative.default(0),
});
export type OptimizerConfig = z.infer<typeof optimizerSchema>;

/** fairseq's beam search; the longest hypothesis has maxLenA·sourceLength + maxLenB tokens, eos not counted. */
export const beamSchema = z
  .strictObject({
    beam: count.default(5),
    /** The score of a hypothesis is its log-probability divided by length ** lengthPenalty. */
    lengthPenalty: z.number().default(1),
    maxLenA: nonNegative.default(0),
    maxLenB: z.int().min(0).default(200),
    minLen: z.int().min(1).default(1),
    nBest: count.default(1),
  })
  .refine((options) => options.nBest <= options.beam, {
    path: ['nBest'],
    error: 'nBest must not exceed beam',
  });
export type BeamConfig = z.infer<typeof beamSchema>;
export type BeamOptions = z.input<typeof beamSchema>;

/** beamSchema where one translation is wanted: there nBest would have no effect, and is refused. */
export const oneBestSchema = z.strictObject({ ...beamSchema.shape, nBest: z.undefined().optional() });
export type OneBestConfig = z.infer<typeof oneBestSchema>;
export type OneBestOptions = z.input<typeof oneBestSchema>;

export const batchPlanSchema = z.strictObject({
  /** Largest batch: pairs × the longest side of any of them, eos included. */
  maxTokens: count.default(4096),
  /** A batch has fewer than this many pairs or a multiple of it. */
  multipleOf: count.default(8),
});

/** The model of a run: as modelSchema, without vocabSize, which the dictionary of the data gives. */
const runModelSchema = z.strictObject({ ...modelSchema.shape, vocabSize: z.undefined().optional() });

export const trainSchema = z.strictObject({
  /** A directory made by `rdrop prepare`. */
  data: z.string().min(1),
  /** Where config.json, metrics, checkpoints and results go. */
  runDirectory: z.string().min(1),
  seed: runtimeSchema.shape.seed,
  device: runtimeSchema.shape.device,
  precision: runtimeSchema.shape.precision,
  /** Threads of libtorch; 0 takes every core. Bit-identical runs need the same number. */
  threads: z.int().min(0).max(1024).default(0),
  model: runModelSchema.prefault({}),
  loss: lossSchema.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  batches: batchPlanSchema
    .extend({
      /** Batches whose gradients are added up before one update. */
      accumulate: count.default(1),
    })
    .prefault({}),
  /** Training ends at whichever of the three limits comes first; 0 switches a limit off. */
  maxUpdates: z.int().min(0).default(300_000),
  maxEpochs: z.int().min(0).default(0),
  maxMinutes: nonNegative.default(0),
  /** Updates between two lines of metrics. */
  logInterval: count.default(100),
  validation: z
    .strictObject({
      /** Updates between two validations; 0 validates at the end of each epoch. */
      interval: z.int().min(0).default(0),
      /** The figure that picks the best checkpoint. 'loss' leaves out the beam search. */
      metric: z.enum(['bleu', 'loss']).default('bleu'),
      /** Validations without improvement after which training ends; 0 never does. */
      patience: z.int().min(0).default(0),
      beam: oneBestSchema.prefault({ maxLenA: 1.2, maxLenB: 10 }),
    })
    .prefault({}),
  /** The beam search on the test split once training has ended. */
  test: z.strictObject({ beam: oneBestSchema.prefault({}) }).prefault({}),
  /** Updates between two checkpoints besides those of validation; 0 makes none. */
  checkpointInterval: z.int().min(0).default(0),
});
export type TrainConfig = z.infer<typeof trainSchema>;
export type TrainOptions = z.input<typeof trainSchema>;

/** A language as a file name ends in it. */
const languageCode = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'expected a language code such as "de"');

/** How text becomes tokens: the content of text.json in a prepared directory, besides its version. */
export const textSchema = z.strictObject({
  source: languageCode,
  target: languageCode,
  /** moses: the rules of tokenizer.perl (German and English); none: the text is tokenised already. */
  tokenizer: z.enum(['moses', 'none']).default('moses'),
  /** Plain quotation marks and dashes, as normalize-punctuation.perl makes them (German and English). */
  normalize: z.boolean().default(false),
  lowercase: z.boolean().default(false),
  /** Merges of the byte pair encoding, learned on both languages together; 0 leaves words whole. */
  bpe: z.int().min(0).max(1_000_000).default(10_000),
});
export type TextConfig = z.infer<typeof textSchema>;

export const bpeSchema = z.strictObject({
  /** Most merges to learn. */
  merges: count.max(1_000_000).default(10_000),
  /** Learning ends when no pair of symbols occurs this often any more (subword-nmt). */
  minFrequency: count.default(2),
});
export type BpeOptions = z.input<typeof bpeSchema>;

export const prepareSchema = z.strictObject({
  ...textSchema.shape,
  /** Prefixes of the parallel files: <prefix>.<language>, plain or with .gz behind it. */
  train: z.string().min(1),
  valid: z.string().min(1),
  test: z.string().min(1).optional(),
  /** The directory to make. */
  out: z.string().min(1),
  /** Replaces a prepared directory that is there already. */
  overwrite: z.boolean().default(false),
  minFrequency: bpeSchema.shape.minFrequency,
  /** The dictionary is filled up to a multiple of this (fairseq). */
  paddingFactor: count.default(8),
  /** Training pairs with a side shorter than this are left out; counted in tokens before BPE, as the next two. */
  minLength: z.int().min(0).default(1),
  /** Training pairs with a longer side are left out; 0 keeps all. */
  maxLength: z.int().min(0).default(0),
  /** Training pairs with one side longer than the other times this are left out; 0 keeps all. */
  ratio: nonNegative.default(0),
});
export type PrepareConfig = z.infer<typeof prepareSchema>;
export type PrepareOptions = z.input<typeof prepareSchema>;

/** How a checkpoint of fairseq's becomes a run directory (lib/interchange/import_fairseq.ts). */
export const fairseqImportSchema = z.strictObject({
  /** A file of fairseq's, such as checkpoint_best.pt. */
  checkpoint: z.string().min(1),
  /** The dict.txt of the source language, and of the target where the two are one. */
  dict: z.string().min(1),
  /** The dict.txt of the target language, which is then compared. */
  targetDict: z.string().min(1).optional(),
  /** subword-nmt's codes; without them words stay whole. */
  codes: z.string().min(1).optional(),
  /** Instead of the languages that the checkpoint names. */
  source: languageCode.optional(),
  target: languageCode.optional(),
  tokenizer: textSchema.shape.tokenizer,
  normalize: textSchema.shape.normalize,
  lowercase: textSchema.shape.lowercase,
  /** The run directory to make. */
  out: z.string().min(1),
});
export type FairseqImportOptions = z.input<typeof fairseqImportSchema>;

export const exportFormats = ['huggingface', 'fairseq', 'both'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** How a run becomes a directory for other programs (lib/interchange/export_model.ts). */
export const exportSchema = z.strictObject({
  /** The run directory. */
  run: z.string().min(1),
  checkpoint: z.enum(['best', 'last']).default('best'),
  /** huggingface: transformers' FSMT. fairseq: its checkpoint, which CTranslate2 converts too. both: in one directory. */
  format: z.enum(exportFormats),
  /** The directory to make. */
  out: z.string().min(1),
});
export type ExportOptions = z.input<typeof exportSchema>;

/** sacreBLEU's options that change a score; everything else is its default. */
export const bleuSchema = z.strictObject({
  tokenize: z.enum(['13a', 'none', 'intl', 'char']).default('13a'),
  lowercase: z.boolean().default(false),
});
export type BleuConfig = z.infer<typeof bleuSchema>;
export type BleuOptions = z.input<typeof bleuSchema>;

/** The percentile bootstrap of a difference of means (lib/experiment/statistics.ts). */
export const bootstrapSchema = z.strictObject({
  samples: count.max(10_000_000).default(10_000),
  /** Share of the resampled differences inside the interval. */
  level: z.number().gt(0).lt(1).default(0.95),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
});
export type BootstrapConfig = z.infer<typeof bootstrapSchema>;
export type BootstrapOptions = z.input<typeof bootstrapSchema>;

export const armNames = ['plain', 'uni', 'uni-reverse', 'bi'] as const;
/** What a sweep compares: plain trains with α 0 (two passes, cross-entropy alone), the others with a KL direction. */
export type Arm = (typeof armNames)[number];

const distinct = <T>(values: readonly T[]): boolean => new Set(values).size === values.length;

export const sweepSchema = z.strictObject({
  /** Where sweep.json and one directory a trial, `<arm>-<seed>`, go. */
  directory: z.string().min(1),
  seeds: z
    .array(runtimeSchema.shape.seed)
    .min(1)
    .refine(distinct, { error: 'expected seeds that differ' })
    .default([63, 64, 65]),
  directions: z
    .array(z.enum(armNames))
    .min(1)
    .refine(distinct, { error: 'expected directions that differ' })
    .default(['uni', 'bi']),
  /** Trials at a time, which share the cores; 0 runs as many as there are cores, one thread each. */
  parallel: z.int().min(0).max(1024).default(0),
  /** Whether a failed trial ends the sweep. */
  stopOnFailure: z.boolean().default(false),
});
export type SweepConfig = z.infer<typeof sweepSchema>;
export type SweepOptions = z.input<typeof sweepSchema>;

export const demoSchema = z.strictObject({
  directory: z.string().min(1).default('runs/demo'),
  /** A minute's worth, to see that everything works; its figures mean nothing. */
  quick: z.boolean().default(false),
  /** Removes an earlier demo in the directory first. */
  fresh: z.boolean().default(false),
});
export type DemoOptions = z.input<typeof demoSchema>;

/** Parses with a schema; a failure is an RdropError that names each option, what was expected and what came. */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: string,
  code: 'INVALID_CONFIG' | 'INVALID_ARGUMENT' = 'INVALID_CONFIG',
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => {
    const path = [what, ...issue.path].join('.');
    return `${path}: ${issue.message}, got ${describe(valueAt(value, issue.path))}`;
  });
  throw new RdropError(code, issues.join('; '));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  );
}

/** A short description of a value for an error message. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${(value as Uint8Array).length})`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') {
    const keys = Object.keys(value);
    return `{${keys.slice(0, 5).join(', ')}${keys.length > 5 ? ', …' : ''}}`;
  }
  return typeof value;
}
