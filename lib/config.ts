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
      /**
       * raw: BLEU against the untouched text. fairseq: as --eval-bleu --eval-bleu-detok moses computes it, against the
       * reference's tokens put together again, rounded to two decimals; of equal ones the later is the best.
       */
      bleu: z.enum(['raw', 'fairseq']).default('raw'),
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
  /** true: before everything else; 'after': the tokens, as the recipes of IWSLT do. */
  lowercase: z
    .union([z.boolean(), z.literal('after')], { error: 'expected true, false or "after"' })
    .default(false),
  /** Merges of the byte pair encoding, learned on both languages together; 0 leaves words whole. */
  bpe: z.int().min(0).max(1_000_000).default(10_000),
});
export type TextConfig = z.infer<typeof textSchema>;

/** The flags of Moses's tokenizer.perl. */
export const tokenizeSchema = z.strictObject({
  /** Writes & | < > ' " [ ] as entities (the script's default). */
  escape: z.boolean().default(true),
  /** A hyphen between letters or digits becomes the token @-@ (-a). */
  aggressive: z.boolean().default(false),
  /** Regular expressions of Perl; what they match stays one token (-protected). */
  protectedPatterns: z.array(z.string().min(1)).default([]),
  /** A line that is one tag comes back as it is (-x). */
  skipXml: z.boolean().default(false),
});
export type TokenizeOptions = z.input<typeof tokenizeSchema>;

/** The flag of Moses's detokenizer.perl. */
export const mosesDetokenizeSchema = z.strictObject({
  /** Writes the first letter in upper case (-u). */
  uppercase: z.boolean().default(false),
});
export type MosesDetokenizeOptions = z.input<typeof mosesDetokenizeSchema>;

export const detokenizeSchema = z
  .strictObject({
    /** moses: the rules of detokenizer.perl; sacremoses: those of its port to Python, which fairseq calls. */
    as: z.enum(['moses', 'sacremoses']).default('moses'),
    ...mosesDetokenizeSchema.shape,
  })
  .refine((options) => options.as === 'moses' || !options.uppercase, {
    path: ['uppercase'],
    error: 'sacremoses has no such option',
  });

/** The flag of Moses's normalize-punctuation.perl. */
export const normalizeSchema = z.strictObject({
  /** Leaves ` and '' as they are (-penn). */
  penn: z.boolean().default(false),
});
export type NormalizeOptions = z.input<typeof normalizeSchema>;

/** The flags of subword-nmt's learn_bpe.py. */
export const bpeSchema = z.strictObject({
  /** Most merges to learn. */
  merges: count.max(1_000_000).default(10_000),
  /** Learning ends when no pair of symbols occurs this often any more (subword-nmt). */
  minFrequency: count.default(2),
  /** Counts the characters of the text among the merges, so that merges is about the number of symbols. */
  totalSymbols: z.boolean().default(false),
  /** The input is one "word count" a line instead of text. */
  dictInput: z.boolean().default(false),
});
export type BpeOptions = z.input<typeof bpeSchema>;

/** The flags of subword-nmt's apply_bpe.py. */
export const bpeApplySchema = z
  .strictObject({
    /** How many of the merges to apply, the first ones; all when left out. */
    merges: z.int().min(0).optional(),
    /** Marks a piece that the next one continues. */
    separator: z.string().min(1).default('@@'),
    /** A file of `rdrop bpe vocabulary`: merges that give other pieces are undone. */
    vocabulary: z.string().min(1).optional(),
    /** Pieces of the vocabulary that occur less often do not count. */
    vocabularyThreshold: z.int().min(0).optional(),
    /** Words or regular expressions of Python that are never split. */
    glossaries: z.array(z.string().min(1)).default([]),
  })
  .refine((options) => options.vocabularyThreshold === undefined || options.vocabulary !== undefined, {
    path: ['vocabularyThreshold'],
    error: 'expected together with vocabulary',
  });
export type BpeApplyOptions = z.input<typeof bpeApplySchema>;

/** The dictionary of fairseq-preprocess. */
export const dictionarySchema = z.strictObject({
  /** Types that occur less often are left out (--thresholdsrc, --thresholdtgt). */
  threshold: z.int().min(0).default(0),
  /** Most types, the four specials included and the filling not; 0 sets no limit (--nwordssrc, --nwordstgt). */
  nwords: z.int().min(0).default(0),
  /** The dictionary is filled up to a multiple of this. */
  paddingFactor: count.default(8),
});
export type DictionaryOptions = z.input<typeof dictionarySchema>;

/** From tokens to a prepared directory: what every recipe shares. */
const preparedShape = {
  /** The directory to make. */
  out: z.string().min(1),
  /** Replaces a prepared directory that is there already. */
  overwrite: z.boolean().default(false),
  minFrequency: bpeSchema.shape.minFrequency,
  /** BPE codes to use instead of learning some (subword-nmt's format). */
  codes: z.string().min(1).optional(),
  ...dictionarySchema.shape,
  /** A dict.txt to use instead of building one (fairseq's --srcdict). */
  dictionary: z.string().min(1).optional(),
};

export const prepareSchema = z.strictObject({
  ...textSchema.shape,
  /** Prefixes of the parallel files: <prefix>.<language>, plain or with .gz behind it. */
  train: z.string().min(1),
  valid: z.string().min(1),
  test: z.string().min(1).optional(),
  ...preparedShape,
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

/** fairseq's prepare-iwslt14.sh and the fairseq-preprocess behind it. */
export const iwslt14Schema = z.strictObject({
  /** de-en.tgz, or the directory de-en that was in it. */
  archive: z.string().min(1),
  bpe: textSchema.shape.bpe,
  ...preparedShape,
});
export type Iwslt14Config = z.infer<typeof iwslt14Schema>;
export type Iwslt14Options = z.input<typeof iwslt14Schema>;

/** Options of preparing that have no effect beside a file that takes their place. */
const replacedOptions = {
  codes: ['bpe', 'minFrequency'],
  dictionary: ['threshold', 'nwords', 'paddingFactor'],
} as const;

/**
 * Refuses options that a given file of codes or dictionary leaves without effect.
 *
 * @throws RdropError INVALID_CONFIG, naming both.
 */
export function refuseReplaced(options: object, what: string): void {
  const given = options as Record<string, unknown>;
  for (const [file, names] of Object.entries(replacedOptions)) {
    const idle = names.find((name) => given[file] !== undefined && given[name] !== undefined);
    if (idle !== undefined) {
      throw new RdropError('INVALID_CONFIG', `${what}.${idle}: has no effect where ${what}.${file} is given`);
    }
  }
}

/** sacreBLEU's options of BLEU, with its defaults. */
export const bleuSchema = z
  .strictObject({
    tokenize: z.enum(['13a', 'none', 'intl', 'char']).default('13a'),
    lowercase: z.boolean().default(false),
    /** What stands in for a precision of an order without matches (Chen and Cherry 2014). */
    smoothMethod: z.enum(['exp', 'floor', 'add-k', 'none']).default('exp'),
    /** The constant of floor (0.1 where it is left out) and of add-k (1). */
    smoothValue: nonNegative.optional(),
    maxNgramOrder: count.max(100).default(4),
    /** Leaves out the orders that the hypotheses are too short for; meant for single sentences. */
    effectiveOrder: z.boolean().default(false),
  })
  .refine((bleu) => bleu.smoothValue === undefined || ['floor', 'add-k'].includes(bleu.smoothMethod), {
    path: ['smoothValue'],
    error: 'only the smooth methods floor and add-k have a value',
  });
export type BleuConfig = z.infer<typeof bleuSchema>;
export type BleuOptions = z.input<typeof bleuSchema>;

/** sacreBLEU's options of chrF, with its defaults; wordOrder 2 makes chrF++. */
export const chrfSchema = z.strictObject({
  charOrder: count.max(100).default(6),
  wordOrder: z.int().min(0).max(100).default(0),
  /** How many times more recall counts than precision. */
  beta: count.max(1000).default(2),
  lowercase: z.boolean().default(false),
  /** Whether white space belongs to the character n-grams. */
  whitespace: z.boolean().default(false),
  /** The smoothing of chrF++.py, NLTK and Moses instead of leaving out the orders that one side is too short for. */
  epsSmoothing: z.boolean().default(false),
});
export type ChrfConfig = z.infer<typeof chrfSchema>;
export type ChrfOptions = z.input<typeof chrfSchema>;

/** sacreBLEU's options of TER, with its defaults, which are Tercom's. */
export const terSchema = z
  .strictObject({
    normalized: z.boolean().default(false),
    noPunct: z.boolean().default(false),
    asianSupport: z.boolean().default(false),
    caseSensitive: z.boolean().default(false),
  })
  .refine((ter) => !ter.asianSupport || ter.normalized || ter.noPunct, {
    path: ['asianSupport'],
    error: 'has an effect only with normalized or noPunct',
  });
export type TerConfig = z.infer<typeof terSchema>;
export type TerOptions = z.input<typeof terSchema>;

/** The options of fairseq-score, and the splitting of compounds that its callers do first. */
export const fairseqScoreSchema = z.strictObject({
  order: count.max(4).default(4),
  ignoreCase: z.boolean().default(false),
  /** Both sides go through the substitution of compound_split_bleu.sh first. */
  compoundSplit: z.boolean().default(false),
});
export type FairseqScoreConfig = z.infer<typeof fairseqScoreSchema>;
export type FairseqScoreOptions = z.input<typeof fairseqScoreSchema>;

export const metricFamilies = ['bleu', 'chrf', 'ter', 'fairseq'] as const;
export type MetricFamily = (typeof metricFamilies)[number];

/** sacreBLEU's bootstrap over sentences: the interval of one system, and the paired test. */
export const sentenceBootstrapSchema = z.strictObject({
  samples: count.max(10_000_000).default(1000),
  /** Of numpy's default generator. */
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(12345),
});
export type SentenceBootstrapOptions = z.input<typeof sentenceBootstrapSchema>;

/** sacreBLEU's paired approximate randomisation. */
export const randomisationSchema = z.strictObject({
  samples: count.max(10_000_000).default(10_000),
  seed: sentenceBootstrapSchema.shape.seed,
  /** Resamples of the bootstrap that gives both scores an interval; 0 leaves it out. */
  confidenceSamples: z.int().min(0).max(10_000_000).default(0),
});
export type RandomisationOptions = z.input<typeof randomisationSchema>;

/** The paired tests over sentences that `rdrop score --paired` names. */
export const pairedTests = ['bootstrap', 'randomisation', 'both'] as const;
export type PairedTest = (typeof pairedTests)[number];

/** What scoreAll and `rdrop score` show. */
export const scoreTableSchema = z.strictObject({
  /** Compares lower-cased text (TER always does). */
  lowercase: z.boolean().default(false),
  /** Left out, all that apply to the texts given. */
  metrics: z.array(z.enum(metricFamilies)).min(1).optional(),
  /** fairseq-score with compounds split (true) or whole (false) alone; left out, both ways. */
  compoundSplit: z.boolean().optional(),
});
export type ScoreTableOptions = z.input<typeof scoreTableSchema>;

/** The percentile bootstrap of a difference of means (lib/experiment/statistics.ts). */
export const bootstrapSchema = z.strictObject({
  samples: count.max(10_000_000).default(10_000),
  /** Share of the resampled differences inside the interval. */
  level: z.number().gt(0).lt(1).default(0.95),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
});
export type BootstrapConfig = z.infer<typeof bootstrapSchema>;
export type BootstrapOptions = z.input<typeof bootstrapSchema>;

/** Exact intervals of effect sizes and shifts (lib/experiment/effect_sizes.ts, shift.ts). */
export const intervalSchema = z.strictObject({
  /** Confidence of the interval. */
  level: bootstrapSchema.shape.level,
});
export type IntervalOptions = z.input<typeof intervalSchema>;

export const alternatives = ['two-sided', 'less', 'greater'] as const;
/** What a test looks for: a difference, or that the first sample tends to be smaller or larger. */
export type Alternative = (typeof alternatives)[number];

export const rankTestSchema = z.strictObject({ alternative: z.enum(alternatives).default('two-sided') });
export type RankTestOptions = z.input<typeof rankTestSchema>;

/** Everything about two arms, or about each pair of several (lib/experiment/statistics.ts). */
export const comparisonSchema = z.strictObject({
  ...bootstrapSchema.shape,
  /** Of the rank tests; intervals stay two-sided. */
  alternative: rankTestSchema.shape.alternative,
});
export type ComparisonOptions = z.input<typeof comparisonSchema>;

export const plannedTests = ['rank-sum', 'signed-rank', 't', 'paired-t'] as const;
export type PlannedTest = (typeof plannedTests)[number];
const pairedPlannedTests: readonly PlannedTest[] = ['signed-rank', 'paired-t'];

/** The power of a comparison that has not been run yet (lib/experiment/planned_power.ts). */
export const plannedPowerSchema = z
  .strictObject({
    runsPerArm: count.max(100),
    /** The true difference of two arms' means, in standard deviations of a run. */
    effectSize: z.number(),
    test: z.enum(plannedTests).default('rank-sum'),
    alternative: rankTestSchema.shape.alternative,
    /** The chance of a false rejection that is accepted; a test rejects with p ≤ α. */
    alpha: z.number().gt(0).lt(1).default(0.05),
    /** Each pair of arms is a test; α is divided by their number, as in the first step of Holm's correction. */
    arms: z.int().min(2).max(20).default(2),
    /** Of the two runs of a seed, for the paired tests. */
    correlation: z.number().gt(-1).lt(1).default(0),
    /** The power for which the fewest runs are sought. */
    targetPower: z.number().gt(0).lt(1).default(0.8),
    /** Comparisons drawn for a rank test; the power of a t test needs none. */
    simulations: count.max(1_000_000).default(10_000),
    seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
    /** How long a run takes, for the cost in hours. */
    hoursPerRun: positive.optional(),
  })
  .refine(({ test, correlation }) => correlation === 0 || pairedPlannedTests.includes(test), {
    path: ['correlation'],
    error: `expected 0 unless the test is ${pairedPlannedTests.join(' or ')}`,
  });
export type PlannedPowerOptions = z.input<typeof plannedPowerSchema>;

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

/** `lossSchema` without the direction, which the experiment compares; what is left out is that of the run. */
const theoryLossSchema = z.strictObject({
  alpha: lossSchema.shape.alpha.unwrap().optional(),
  labelSmoothing: lossSchema.shape.labelSmoothing.unwrap().optional(),
  passReduction: lossSchema.shape.passReduction.unwrap().optional(),
});

/** Section 3 of the paper as an experiment (lib/experiment/theory.ts): a run or a fresh model, and mask pairs. */
export const theorySchema = z
  .strictObject({
    run: z
      .strictObject({
        directory: z.string().min(1),
        /** initial: the parameters with which the run began. */
        checkpoint: z.enum(['best', 'last', 'initial']).default('best'),
      })
      .optional(),
    /** A freshly initialised model instead of a run's. */
    model: runModelSchema.optional(),
    /** A prepared directory; left out, that of the run. */
    data: z.string().min(1).optional(),
    split: z.enum(['train', 'valid', 'test']).default('valid'),
    /** Batches of the split, drawn with the seed and held fixed. */
    batches: count.default(4),
    /** Size of a batch: pairs × the longest side of any of them, eos included. */
    maxTokens: count.default(1024),
    /** Pairs of masks that each batch is passed under. */
    pairs: z.int().min(4).max(1_000_000).default(50),
    loss: theoryLossSchema.prefault({}),
    /** Of every interval. */
    level: z.number().gt(0).lt(1).default(0.95),
    /** Random signs drawn for the randomisation test. */
    samples: count.max(10_000_000).default(10_000),
    /** Of the masks, of the choice of batches, of the signs, and of a fresh model's initialisation. */
    seed: runtimeSchema.shape.seed,
    device: runtimeSchema.shape.device,
    precision: runtimeSchema.shape.precision,
    /** Threads of libtorch; 0 takes every core. */
    threads: z.int().min(0).max(1024).default(0),
  })
  .refine((options) => (options.run === undefined) !== (options.model === undefined), {
    path: ['run'],
    error: 'expected either a run or a model to initialise, not both',
  })
  .refine((options) => options.run !== undefined || options.data !== undefined, {
    path: ['data'],
    error: 'expected a prepared directory where no run names one',
  });
export type TheoryConfig = z.infer<typeof theorySchema>;
export type TheoryOptions = z.input<typeof theorySchema>;

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
