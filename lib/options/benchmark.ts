/** Benchmarks: `rdrop bench`. */
import * as z from 'zod';
import { type KlDirection, klDirections } from './loss.js';
import { runtimeSchema, type ThreadsOptions, threadsSchema } from './runtime.js';
import { documented, type Resolved } from './schema/documented.js';
import { count, countTo, distinct, text } from './schema/ranges.js';
import { type OverlongPolicy, overlongSchema } from './translation.js';

export const benchSuites = ['loss', 'step', 'epoch', 'decode', 'load'] as const;
export type BenchSuite = (typeof benchSuites)[number];

/**
 * The steps that can be measured. Translation: a model and a batch of `pairs` × (source + target) tokens. Language model: `gpt-4x128` is
 * 4 layers of 128, 12 blocks of 64 characters; `gpt-6x384` 6 layers of 384, 8 blocks of 256. Classifier: `encoder-2x128` is 2 layers of
 * 128, 64 questions; `bert-base-8x64` BERT's base model, 8 sequences of 64 tokens.
 */
export const benchShapes = [
  'iwslt14-16x24',
  'iwslt14-48x30',
  'multi30k-64x16',
  'tiny-32x12',
  'gpt-4x128',
  'gpt-6x384',
  'encoder-2x128',
  'bert-base-8x64',
] as const;
export type BenchShape = (typeof benchShapes)[number];

export const benchPeers = ['eager', 'compile'] as const;
export type BenchPeer = (typeof benchPeers)[number];

/** How often each suite measures where `rounds` is left out: an epoch's rounds are long, and its batches many. */
export const usualRounds: Record<BenchSuite, number> = { loss: 9, step: 9, epoch: 1, decode: 3, load: 9 };

/** Which suites are measured, on what, and beside whom. */
export interface BenchOptions extends ThreadsOptions {
  /**
   * Which suites, each once; `decode` needs `run`.
   * @default ["loss","step","epoch","decode","load"]
   */
  suites?: BenchSuite[] | undefined;
  /** Of the suite `step`: the model and batch to measure. Left out: all of them. */
  shape?: BenchShape | undefined;
  /**
   * Of training and translation; `bfloat16` is compared with eager float32 as well.
   * @default "float32"
   */
  precision?: 'float32' | 'bfloat16' | undefined;
  /**
   * Of the suite `step`; an epoch is measured in uni and bi, the loss in all three.
   * @default "uni"
   */
  direction?: KlDirection | undefined;
  /**
   * Pairs of measurements, one of ours and one of the peer's. Left out: 9, but 1 of `epoch` and 3 of `decode`.
   * @range 1 or more
   */
  rounds?: number | undefined;
  /**
   * Of the suite `epoch`: batches that are measured.
   * @default 12
   * @range 3 to 1,102
   */
  batches?: number | undefined;
  /**
   * Seed of parameters, tokens and masks.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
  /**
   * What is measured beside us, each once. `eager`: PyTorch. `compile`: torch.compile, which takes minutes to begin.
   * @default ["eager"]
   */
  peers?: BenchPeer[] | undefined;
  /** A Python that has torch. Left out: `RDROP_PYTHON`, then python3. */
  peerPython?: string | undefined;
  /** Of the suite `decode`: the run directory to translate with. Left out: `decode` is not measured. */
  run?: string | undefined;
  /**
   * Of the suite `decode`: hypotheses kept at each step.
   * @default 5
   * @range 1 to 1,024
   */
  beam?: number | undefined;
  /**
   * Of the suite `decode`: sentences of the run's test split, or without one its validation split.
   * @default 200
   * @range 1 or more
   */
  sentences?: number | undefined;
  /**
   * Of the suite `decode`: sentences longer than the run's `maxPositions` are an error (`refuse`), cut (`truncate`) or left out
   * (`skip`). Left out: `refuse`.
   */
  overlong?: OverlongPolicy | undefined;
  /**
   * Tiny shapes: whether everything runs, not how fast.
   * @default false
   */
  quick?: boolean | undefined;
  /** A directory; the rows are appended to `<suite>.csv` there. Left out: nothing is written. */
  results?: string | undefined;
}

/** The options that only some suites have; the others belong to all. */
export const suitesOfOption: Partial<Record<string, readonly BenchSuite[]>> = {
  shape: ['step'],
  precision: ['step', 'epoch', 'decode'],
  direction: ['step'],
  threads: ['loss', 'step', 'epoch', 'decode'],
  batches: ['epoch'],
  peers: ['loss', 'step', 'epoch'],
  run: ['decode'],
  beam: ['decode'],
  sentences: ['decode'],
  overlong: ['decode'],
};

/** The options whose sizes `quick` sets. */
export const optionsOfQuick = ['shape', 'batches', 'sentences'] as const;

export const benchSchema = documented<BenchOptions>()(
  z.strictObject({
    suites: z
      .array(z.enum(benchSuites))
      .min(1)
      .refine(distinct, { error: 'expected each suite once' })
      .default([...benchSuites]),
    shape: z.enum(benchShapes).optional(),
    precision: z.enum(['float32', 'bfloat16']).default('float32'),
    direction: z.enum(klDirections).default('uni'),
    threads: threadsSchema,
    rounds: count.optional(),
    batches: z.int().min(3).max(1102).default(12),
    seed: runtimeSchema.shape.seed,
    peers: z
      .array(z.enum(benchPeers))
      .min(1)
      .refine(distinct, { error: 'expected each peer once' })
      .default(['eager']),
    peerPython: text.optional(),
    run: text.optional(),
    beam: countTo(1024).default(5),
    sentences: count.default(200),
    overlong: overlongSchema.optional(),
    quick: z.boolean().default(false),
    results: text.optional(),
  }),
);
export type BenchConfig = Resolved<BenchOptions, z.output<typeof benchSchema>>;
