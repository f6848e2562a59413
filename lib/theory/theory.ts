import type { Batch } from '../model/pack.js';
import type { LossAndGradients, Transformer } from '../model/transformer.js';
import type { LossOptions } from '../options/loss.js';
import { checkCall, workOptions } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import {
  type DropoutMomentsConfig,
  type DropoutMomentsOptions,
  dropoutMomentsSchema,
} from '../options/theory.js';
import { type DataHashes, environment, hashData } from '../training/run/run_directory.js';
import { untilAborted } from '../util/async/abortable.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { type GroupEstimate, groupEstimates, layerEstimates } from './estimates.js';
import { type MeanEstimate, meanEstimate, signFlipP } from './intervals.js';
import { GradientMoments, type GradientSample } from './moments.js';
import { openSubject, type Subject } from './subject.js';

/** uni against bi, for the KL term alone and for the whole loss CE + α·KL. */
export interface ObjectiveEstimates {
  kl: GroupEstimate[];
  loss: GroupEstimate[];
}

/** What section 3 of the paper says of a model and a corpus, measured. Natural logarithm, per target position. */
export interface DropoutMoments {
  divergence: {
    /** D(P1‖P2), eq. (5). */
    uni: MeanEstimate;
    /** D(P2‖P1). */
    uniReverse: MeanEstimate;
    /** Half the sum of both, eq. (2). */
    bi: MeanEstimate;
    /** D(P1‖P2) - D(P2‖P1) of the same masks: 0 in expectation, since the passes are exchangeable. */
    difference: MeanEstimate & { containsZero: boolean; randomizationP: number };
  };
  gradients: ObjectiveEstimates & { layers: ObjectiveEstimates };
  /** One value a mask pair, over all batches: what the intervals are of. */
  draws: { uni: number[]; uniReverse: number[] };
  conditions: {
    options: DropoutMomentsConfig;
    task: Subject['task'];
    loss: Subject['loss'];
    model: Subject['modelConfig'];
    parameters: number;
    modelSeed: number;
    update: number;
    /** Sequences (of translation, sentence pairs) and target positions of each batch. */
    batches: { pairs: number; tokens: number }[];
    environment: Awaited<ReturnType<typeof environment>>;
    data: DataHashes;
    seconds: number;
  };
}

export interface DropoutMomentsRun {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  /** Called as pairs of masks are done, of a batch and over all. */
  onProgress?: ((progress: { text: string; done: number; total: number }) => void) | undefined;
}

/**
 * Section 3 of the paper as an experiment: passes each batch of a corpus under many independent pairs of dropout masks;
 * estimates E[D(P1‖P2)], E[D(P2‖P1)] and E[bi], and compares mean and variance of the gradients of uni and bi by
 * parameter group. The batches are held fixed: variances are over masks, averaged over the batches. docs/theory.md has
 * the derivations.
 *
 * @throws RdropError INVALID_CONFIG, ABORTED, INVALID_ARGUMENT (no dropout, fewer batches than asked for, sequences too long, a task
 *   whose passes have no distributions), CHECKPOINT_MISMATCH (data of another task or dictionary), FILE_NOT_FOUND and the others of reading a run or data, NON_FINITE
 */
export async function dropoutMoments(
  options: DropoutMomentsOptions,
  run: DropoutMomentsRun = {},
): Promise<DropoutMoments> {
  checkCall(run, workOptions, 'theory');
  const config = parseConfig(dropoutMomentsSchema, options, 'theory');
  throwIfAborted(run.signal, 'the experiment');
  return await untilAborted(experiment(config, run), run.signal, 'the experiment');
}

async function experiment(
  config: DropoutMomentsConfig,
  { signal, onProgress }: DropoutMomentsRun,
): Promise<DropoutMoments> {
  const began = performance.now();
  const subject = await openSubject(config);
  const { model, batches, loss } = subject;
  const { pairs, level, samples, seed } = config;
  const scheme = { pairs, level };
  try {
    checkDropout(subject.modelConfig);
    const conditions = await environment(config.threads);
    const sizes = Array.from(await model.parameters(), ([name, { data }]) => [name, data.length] as const);
    const moments = new GradientMoments(sizes, pairs);
    /** By batch and mask pair: both divergences, summed over the batch. */
    const sums: [uni: number, reverse: number][][] = [];
    const tokens: number[] = [];
    const total = batches.length * pairs;
    for (const [b, batch] of batches.entries()) {
      sums.push([]);
      for (let i = 0; i < pairs; i++) {
        throwIfAborted(signal, 'the experiment');
        onProgress?.({ text: `passing under ${total} pairs of masks`, done: b * pairs + i, total });
        const { sample, divergences } = await drawSample(model, batch, loss, b * pairs + i + 1, signal);
        sums[b]!.push(divergences);
        tokens[b] = sample.tokens;
        await moments.add(sample, signal);
      }
    }
    onProgress?.({ text: `passing under ${total} pairs of masks`, done: total, total });
    const allTokens = tokens.reduce((sum, each) => sum + each, 0);
    const perDraw = (side: 0 | 1) =>
      Array.from(
        { length: pairs },
        (_, i) => sums.reduce((sum, batch) => sum + batch[i]![side], 0) / allTokens,
      );
    const draws = { uni: perDraw(0), uniReverse: perDraw(1) };
    const difference = meanEstimate(
      draws.uni.map((value, i) => value - draws.uniReverse[i]!),
      level,
    );
    const found = moments.result();
    const objectives = (of: typeof groupEstimates): ObjectiveEstimates => ({
      kl: of(found, scheme, { kl: true }),
      loss: of(found, scheme, { alpha: loss.alpha }),
    });
    return {
      divergence: {
        uni: meanEstimate(draws.uni, level),
        uniReverse: meanEstimate(draws.uniReverse, level),
        bi: meanEstimate(
          draws.uni.map((value, i) => (value + draws.uniReverse[i]!) / 2),
          level,
        ),
        difference: {
          ...difference,
          containsZero: difference.low <= 0 && difference.high >= 0,
          randomizationP: await signFlipP(
            sums.flatMap((batch) => batch.map(([uni, reverse]) => uni - reverse)),
            { samples, seed, signal },
          ),
        },
      },
      gradients: { ...objectives(groupEstimates), layers: objectives(layerEstimates) },
      draws,
      conditions: {
        options: config,
        task: subject.task,
        loss,
        model: subject.modelConfig,
        parameters: model.parameterCount,
        modelSeed: subject.modelSeed,
        update: subject.update,
        batches: batches.map((batch, b) => ({ pairs: batch.source.length, tokens: tokens[b]! })),
        environment: conditions,
        data: await hashData(subject.data, config.verify),
        seconds: (performance.now() - began) / 1000,
      },
    };
  } finally {
    model.dispose();
  }
}

/** Without dropout there is rounding to measure, and nothing else. */
function checkDropout(config: Subject['modelConfig']): void {
  const { dropout, attentionDropout, activationDropout, headDropout, headInputDropout, architecture } =
    config;
  if (dropout > 0 || attentionDropout > 0 || activationDropout > 0) return;
  const ofHead = headDropout > 0 || (config.pooler !== 'none' && headInputDropout > 0);
  if (architecture === 'encoder' && ofHead) return;
  throw new RdropError(
    'INVALID_ARGUMENT',
    'theory.model: expected a model with dropout (dropout, attentionDropout or activationDropout above 0, or of an ' +
      'encoder that of its head), since without it both passes are one; got 0 for all three',
  );
}

/**
 * Weight of the KL term while it is measured, divided out again: at so large a weight the KL gradient keeps its digits
 * beside that of the cross-entropy, and a power of two costs none.
 */
const klWeight = 1024;

/**
 * The gradients under the mask pair that (seed, update) keys. Gradients are linear in the loss, so that three calls with
 * the same masks give those of both directions, of bi and of any α.
 */
export async function drawSample(
  model: Transformer,
  batch: Batch,
  { alpha: _, ...loss }: Omit<LossOptions, 'direction'>,
  update: number,
  signal?: AbortSignal,
): Promise<{ sample: GradientSample; divergences: [uni: number, reverse: number] }> {
  const pass = (direction: 'uni' | 'uni-reverse', alpha: number): Promise<LossAndGradients> => {
    throwIfAborted(signal, 'the experiment');
    const options = { ...loss, direction, alpha };
    return model.lossAndGradients(batch, options, { training: true, update });
  };
  const uni = await pass('uni', klWeight);
  const reverse = await pass('uni-reverse', klWeight);
  const plain = await pass('uni', 0);
  return {
    sample: {
      uni: uni.gradients,
      reverse: reverse.gradients,
      plain: plain.gradients,
      weight: klWeight,
      tokens: uni.tokens,
    },
    divergences: [uni.kl, reverse.kl],
  };
}
