/**
 * fairseq's Adam and inverse_sqrt schedule (fairseq/optim/adam.py, inverse_square_root_schedule.py), the schedules of fine-tuning
 * and of language models, and which parameters are updated how.
 */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { countOrZero, nonNegative, positive, rate, text } from './schema/ranges.js';

export type Schedule = 'inverse_sqrt' | 'constant' | 'linear' | 'cosine' | 'polynomial';

/** Whether a schedule comes down to a rate at a given update. */
export const isDecay = (schedule: Schedule): boolean =>
  schedule === 'linear' || schedule === 'cosine' || schedule === 'polynomial';

/** Adam with decoupled weight decay, the schedule of its learning rate, and the parameters that it updates. */
export interface OptimizerOptions {
  /**
   * `inverse_sqrt`: linear warm-up, then ∝ 1/√update. `constant`: `learningRate` throughout, no warm-up. `linear`, `cosine` and
   * `polynomial`: linear warm-up, then down to `minimumLearningRate` at `totalUpdates` along a line (BERT's fine-tuning), half a
   * cosine (GPT) or (1 - t) ** `power` (RoBERTa).
   * @default "inverse_sqrt"
   */
  schedule?: Schedule | undefined;
  /**
   * Highest learning rate, reached when the warm-up ends.
   * @default 0.0005
   * @range above 0
   */
  learningRate?: number | undefined;
  /**
   * Updates of linear warm-up.
   * @default 4000
   * @range 0 or more
   */
  warmupUpdates?: number | undefined;
  /**
   * Learning rate at which the warm-up begins.
   * @default 1e-7
   * @range 0 or more
   */
  warmupInitLearningRate?: number | undefined;
  /**
   * Learning rate from `totalUpdates` on, at most `learningRate`. With `linear`, `cosine` and `polynomial` alone.
   * @default 0
   * @range 0 or more
   */
  minimumLearningRate?: number | undefined;
  /**
   * Updates after which the learning rate has come down to `minimumLearningRate`, warm-up included; 0: the run's `maxUpdates`, also
   * when it is resumed with another. With `linear`, `cosine` and `polynomial` alone.
   * @default 0
   * @range 0 or more
   */
  totalUpdates?: number | undefined;
  /**
   * Exponent of `polynomial`.
   * @default 1
   * @range above 0
   */
  power?: number | undefined;
  /**
   * Decay β1 of the first moment, per update.
   * @default 0.9
   * @range 0 to below 1
   */
  beta1?: number | undefined;
  /**
   * Decay β2 of the second moment, per update.
   * @default 0.98
   * @range 0 to below 1
   */
  beta2?: number | undefined;
  /**
   * Added to √v, without bias correction (fairseq).
   * @default 1e-8
   * @range above 0
   */
  epsilon?: number | undefined;
  /**
   * Decoupled weight decay: p -= lr · weightDecay · p before the step.
   * @default 0.0001
   * @range 0 or more
   */
  weightDecay?: number | undefined;
  /**
   * What decays: `all` parameters, or `matrices` alone, embeddings included, but no bias and nothing of a norm (BERT, GPT).
   * @default "all"
   */
  weightDecayOn?: 'all' | 'matrices' | undefined;
  /**
   * Layer-wise rates: the learning rate of a parameter is the schedule's times layerDecay ** depth. The head and a final norm have
   * depth 0, the top layer 1, the layer below it 2, the embeddings one more than the lowest layer; an encoder lies below its decoder.
   * @default 1
   * @range above 0, at most 1
   */
  layerDecay?: number | undefined;
  /**
   * Parameters that stay as they are, to the bit: a name or its beginning (`encoder.layers.0`), where `*` stands for anything within
   * a part, and `0-5` for the layers 0 to 5; or `embeddings`. Their gradients count for no norm.
   * @default []
   */
  freeze?: string[] | undefined;
  /**
   * Largest norm of the gradient (after division by the tokens); 0 never clips.
   * @default 0
   * @range 0 or more
   */
  clipNorm?: number | undefined;
}

export const optimizerSchema = documented<OptimizerOptions>()(
  z
    .strictObject({
      schedule: z
        .enum(['inverse_sqrt', 'constant', 'linear', 'cosine', 'polynomial'])
        .default('inverse_sqrt'),
      learningRate: positive.default(5e-4),
      warmupUpdates: countOrZero.default(4000),
      warmupInitLearningRate: nonNegative.default(1e-7),
      minimumLearningRate: nonNegative.default(0),
      totalUpdates: countOrZero.default(0),
      power: positive.default(1),
      beta1: rate.default(0.9),
      beta2: rate.default(0.98),
      epsilon: positive.default(1e-8),
      weightDecay: nonNegative.default(1e-4),
      weightDecayOn: z.enum(['all', 'matrices']).default('all'),
      layerDecay: positive.max(1).default(1),
      freeze: z.array(text).default([]),
      clipNorm: nonNegative.default(0),
    })
    .superRefine((options, context) => {
      const refuse = (path: string, message: string) =>
        context.addIssue({ code: 'custom', path: [path], message });
      const { schedule, learningRate, warmupUpdates, minimumLearningRate, totalUpdates, power } = options;
      if (!isDecay(schedule)) {
        const unused = `expected 0, since the schedule ${schedule} has no end (linear, cosine and polynomial have)`;
        if (minimumLearningRate !== 0) refuse('minimumLearningRate', unused);
        if (totalUpdates !== 0) refuse('totalUpdates', unused);
      }
      if (schedule !== 'polynomial' && power !== 1)
        refuse(
          'power',
          `expected 1, since it is the exponent of the schedule polynomial, not of ${schedule}`,
        );
      if (minimumLearningRate > learningRate)
        refuse('minimumLearningRate', `expected at most learningRate, ${learningRate}`);
      if (totalUpdates !== 0 && totalUpdates < warmupUpdates)
        refuse('totalUpdates', `expected at least warmupUpdates, ${warmupUpdates}`);
    }),
);
export type OptimizerConfig = Resolved<OptimizerOptions, z.output<typeof optimizerSchema>>;
