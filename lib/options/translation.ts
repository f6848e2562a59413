/** fairseq's beam search, and how lines become translations. */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { count, countOrZero, countTo, nonNegative, text } from './schema/ranges.js';

/** fairseq's beam search; the longest hypothesis has maxLenA · source length + maxLenB tokens, eos not counted. */
export interface BeamOptions {
  /**
   * Hypotheses kept at each step.
   * @default 5
   * @range 1 to 1,024
   */
  beam?: number | undefined;
  /**
   * The score of a hypothesis is its log-probability divided by its length to this power.
   * @default 1
   */
  lengthPenalty?: number | undefined;
  /**
   * The longest hypothesis has maxLenA · source length + maxLenB tokens, eos not counted.
   * @default 0
   * @range 0 or more
   */
  maxLenA?: number | undefined;
  /**
   * Tokens that a hypothesis may have whatever the length of its source; see maxLenA.
   * @default 200
   * @range 0 or more
   */
  maxLenB?: number | undefined;
  /**
   * Shortest hypothesis in tokens, eos not counted.
   * @default 1
   * @range 1 or more
   */
  minLen?: number | undefined;
  /**
   * Hypotheses returned for each source, at most `beam`.
   * @default 1
   * @range 1 or more
   */
  nBest?: number | undefined;
}

/** A beam search for one translation. */
export interface BeamSearchOptions extends Omit<BeamOptions, 'nBest'> {
  /** Refused here: one translation is wanted. */
  nBest?: undefined;
}

/** The beam search of validation, with the lengths of fairseq's `--eval-bleu-args`. */
export interface ValidationBeamOptions extends Omit<BeamSearchOptions, 'maxLenA' | 'maxLenB'> {
  /**
   * The longest hypothesis has maxLenA · source length + maxLenB tokens, eos not counted.
   * @default 1.2
   * @range 0 or more
   */
  maxLenA?: number | undefined;
  /**
   * Tokens that a hypothesis may have whatever the length of its source; see maxLenA.
   * @default 10
   * @range 0 or more
   */
  maxLenB?: number | undefined;
}

export const beamSchema = documented<BeamOptions>()(
  z
    .strictObject({
      beam: countTo(1024).default(5),
      lengthPenalty: z.number().default(1),
      maxLenA: nonNegative.default(0),
      maxLenB: countOrZero.default(200),
      minLen: count.default(1),
      nBest: count.default(1),
    })
    .refine((options) => options.nBest <= options.beam, {
      path: ['nBest'],
      error: 'nBest must not exceed beam',
    }),
);
export type BeamConfig = Resolved<BeamOptions, z.output<typeof beamSchema>>;

/** beamSchema where one translation is wanted: there nBest would have no effect, and is refused. */
export const beamSearchSchema = documented<BeamSearchOptions>()(
  z.strictObject({ ...beamSchema.shape, nBest: z.undefined().optional() }),
);
export type BeamSearchConfig = Resolved<BeamSearchOptions, z.output<typeof beamSearchSchema>>;

export const validationBeamSchema = documented<ValidationBeamOptions>()(
  z.strictObject({
    ...beamSearchSchema.shape,
    maxLenA: nonNegative.default(1.2),
    maxLenB: countOrZero.default(10),
  }),
);

export const overlongPolicies = ['refuse', 'truncate', 'skip'] as const;
/** A sentence that is too long for the model or a batch is an error, cut after its first tokens, or left out. */
export type OverlongPolicy = (typeof overlongPolicies)[number];
export const overlongSchema = z.enum(overlongPolicies);

/** How lines are read before they are translated. */
export interface LineOptions {
  /**
   * A line longer than the model's `maxPositions` is an error (`refuse`), translated up to there (`truncate`), or given an empty
   * translation (`skip`).
   * @default "refuse"
   */
  overlong?: OverlongPolicy | undefined;
  /** The file that the lines are from, for errors and warnings. Left out: they are called lines. */
  name?: string | undefined;
}

export const translateSchema = documented<LineOptions>()(
  z.strictObject({ overlong: overlongSchema.default('refuse'), name: text.optional() }),
);

/** How lines that come one by one are read and translated. */
export interface LineStreamOptions extends LineOptions {
  /**
   * Lines that are read, sorted by length and translated together; no more are read before these have been taken. Larger windows
   * are faster, 1 answers each line at once.
   * @default 1024
   * @range 1 to 1,000,000
   */
  window?: number | undefined;
}

export const streamSchema = documented<LineStreamOptions>()(
  z.strictObject({ ...translateSchema.shape, window: countTo(1_000_000).default(1024) }),
);
export type LineStreamConfig = Resolved<LineStreamOptions, z.output<typeof streamSchema>>;
