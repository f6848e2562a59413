/** fairseq's Adam and inverse_sqrt schedule (fairseq/optim/adam.py, inverse_square_root_schedule.py). */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { countOrZero, nonNegative, positive, rate } from './schema/ranges.js';

/** Adam with decoupled weight decay, and the schedule of its learning rate. */
export interface OptimizerOptions {
  /**
   * `inverse_sqrt`: linear warm-up, then ∝ 1/√update. `constant`: `learningRate` throughout, no warm-up.
   * @default "inverse_sqrt"
   */
  schedule?: 'inverse_sqrt' | 'constant' | undefined;
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
   * Largest norm of the gradient (after division by the tokens); 0 never clips.
   * @default 0
   * @range 0 or more
   */
  clipNorm?: number | undefined;
}

export const optimizerSchema = documented<OptimizerOptions>()(
  z.strictObject({
    schedule: z.enum(['inverse_sqrt', 'constant']).default('inverse_sqrt'),
    learningRate: positive.default(5e-4),
    warmupUpdates: countOrZero.default(4000),
    warmupInitLearningRate: nonNegative.default(1e-7),
    beta1: rate.default(0.9),
    beta2: rate.default(0.98),
    epsilon: positive.default(1e-8),
    weightDecay: nonNegative.default(1e-4),
    clipNorm: nonNegative.default(0),
  }),
);
export type OptimizerConfig = Resolved<OptimizerOptions, z.output<typeof optimizerSchema>>;
