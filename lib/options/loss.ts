/** The loss: passes, direction and weight of the KL divergence, label smoothing, weights of classes. */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { nonNegative, rate } from './schema/ranges.js';

export const klDirections = ['uni', 'uni-reverse', 'bi'] as const;
/**
 * Which divergence ties the two passes together. `uni`: D(P1‖P2), the paper's eq. (5). `uni-reverse`: D(P2‖P1). `bi`: half the
 * sum of both, eq. (2).
 */
export type KlDirection = (typeof klDirections)[number];

/**
 * How label smoothing spreads ε over the V classes. `dropreg`: ε/V on each, the target among them (dropreg's criterion, and the
 * fairseq that it was made from). `fairseq`: ε/(V-1) on each of the others, 1-ε left on the target (today's
 * label_smoothed_cross_entropy).
 */
export type Smoothing = 'dropreg' | 'fairseq';

interface SharedLossOptions {
  /**
   * Passes through the network. 1 is ordinary training at half the cost: cross-entropy alone, for which `alpha` is 0 and the other
   * options of the KL term mean nothing.
   * @default 2
   */
  passes?: 1 | 2 | undefined;
  /**
   * How the KL term relates to the cross-entropy, which is averaged over the N positions of a batch: `mean` averages it as well,
   * `sum` adds it up (α counts N times), which is what dropreg's BERT does, so that its α means the same here.
   * @default "mean"
   */
  klReduction?: 'mean' | 'sum' | undefined;
  /**
   * How ε is spread over the V classes. `dropreg`: ε/V on each of them, the target too. `fairseq`: ε/(V-1) on each of the others.
   * @default "dropreg"
   */
  smoothing?: Smoothing | undefined;
  /**
   * `sum` adds the cross-entropies of both passes (dropreg's criterion), `mean` halves them.
   * @default "sum"
   */
  passReduction?: 'sum' | 'mean' | undefined;
}

/** The loss of a training run. */
export interface TrainLossOptions extends SharedLossOptions {
  /**
   * Direction of the KL divergence: `uni` D(P1‖P2), `uni-reverse` D(P2‖P1), `bi` half the sum of both.
   * @default "uni"
   */
  direction?: KlDirection | undefined;
  /**
   * Weight α of the KL term. 0 trains on cross-entropy alone (both passes still run). With `passes` 1 it is 0.
   * @default 5
   * @range 0 or more
   */
  alpha?: number | undefined;
  /**
   * ε of label smoothing.
   * @default 0.1
   * @range 0 to below 1
   */
  labelSmoothing?: number | undefined;
  /**
   * A factor of the cross-entropy for each class, in their order: what is rare can count for more. `balanced`: n / (C · examples of
   * the class), as scikit-learn has it. The KL term is not weighted, and the gradient is divided by the number of examples, not by
   * the sum of their weights. Classification alone. Left out: every class counts alike.
   */
  classWeights?: number[] | 'balanced' | undefined;
}

/** The loss alone, as a function of logits. */
export interface LossOptions extends SharedLossOptions {
  /** Direction of the KL divergence: `uni` D(P1‖P2), `uni-reverse` D(P2‖P1), `bi` half the sum of both. */
  direction: KlDirection;
  /**
   * Weight α of the KL term. 0 is cross-entropy alone.
   * @range 0 or more
   */
  alpha: number;
  /**
   * A factor of the cross-entropy for each class. The KL term is not weighted, nor do the weights count in the number of positions.
   * Left out: every class counts alike.
   * @range 0 or more
   */
  classWeights?: number[] | undefined;
  /**
   * ε of label smoothing.
   * @default 0
   * @range 0 to below 1
   */
  labelSmoothing?: number | undefined;
  /**
   * Rows with this target have loss 0 and gradient exactly 0.
   * @default -100
   */
  ignoreIndex?: number | undefined;
}

/** The loss of a regression alone, as a function of predictions. */
export interface SquaredErrorOptions {
  /**
   * Weight α of the squared difference between the passes. 0 is the squared error alone.
   * @range 0 or more
   */
  alpha: number;
  /**
   * Passes that the predictions are of; of 1, `alpha` has no part.
   * @default 2
   */
  passes?: 1 | 2 | undefined;
  /**
   * `mean` averages the difference as the error is averaged, `sum` adds it up: α counts N times.
   * @default "mean"
   */
  klReduction?: 'mean' | 'sum' | undefined;
  /**
   * `sum` adds the squared errors of both passes, `mean` halves them.
   * @default "sum"
   */
  passReduction?: 'sum' | 'mean' | undefined;
}

const shared = {
  passes: z.union([z.literal(1), z.literal(2)]).default(2),
  klReduction: z.enum(['mean', 'sum']).default('mean'),
  smoothing: z.enum(['dropreg', 'fairseq']).default('dropreg'),
  passReduction: z.enum(['sum', 'mean']).default('sum'),
};

const classWeights = z.array(nonNegative).min(1);

export const lossSchema = documented<TrainLossOptions>()(
  z
    .strictObject({
      direction: z.enum(klDirections).default('uni'),
      alpha: nonNegative.default(5),
      labelSmoothing: rate.default(0.1),
      classWeights: z
        .union([classWeights, z.literal('balanced')], {
          error: 'expected "balanced" or a number for each class, 0 or more',
        })
        .optional(),
      ...shared,
    })
    .refine(({ passes, alpha }) => passes === 2 || alpha === 0, {
      path: ['alpha'],
      error: 'expected 0 beside passes: 1, which has no KL term',
    })
    .refine(({ passes, direction }) => passes === 2 || direction === 'uni', {
      path: ['direction'],
      error: 'expected none beside passes: 1, which has no KL term',
    }),
);
export type LossConfig = Resolved<TrainLossOptions, z.output<typeof lossSchema>>;

export const lossOptionsSchema = documented<LossOptions>()(
  z.strictObject({
    direction: z.enum(klDirections),
    alpha: nonNegative,
    labelSmoothing: rate.default(0),
    classWeights: classWeights.optional(),
    ignoreIndex: z.int().default(-100),
    ...shared,
  }),
);

export const squaredErrorOptionsSchema = documented<SquaredErrorOptions>()(
  z.strictObject({
    alpha: nonNegative,
    passes: shared.passes,
    klReduction: shared.klReduction,
    passReduction: shared.passReduction,
  }),
);
