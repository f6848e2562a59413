/** Figures of translations, and tests over sentences. */
import { countTo, nonNegative } from './ranges.js';
import { lazily, z } from './zod.js';

/** sacreBLEU's options of BLEU, with its defaults. */
export const bleuSchema = lazily(() =>
  z
    .strictObject({
      tokenize: z.enum(['13a', 'none', 'intl', 'char']).default('13a'),
      lowercase: z.boolean().default(false),
      /** What stands in for a precision of an order without matches (Chen and Cherry 2014). */
      smoothMethod: z.enum(['exp', 'floor', 'add-k', 'none']).default('exp'),
      /** The constant of floor (0.1 where it is left out) and of add-k (1). */
      smoothValue: nonNegative.optional(),
      maxNgramOrder: countTo(100).default(4),
      /** Leaves out the orders that the hypotheses are too short for; meant for single sentences. */
      effectiveOrder: z.boolean().default(false),
    })
    .refine((bleu) => bleu.smoothValue === undefined || ['floor', 'add-k'].includes(bleu.smoothMethod), {
      path: ['smoothValue'],
      error: 'only the smooth methods floor and add-k have a value',
    }),
);
export type BleuConfig = z.infer<typeof bleuSchema>;
export type BleuOptions = z.input<typeof bleuSchema>;

/** sacreBLEU's options of chrF, with its defaults; wordOrder 2 makes chrF++. */
export const chrfSchema = lazily(() =>
  z.strictObject({
    charOrder: countTo(100).default(6),
    wordOrder: z.int().min(0).max(100).default(0),
    /** How many times more recall counts than precision. */
    beta: countTo(1000).default(2),
    lowercase: z.boolean().default(false),
    /** Whether white space belongs to the character n-grams. */
    whitespace: z.boolean().default(false),
    /** The smoothing of chrF++.py, NLTK and Moses instead of leaving out the orders that one side is too short for. */
    epsSmoothing: z.boolean().default(false),
  }),
);
export type ChrfConfig = z.infer<typeof chrfSchema>;
export type ChrfOptions = z.input<typeof chrfSchema>;

/** sacreBLEU's options of TER, with its defaults, which are Tercom's. */
export const terSchema = lazily(() =>
  z
    .strictObject({
      normalized: z.boolean().default(false),
      noPunct: z.boolean().default(false),
      asianSupport: z.boolean().default(false),
      caseSensitive: z.boolean().default(false),
    })
    .refine((ter) => !ter.asianSupport || ter.normalized || ter.noPunct, {
      path: ['asianSupport'],
      error: 'has an effect only with normalized or noPunct',
    }),
);
export type TerConfig = z.infer<typeof terSchema>;
export type TerOptions = z.input<typeof terSchema>;

/** The options of fairseq-score, and the splitting of compounds that its callers do first. */
export const fairseqScoreSchema = lazily(() =>
  z.strictObject({
    order: countTo(4).default(4),
    ignoreCase: z.boolean().default(false),
    /** Both sides go through the substitution of compound_split_bleu.sh first. */
    compoundSplit: z.boolean().default(false),
  }),
);
export type FairseqScoreConfig = z.infer<typeof fairseqScoreSchema>;
export type FairseqScoreOptions = z.input<typeof fairseqScoreSchema>;

export const metricFamilies = ['bleu', 'chrf', 'ter', 'fairseq'] as const;
export type MetricFamily = (typeof metricFamilies)[number];

/** sacreBLEU's bootstrap over sentences: the interval of one system, and the paired test. */
export const sentenceBootstrapSchema = lazily(() =>
  z.strictObject({
    samples: countTo(10_000_000).default(1000),
    /** Of numpy's default generator. */
    seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(12345),
  }),
);
export type SentenceBootstrapOptions = z.input<typeof sentenceBootstrapSchema>;

/** sacreBLEU's paired approximate randomization. */
export const randomisationSchema = lazily(() =>
  z.strictObject({
    samples: countTo(10_000_000).default(10_000),
    seed: sentenceBootstrapSchema.shape.seed,
    /** Resamples of the bootstrap that gives both scores an interval; 0 leaves it out. */
    confidenceSamples: z.int().min(0).max(10_000_000).default(0),
  }),
);
export type RandomisationOptions = z.input<typeof randomisationSchema>;

/** The paired tests over sentences that `rdrop score --paired` names. */
export const pairedTests = ['bootstrap', 'randomization', 'both'] as const;
export type PairedTest = (typeof pairedTests)[number];

/** What scoreTable and `rdrop score` show. */
export const scoreTableSchema = lazily(() =>
  z.strictObject({
    /** Compares lower-cased text (TER always does). */
    lowercase: z.boolean().default(false),
    /** Left out, all that apply to the texts given. */
    metrics: z.array(z.enum(metricFamilies)).min(1).optional(),
    /** fairseq-score with compounds split (true) or whole (false) alone; left out, both ways. */
    compoundSplit: z.boolean().optional(),
  }),
);
export type ScoreTableOptions = z.input<typeof scoreTableSchema>;
