/** What a trained run says of texts, and how good it is on a split. */
import * as z from 'zod';
import { documented } from '../schema/documented.js';
import { count, text } from '../schema/ranges.js';
import { type OverlongPolicy, overlongSchema } from '../translation.js';

/** How texts are read before they are predicted. */
export interface PredictOptions {
  /**
   * A text longer than the model's `maxPositions` is an error (`refuse`), predicted from its beginning (`truncate`), or given no
   * prediction (`skip`).
   * @default "refuse"
   */
  overlong?: OverlongPolicy | undefined;
  /** The file that the texts are from, a line each, for errors and warnings. Left out: they are called texts. */
  name?: string | undefined;
  /**
   * The line of that file which the first text is.
   * @default 1
   * @range 1 or more
   */
  line?: number | undefined;
}

export const predictSchema = documented<PredictOptions>()(
  z.strictObject({
    overlong: overlongSchema.default('refuse'),
    name: text.optional(),
    line: count.default(1),
  }),
);

/** What a run is evaluated on. */
export interface EvaluateOptions {
  /**
   * The split of the prepared directory.
   * @default "test"
   */
  split?: 'valid' | 'test' | undefined;
  /** Another prepared directory, of the same dictionary and labels. Left out: the one that the run was trained on. */
  data?: string | undefined;
}

export const evaluateSchema = documented<EvaluateOptions>()(
  z.strictObject({ split: z.enum(['valid', 'test']).default('test'), data: text.optional() }),
);
