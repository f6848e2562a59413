/** Metrics of translations, and tests over sentences. */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { countTo, nonNegative, seed } from './schema/ranges.js';

/** sacreBLEU's options of BLEU, with its defaults. */
export interface BleuOptions {
  /**
   * sacreBLEU's tokenizer: `13a` (mteval-v13a), `none`, `intl` or `char`.
   * @default "13a"
   */
  tokenize?: '13a' | 'none' | 'intl' | 'char' | undefined;
  /**
   * Compares lower-cased text.
   * @default false
   */
  lowercase?: boolean | undefined;
  /**
   * What stands in for the precision of an order without matches (Chen and Cherry 2014).
   * @default "exp"
   */
  smoothMethod?: 'exp' | 'floor' | 'add-k' | 'none' | undefined;
  /**
   * The constant of `floor` and `add-k`. Left out: 0.1 for `floor`, 1 for `add-k`.
   * @range 0 or more
   */
  smoothValue?: number | undefined;
  /**
   * Length of the longest n-grams. sacreBLEU's signature does not name it.
   * @default 4
   * @range 1 to 100
   */
  maxNgramOrder?: number | undefined;
  /**
   * Leaves out the orders that the hypotheses are too short for; meant for single sentences.
   * @default false
   */
  effectiveOrder?: boolean | undefined;
}

/** sacreBLEU's options of chrF, with its defaults; `wordOrder` 2 makes chrF++. */
export interface ChrfOptions {
  /**
   * Length of the longest character n-grams.
   * @default 6
   * @range 1 to 100
   */
  charOrder?: number | undefined;
  /**
   * Length of the longest word n-grams; 2 makes chrF++.
   * @default 0
   * @range 0 to 100
   */
  wordOrder?: number | undefined;
  /**
   * How many times more recall counts than precision.
   * @default 2
   * @range 1 to 1,000
   */
  beta?: number | undefined;
  /**
   * Compares lower-cased text.
   * @default false
   */
  lowercase?: boolean | undefined;
  /**
   * Whether white space belongs to the character n-grams.
   * @default false
   */
  whitespace?: boolean | undefined;
  /**
   * The smoothing of chrF++.py, NLTK and Moses instead of leaving out the orders that one side is too short for.
   * @default false
   */
  epsSmoothing?: boolean | undefined;
}

/** sacreBLEU's options of TER, with its defaults, which are Tercom's. */
export interface TerOptions {
  /**
   * Resolves entities and sets punctuation apart.
   * @default false
   */
  normalized?: boolean | undefined;
  /**
   * Removes punctuation.
   * @default false
   */
  noPunct?: boolean | undefined;
  /**
   * One token a CJK character (with `normalized`), CJK punctuation too (with `noPunct`).
   * @default false
   */
  asianSupport?: boolean | undefined;
  /**
   * Compares the text as it is, not lower-cased.
   * @default false
   */
  caseSensitive?: boolean | undefined;
}

/** The options of fairseq-score, and the splitting of compounds before it. */
export interface FairseqScoreOptions {
  /**
   * Length of the longest n-grams.
   * @default 4
   * @range 1 to 4
   */
  order?: number | undefined;
  /**
   * Compares lower-cased text.
   * @default false
   */
  ignoreCase?: boolean | undefined;
  /**
   * Splits compounds at hyphens on both sides first, as compound_split_bleu.sh does.
   * @default false
   */
  compoundSplit?: boolean | undefined;
}

export const metricFamilies = ['bleu', 'chrf', 'ter', 'fairseq'] as const;
/** A kind of metric. */
export type MetricFamily = (typeof metricFamilies)[number];

/** sacreBLEU's bootstrap over sentences: the interval of one system, and the paired test. */
export interface SentenceBootstrapOptions {
  /**
   * Resamples of the sentences.
   * @default 1000
   * @range 1 to 10,000,000
   */
  samples?: number | undefined;
  /**
   * Seed of numpy's default generator; the default is sacreBLEU's.
   * @default 12345
   * @range 0 or more
   */
  seed?: number | undefined;
}

/** sacreBLEU's paired approximate randomization. */
export interface RandomizationOptions {
  /**
   * Random exchanges of the two systems' sentences.
   * @default 10000
   * @range 1 to 10,000,000
   */
  samples?: number | undefined;
  /**
   * Seed of numpy's default generator; the default is sacreBLEU's.
   * @default 12345
   * @range 0 or more
   */
  seed?: number | undefined;
  /**
   * Resamples of the bootstrap that gives both scores an interval; 0 leaves it out.
   * @default 0
   * @range 0 to 10,000,000
   */
  confidenceSamples?: number | undefined;
}

/** The paired tests over sentences that `rdrop score --paired` names. */
export const pairedTests = ['bootstrap', 'randomization', 'both'] as const;
export type PairedTest = (typeof pairedTests)[number];

/** What `scoreTable` and `rdrop score` show. */
export interface ScoreTableOptions {
  /**
   * Compares lower-cased text (TER always does).
   * @default false
   */
  lowercase?: boolean | undefined;
  /** The kinds of metrics. Left out: all that apply to the texts given. */
  metrics?: MetricFamily[] | undefined;
  /** fairseq-score with compounds split (`true`) or whole (`false`) alone. Left out: both ways. */
  compoundSplit?: boolean | undefined;
}

export const bleuSchema = documented<BleuOptions>()(
  z
    .strictObject({
      tokenize: z.enum(['13a', 'none', 'intl', 'char']).default('13a'),
      lowercase: z.boolean().default(false),
      smoothMethod: z.enum(['exp', 'floor', 'add-k', 'none']).default('exp'),
      smoothValue: nonNegative.optional(),
      maxNgramOrder: countTo(100).default(4),
      effectiveOrder: z.boolean().default(false),
    })
    .refine((bleu) => bleu.smoothValue === undefined || ['floor', 'add-k'].includes(bleu.smoothMethod), {
      path: ['smoothValue'],
      error: 'only the smooth methods floor and add-k have a value',
    }),
);
export type BleuConfig = Resolved<BleuOptions, z.output<typeof bleuSchema>>;

export const chrfSchema = documented<ChrfOptions>()(
  z.strictObject({
    charOrder: countTo(100).default(6),
    wordOrder: z.int().min(0).max(100).default(0),
    beta: countTo(1000).default(2),
    lowercase: z.boolean().default(false),
    whitespace: z.boolean().default(false),
    epsSmoothing: z.boolean().default(false),
  }),
);
export type ChrfConfig = Resolved<ChrfOptions, z.output<typeof chrfSchema>>;

export const terSchema = documented<TerOptions>()(
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
export type TerConfig = Resolved<TerOptions, z.output<typeof terSchema>>;

export const fairseqScoreSchema = documented<FairseqScoreOptions>()(
  z.strictObject({
    order: countTo(4).default(4),
    ignoreCase: z.boolean().default(false),
    compoundSplit: z.boolean().default(false),
  }),
);
export type FairseqScoreConfig = Resolved<FairseqScoreOptions, z.output<typeof fairseqScoreSchema>>;

export const sentenceBootstrapSchema = documented<SentenceBootstrapOptions>()(
  z.strictObject({ samples: countTo(10_000_000).default(1000), seed: seed.default(12345) }),
);

export const randomizationSchema = documented<RandomizationOptions>()(
  z.strictObject({
    samples: countTo(10_000_000).default(10_000),
    seed: sentenceBootstrapSchema.shape.seed,
    confidenceSamples: z.int().min(0).max(10_000_000).default(0),
  }),
);

export const scoreTableSchema = documented<ScoreTableOptions>()(
  z.strictObject({
    lowercase: z.boolean().default(false),
    metrics: z.array(z.enum(metricFamilies)).min(1).optional(),
    compoundSplit: z.boolean().optional(),
  }),
);
