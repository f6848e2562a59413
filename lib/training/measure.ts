import { lentTransformer, type Transformer } from '../model/transformer.js';
import type { TrainConfig } from '../options/training.js';
import type { TrainingState } from './checkpoint.js';
import type { Ranks } from './distributed/ranks.js';
import type { ValidationMetrics } from './metrics.js';
import type { RunData } from './run_data.js';
import type { RunDirectory } from './run_directory.js';
import type { StageReporter } from './stages.js';
import { type ValidationSample, validate } from './validation.js';
import { runHook, type ValidationHook } from './validation_hook.js';

export interface MeasuredRun {
  config: TrainConfig;
  state: TrainingState;
  data: RunData;
  model: Transformer;
  ranks: Ranks;
  /** Null on all ranks but the first. */
  run: RunDirectory | null;
}

/**
 * One validation: loss, BLEU and the metrics of the hook. Ranks share loss and BLEU; the hook runs on the first alone, whose model
 * is as every other. All have the same numbers.
 *
 * @throws RdropError ABORTED (on every rank), and what the hook throws
 */
export async function measure(
  { config, state, data, model, ranks, run }: MeasuredRun,
  reporter: StageReporter,
  signal: AbortSignal,
  hook: ValidationHook | undefined,
): Promise<ValidationMetrics> {
  const began = performance.now();
  const samples: ValidationSample[] = [];
  const losses = await validate(model, data.pipeline, data.valid, {
    config,
    signal,
    ranks,
    onProgress: (...progress) => reporter.report('validation translation', ...progress),
    onLoss: (...progress) => reporter.report('validation loss', ...progress),
    onSamples: (found) => samples.push(...found),
  });
  const { update, epoch } = state;
  const metrics = await ranks.fromFirst(() =>
    hook === undefined ? null : runHook(hook, { model: lentTransformer(model), update, config, signal }),
  );
  await run?.writeValidation({ update, samples });
  return {
    type: 'validation',
    update,
    epoch,
    ...losses,
    ...(metrics !== null && { metrics }),
    seconds: state.trainingSeconds,
    validationSeconds: (performance.now() - began) / 1000,
  };
}
