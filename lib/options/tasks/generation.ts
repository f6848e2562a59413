/** How a language model continues a text. */
import * as z from 'zod';
import { documented, type Resolved } from '../schema/documented.js';
import { count, mostCounted, positive, seed } from '../schema/ranges.js';

/** Which token follows: drawn from the model's probabilities, or the most probable one. */
export interface GenerationOptions {
  /**
   * Tokens generated for each prompt, at most; eos counts.
   * @default 200
   * @range 1 or more
   */
  maxTokens?: number | undefined;
  /**
   * The most probable token each time, in place of a drawn one. Refused together with the options of drawing.
   * @default false
   */
  greedy?: boolean | undefined;
  /**
   * Beam search over so many texts, to the one with the highest log-probability by token, in place of drawn tokens; 0: none. Refused
   * together with `greedy` and the options of drawing.
   * @default 0
   * @range 0 to 1,024
   */
  beam?: number | undefined;
  /**
   * Logits are divided by it before a token is drawn: below 1 the probable tokens become more probable.
   * @default 1
   * @range above 0
   */
  temperature?: number | undefined;
  /**
   * Only so many of the most probable tokens are drawn from; 0: all.
   * @default 0
   * @range 0 to 16,777,216
   */
  topK?: number | undefined;
  /**
   * Only the fewest of the most probable tokens are drawn from that have this probability together, at `temperature` and among the
   * `topK`; 1: all.
   * @default 1
   * @range above 0, at most 1
   */
  topP?: number | undefined;
  /**
   * Only the first so many types of the dictionary are generated; 0: all. A `Generator` leaves out the words that fill its dictionary up.
   * @default 0
   * @range 0 to 16,777,216
   */
  types?: number | undefined;
  /**
   * Of the random numbers. Those of a text hang on the seed and its number alone, not on the other prompts.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
  /**
   * Number of the first prompt, so that prompts that come in parts have numbers of their own.
   * @default 0
   * @range 0 or more
   */
  first?: number | undefined;
  /**
   * Whether a text ends with its first eos. Left out: it does, but where a `Generator` continues a stream, in which eos ends a line.
   */
  untilEos?: boolean | undefined;
}

export const generationSchema = documented<GenerationOptions>()(
  z
    .strictObject({
      maxTokens: count.default(200),
      greedy: z.boolean().default(false),
      beam: z.int().min(0).max(1024).default(0),
      temperature: positive.default(1),
      topK: z
        .int()
        .min(0)
        .max(2 ** 24)
        .default(0),
      topP: positive.max(1).default(1),
      types: z
        .int()
        .min(0)
        .max(2 ** 24)
        .default(0),
      seed: seed.default(1),
      first: z.int().min(0).max(mostCounted).default(0),
      untilEos: z.boolean().optional(),
    })
    .refine(({ greedy, beam }) => !greedy || beam === 0, {
      path: ['greedy'],
      error: 'expected none beside beam, which finds a text that is more probable',
    })
    .superRefine(({ greedy, beam, temperature, topK, topP }, context) => {
      if ((greedy || beam > 0) && (temperature !== 1 || topK !== 0 || topP !== 1))
        context.addIssue({
          code: 'custom',
          path: [greedy ? 'greedy' : 'beam'],
          message:
            'expected no temperature, topK or topP beside it, which have an effect on drawn tokens alone',
        });
    }),
);
export type GenerationConfig = Resolved<GenerationOptions, z.output<typeof generationSchema>>;
