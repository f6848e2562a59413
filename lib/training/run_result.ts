import { loadParameters, snapshotOf, type Transformer } from '../model/transformer.js';
import type { TrainConfig } from '../options/training.js';
import { type Checkpoint, openBest, type TrainingState } from './checkpoint.js';
import { epochsDone } from './progress.js';
import type { RunData } from './run_data.js';
import type { RunDirectory, RunResult } from './run_directory.js';
import type { StageReporter } from './stages.js';
import { translateTest } from './validation.js';
import { chosenMetric } from './validation_hook.js';

interface FinishedRun {
  config: TrainConfig;
  state: TrainingState;
  data: RunData;
  model: Transformer;
  run: RunDirectory;
}

/** Puts a checkpoint's parameters into a model, tensor by tensor. */
async function loadModel(model: Transformer, checkpoint: Checkpoint): Promise<void> {
  await using file = await checkpoint.open('model');
  await loadParameters(model, file.tensors, checkpoint.path);
}

/** Translates the test split with the best checkpoint; the model keeps its parameters. */
export async function runResult(
  { config, state, data, model, run }: FinishedRun,
  reporter: StageReporter,
  signal?: AbortSignal,
): Promise<RunResult> {
  const best = await openBest(run.checkpoints, state);
  let scores: RunResult['scores'] = null;
  if (data.test !== null) {
    const kept = best === null || best.state.update === state.update ? null : await snapshotOf(model);
    try {
      if (kept !== null) await loadModel(model, best!);
      const test = await translateTest(model, data.pipeline, data.test, {
        config,
        signal,
        onProgress: (...progress) => reporter.report('test translation', ...progress),
        onScores: (...progress) => reporter.report('test scores', ...progress),
      });
      scores = test.scores;
      await run.writeTest(test, data.pipeline.config.target);
    } finally {
      if (kept !== null) {
        await loadParameters(model, kept.tensors, 'the parameters of the last update');
        kept[Symbol.dispose]();
      }
    }
  }
  const chosen = chosenMetric(config);
  const value = best?.state.best?.metric;
  const result: RunResult = {
    seed: config.seed,
    direction: config.loss.direction,
    alpha: config.loss.alpha,
    updates: state.update,
    epochs: epochsDone(state, data.train.updatesPerEpoch),
    seconds: state.trainingSeconds,
    bestUpdate: best?.state.update ?? state.update,
    validBleu: best?.state.best?.bleu ?? null,
    ...(chosen !== null && value !== undefined && { validMetric: { ...chosen, value } }),
    testBleu: scores?.[0] ? { score: scores[0].score, signature: scores[0].signature } : null,
    scores,
    parameters: model.parameterCount,
    ...(Object.keys(data.overlong).length > 0 && { overlong: data.overlong }),
  };
  await run.writeResult(result);
  return result;
}
