import { lentTransformer, type Transformer } from '../model/transformer.js';
import type { TrainConfig } from '../options/training.js';
import type { TaskData } from '../tasks/task.js';
import type { TrainingState } from './checkpoint.js';
import type { Ranks } from './distributed/ranks.js';
import type { ValidationMetrics } from './metrics.js';
import type { RunDirectory } from './run/run_directory.js';
import type { StageReporter } from './stages.js';
import { runHook, type ValidationHook } from './validation_hook.js';

export interface MeasuredRun {
  config: TrainConfig;
  state: TrainingState;
  data: TaskData;
  model: Transformer;
  ranks: Ranks;
  /** Null on all ranks but the first. */
  run: RunDirectory | null;
}

/**
 * One validation: what the task measures, and the metrics of the hook. Ranks share the former; the hook runs on the first alone, whose model
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
  const report = (...progress: Parameters<StageReporter['report']>) => reporter.report(...progress);
  const { samples, ...found } = await data.validate(model, { signal, ranks, report });
  const { update, epoch } = state;
  const metrics = await ranks.fromFirst(() =>
    hook === undefined ? null : runHook(hook, { model: lentTransformer(model), update, config, signal }),
  );
  await run?.writeValidation({ update, samples });
  return {
    type: 'validation',
    update,
    epoch,
    ...found,
    ...(metrics !== null && { metrics }),
    seconds: state.trainingSeconds,
    validationSeconds: (performance.now() - began) / 1000,
  };
}
