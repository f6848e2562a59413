/** Loss, model, optimizer, search and run. */

import type { z as zod } from 'zod';
import { count, countTo, dropoutRate, nonNegative, positive } from './ranges.js';
import { lazily, z } from './zod.js';

export const klDirections = ['uni', 'uni-reverse', 'bi'] as const;
/** uni: D(P1‖P2), the paper's eq. (5). uni-reverse: D(P2‖P1). bi: half the sum of both, eq. (2). */
export const klDirectionSchema = lazily(() => z.enum(klDirections));
export type KlDirection = z.infer<typeof klDirectionSchema>;

/**
 * How ε is spread. dropreg: ε/V on each of the V classes, the target among them (dropreg's criterion, and the fairseq that it
 * was made from). fairseq: ε/(V-1) on each of the others, 1-ε left on the target (fairseq's label_smoothed_cross_entropy of today).
 */
export const smoothingSchema = lazily(() => z.enum(['dropreg', 'fairseq']));

export const lossSchema = lazily(() =>
  z.strictObject({
    direction: klDirectionSchema.default('uni'),
    /** Weight α of the KL term. 0 trains on cross-entropy alone (both passes still run). */
    alpha: nonNegative.default(5),
    /** ε of label smoothing. */
    labelSmoothing: z.number().min(0).lt(1).default(0.1),
    smoothing: smoothingSchema.default('dropreg'),
    /** 'sum' adds the cross-entropies of both passes (dropreg's criterion), 'mean' halves them. */
    passReduction: z.enum(['sum', 'mean']).default('sum'),
  }),
);
export type LossConfig = z.infer<typeof lossSchema>;

export const lossOptionsSchema = lazily(() =>
  z.strictObject({
    direction: klDirectionSchema,
    alpha: nonNegative,
    labelSmoothing: z.number().min(0).lt(1).default(0),
    smoothing: smoothingSchema.default('dropreg'),
    /** Rows with this target have loss 0 and gradient exactly 0. */
    ignoreIndex: z.int().default(-100),
    passReduction: z.enum(['sum', 'mean']).default('sum'),
  }),
);
export type LossOptions = z.input<typeof lossOptionsSchema>;

/** What must hold between the options of a model. */
function withModelRules<S extends zod.ZodType<{ embedDim: number; heads: number }>>(schema: S) {
  return schema
    .refine((model) => model.embedDim % model.heads === 0, {
      path: ['heads'],
      error: 'embedDim must be a multiple of heads',
    })
    .refine((model) => model.embedDim % 2 === 0, {
      path: ['embedDim'],
      error: 'embedDim must be even (sine and cosine halves)',
    });
}

interface SharedSizes {
  vocabSize: number;
  sourceVocabSize?: number | undefined;
  shareEmbeddings: string;
}

/** One matrix has one number of rows. */
const sharesOneSize = ({ vocabSize, sourceVocabSize = vocabSize, shareEmbeddings }: SharedSizes): boolean =>
  shareEmbeddings !== 'all' || sourceVocabSize === vocabSize;

const vocabularySize = () =>
  z
    .int()
    .min(5)
    .max(2 ** 24);

export const modelSchema = lazily(() =>
  withModelRules(
    z.strictObject({
      /** Dictionary types V, the four specials included: of both languages, or of the target. */
      vocabSize: vocabularySize(),
      /** Those of the source, where the languages have dictionaries of their own; left out, vocabSize. */
      sourceVocabSize: vocabularySize().optional(),
      embedDim: countTo(65_536).default(512),
      ffnDim: countTo(2 ** 20).default(1024),
      heads: countTo(4096).default(4),
      encoderLayers: countTo(1024).default(6),
      decoderLayers: countTo(1024).default(6),
      /** On embeddings and on residual branches. */
      dropout: dropoutRate.default(0.3),
      attentionDropout: dropoutRate.default(0),
      activationDropout: dropoutRate.default(0),
      norm: z.enum(['post', 'pre']).default('post'),
      activation: z.enum(['relu', 'gelu']).default('relu'),
      /** Which embedding matrices are one: source, target and output projection; target and output; or none. */
      shareEmbeddings: z.enum(['all', 'decoder', 'none']).default('all'),
      /** Longest sequence in tokens, eos included. */
      maxPositions: countTo(2 ** 20).default(1024),
    }),
  ).refine(sharesOneSize, {
    path: ['shareEmbeddings'],
    error: 'expected "decoder" or "none" where sourceVocabSize and vocabSize differ',
  }),
);
export type ModelConfig = z.infer<typeof modelSchema>;
export type ModelOptions = z.input<typeof modelSchema>;

export const runtimeSchema = lazily(() =>
  z.strictObject({
    seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
    /** auto: CUDA where a GPU can be used, else the CPU. */
    device: z.enum(['auto', 'cpu', 'cuda']).default('cpu'),
    /**
     * auto: bfloat16 on a GPU, float32 on a CPU. Master parameters, moments and gradients of parameters are float32 with
     * bfloat16 and float16; float16 (GPU) scales the loss as fairseq does, tf32 (GPU) rounds the factors of matrix products alone.
     */
    precision: z.enum(['auto', 'float32', 'float64', 'tf32', 'bfloat16', 'float16']).default('auto'),
  }),
);
export type RuntimeConfig = z.infer<typeof runtimeSchema>;
export type RuntimeOptions = z.input<typeof runtimeSchema>;

/** fairseq's Adam and inverse_sqrt schedule (fairseq/optim/adam.py, inverse_square_root_schedule.py). */
export const optimizerSchema = lazily(() =>
  z.strictObject({
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
  }),
);
export type OptimizerConfig = z.infer<typeof optimizerSchema>;

/** fairseq's beam search; the longest hypothesis has maxLenA·sourceLength + maxLenB tokens, eos not counted. */
export const beamSchema = lazily(() =>
  z
    .strictObject({
      beam: countTo(1024).default(5),
      /** The score of a hypothesis is its log-probability divided by length ** lengthPenalty. */
      lengthPenalty: z.number().default(1),
      maxLenA: nonNegative.default(0),
      maxLenB: z.int().min(0).default(200),
      minLen: count.default(1),
      nBest: count.default(1),
    })
    .refine((options) => options.nBest <= options.beam, {
      path: ['nBest'],
      error: 'nBest must not exceed beam',
    }),
);
export type BeamConfig = z.infer<typeof beamSchema>;
export type BeamOptions = z.input<typeof beamSchema>;

/** beamSchema where one translation is wanted: there nBest would have no effect, and is refused. */
export const beamSearchSchema = lazily(() =>
  z.strictObject({ ...beamSchema.shape, nBest: z.undefined().optional() }),
);
export type BeamSearchConfig = z.infer<typeof beamSearchSchema>;
export type BeamSearchOptions = z.input<typeof beamSearchSchema>;

/** Threads of libtorch; 0 takes every core. */
export const threadsSchema = lazily(() => z.int().min(0).max(1024).default(0));

export const batchPlanSchema = lazily(() =>
  z.strictObject({
    /** Largest batch: pairs × the longest side of any of them, eos included. */
    maxTokens: count.default(4096),
    /** A batch has fewer than this many pairs or a multiple of it. */
    multipleOf: count.default(8),
  }),
);

/** The model of a run: as modelSchema, without the sizes, which the dictionaries of the data give. */
export const runModelSchema = lazily(() =>
  withModelRules(
    z.strictObject({
      ...modelSchema.shape,
      vocabSize: z.undefined().optional(),
      sourceVocabSize: z.undefined().optional(),
    }),
  ),
);

export const overlongPolicies = ['refuse', 'truncate', 'skip'] as const;
/** What happens to a sentence that is too long for the model or a batch: an error, its first tokens, or nothing. */
export const overlongSchema = lazily(() => z.enum(overlongPolicies));
export type OverlongPolicy = z.infer<typeof overlongSchema>;

/** How lines become translations (lib/translation/translator.ts). */
export const translateSchema = lazily(() =>
  z.strictObject({
    /** What happens to a line longer than the model's maxPositions; skip gives an empty translation. */
    overlong: overlongSchema.default('refuse'),
    /** The file that the lines are from, for errors; left out, they are called lines. */
    name: z.string().min(1).optional(),
  }),
);

export const trainSchema = lazily(() =>
  z.strictObject({
    /** A directory made by `rdrop prepare`. */
    data: z.string().min(1),
    /** Where config.json, metrics, checkpoints and results go. */
    runDirectory: z.string().min(1),
    seed: runtimeSchema.shape.seed,
    device: runtimeSchema.shape.device.unwrap().default('auto'),
    precision: runtimeSchema.shape.precision,
    /** Threads of libtorch; 0 takes every core. Bit-identical runs need the same number. */
    threads: threadsSchema,
    model: runModelSchema.prefault({}),
    loss: lossSchema.prefault({}),
    optimizer: optimizerSchema.prefault({}),
    batches: batchPlanSchema
      .extend({
        /** Batches whose gradients are added up before one update. */
        accumulate: count.default(1),
      })
      .prefault({}),
    /**
     * What happens to sentences longer than model.maxPositions, and in training than batches.maxTokens. Left out: refuse. skip
     * leaves pairs out of training and of the validation's loss; what is not translated then counts as an empty translation.
     */
    overlong: overlongSchema.optional(),
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
        /** The metric that picks the best checkpoint. 'loss' leaves out the beam search. */
        metric: z.enum(['bleu', 'loss']).default('bleu'),
        /**
         * raw: BLEU against the untouched text. fairseq: as --eval-bleu --eval-bleu-detok moses computes it, against the
         * reference's tokens put together again, rounded to two decimals; of equal ones the later is the best.
         */
        bleu: z.enum(['raw', 'fairseq']).default('raw'),
        /** Validations without improvement after which training ends; 0 never does. */
        patience: z.int().min(0).default(0),
        beam: beamSearchSchema.prefault({ maxLenA: 1.2, maxLenB: 10 }),
      })
      .prefault({}),
    /** The beam search on the test split once training has ended. */
    test: z.strictObject({ beam: beamSearchSchema.prefault({}) }).prefault({}),
    /** Updates between two checkpoints besides those of validation; 0 makes none. */
    checkpointInterval: z.int().min(0).default(0),
  }),
);
export type TrainConfig = z.infer<typeof trainSchema>;

/** How a directory is taken that another process holds; no part of what is done in it. */
export const lockSchema = lazily(() =>
  z.strictObject({
    /** Takes the directory over: its holder stops with RUN_LOST before its next write. */
    unlock: z.boolean().default(false),
  }),
);
export type LockConfig = z.input<typeof lockSchema>;

/** false: continues where a file is not the one that a manifest or a checkpoint names. */
export const verifyOption = lazily(() => z.boolean().default(true));

/** Opening of a run directory to write to it. */
export const openSchema = lazily(() =>
  z.strictObject({
    ...lockSchema.shape,
    verify: verifyOption,
  }),
);
export type OpenConfig = z.input<typeof openSchema>;

export type TrainOptions = z.input<typeof trainSchema>;
