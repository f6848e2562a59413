/** Benchmarks: `rdrop bench`. */
import { count, countTo } from './ranges.js';
import { klDirections, overlongSchema, runtimeSchema, threadsSchema } from './training.js';
import { lazily, z } from './zod.js';

export const benchSuites = ['loss', 'step', 'epoch', 'decode', 'load'] as const;
export type BenchSuite = (typeof benchSuites)[number];

/** The steps that can be measured: a model and a batch of `pairs` × (source + target) tokens. */
export const benchShapes = ['iwslt14-16x24', 'iwslt14-48x30', 'multi30k-64x16', 'tiny-32x12'] as const;
export type BenchShape = (typeof benchShapes)[number];

export const benchPeers = ['eager', 'compile'] as const;
export type BenchPeer = (typeof benchPeers)[number];

/** How often each suite measures where `rounds` is left out: an epoch's rounds are long, and its batches many. */
export const usualRounds: Record<BenchSuite, number> = { loss: 9, step: 9, epoch: 1, decode: 3, load: 9 };

const eachOnce = (values: readonly string[]) => new Set(values).size === values.length;

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

export const benchSchema = lazily(() =>
  z.strictObject({
    suites: z
      .array(z.enum(benchSuites))
      .min(1)
      .refine(eachOnce, { error: 'expected each suite once' })
      .default([...benchSuites]),
    /** Of the suite `step`; left out, all of them. */
    shape: z.enum(benchShapes).optional(),
    /** Of training steps and epochs. bfloat16 is compared with eager float32 as well. */
    precision: z.enum(['float32', 'bfloat16']).default('float32'),
    /** Of training steps; an epoch is measured in uni and bi, the loss in all three. */
    direction: z.enum(klDirections).default('uni'),
    /** Threads of both sides; 0 takes every core. */
    threads: threadsSchema,
    /** Pairs of measurements, one of ours and one of theirs; left out, the usual number of the suite. */
    rounds: count.optional(),
    /** Batches of an epoch that are measured. */
    batches: z.int().min(3).max(1102).default(12),
    seed: runtimeSchema.shape.seed,
    /** compile: torch.compile, which takes minutes to begin. */
    peers: z
      .array(z.enum(benchPeers))
      .min(1)
      .refine(eachOnce, { error: 'expected each peer once' })
      .default(['eager']),
    /** A Python that has torch; left out, RDROP_PYTHON, then python3. */
    peerPython: z.string().min(1).optional(),
    /** The run directory that `decode` translates with. */
    run: z.string().min(1).optional(),
    /** Hypotheses kept by `decode`. */
    beam: countTo(1024).default(5),
    /** Sentences of the run's test split, or without one its validation split, that `decode` translates. */
    sentences: count.default(200),
    /** What happens to those longer than the run's maxPositions. Left out: refuse. */
    overlong: overlongSchema.optional(),
    /** Tiny shapes: whether everything runs, not how fast. */
    quick: z.boolean().default(false),
    /** The rows are appended to <suite>.csv in this directory. */
    results: z.string().min(1).optional(),
  }),
);
export type BenchConfig = z.infer<typeof benchSchema>;
export type BenchOptions = z.input<typeof benchSchema>;
