/** How sentence pairs become batches. */
import * as z from 'zod';
import { documented } from './schema/documented.js';
import { count, countOrZero, mostCounted } from './schema/ranges.js';

/** How sentence pairs are grouped into batches. */
export interface BatchSizeOptions {
  /**
   * Size of the largest batch in tokens: pairs × the longest side of any of them, eos included.
   * @default 4096
   * @range 1 or more
   */
  maxTokens?: number | undefined;
  /**
   * A batch has fewer pairs than this or a multiple of it.
   * @default 8
   * @range 1 or more
   */
  multipleOf?: number | undefined;
}

/** Batches of a training run. */
export interface TrainBatchOptions extends BatchSizeOptions {
  /**
   * Most sequences of a batch (fairseq's --batch-size; of a language model, blocks); 0 sets no limit beside `maxTokens`. A batch of
   * just so many is admissible whatever `multipleOf` is.
   * @default 0
   * @range 0 or more
   */
  maxSentences?: number | undefined;
  /**
   * Tokens of a block of running text, in a language model alone. Left out: 512.
   * @range 1 or more
   */
  tokensPerSample?: number | undefined;
  /**
   * Batches whose gradients are added up before one update.
   * @default 1
   * @range 1 or more
   */
  accumulate?: number | undefined;
}

/** The batches of an epoch: `planBatches`. */
export interface BatchPlanOptions extends BatchSizeOptions {
  /**
   * Seed of the order of pairs inside a batch, and with `epoch` of the order of batches.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
  /**
   * The epoch, counted from 1 as fairseq does.
   * @default 1
   * @range 0 or more
   */
  epoch?: number | undefined;
  /**
   * `fairseq`: shuffled. `sorted`: short to long, the same for every seed and epoch (validation, translation).
   * @default "fairseq"
   */
  order?: 'fairseq' | 'sorted' | undefined;
}

const batchSizes = { maxTokens: count.default(4096), multipleOf: count.default(8) };

export const trainBatchSchema = documented<TrainBatchOptions>()(
  z.strictObject({
    ...batchSizes,
    maxSentences: z.int().min(0).max(mostCounted).default(0),
    tokensPerSample: count.optional(),
    accumulate: count.default(1),
  }),
);

export const batchPlanSchema = documented<BatchPlanOptions>()(
  z.strictObject({
    ...batchSizes,
    seed: countOrZero.default(1),
    epoch: countOrZero.default(1),
    order: z.enum(['fairseq', 'sorted']).default('fairseq'),
  }),
);
