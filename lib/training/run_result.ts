import { loadParameters, snapshotOf, type Transformer } from '../model/transformer.js';
import type { TrainConfig } from '../options/training.js';
import { type Checkpoint, openBest, type TrainingState } from './checkpoint.js';
import type { Ranks } from './distributed/ranks.js';
import { shareParameters } from './distributed/share_parameters.js';
import { epochsDone, type Place } from './progress.js';
import type { RunData } from './run_data.js';
import type { RunDirectory, RunResult } from './run_directory.js';
import type { StageReporter } from './stages.js';
import { loadModel } from './stored_run.js';
import { scoreTest, searchTest } from './validation.js';
import { chosenMetric } from './validation_hook.js';

interface FinishedRun {
  config: TrainConfig;
  state: TrainingState & Place;
  data: RunData;
  model: Transformer;
  /** null on every rank but the first. */
  run: RunDirectory | null;
  ranks: Ranks;
}

/**
 * Translates the test split with the best checkpoint, and writes what came of it; the model keeps its parameters. Ranks share the
 * search; the first scores and writes, and every rank has the result.
 */
export async function runResult(
  finished: FinishedRun,
  reporter: StageReporter,
  signal?: AbortSignal,
): Promise<RunResult> {
  const { config, state, data, model, run, ranks } = finished;
  const best = run === null ? null : await openBest(run.checkpoints, state);
  let found: Int32Array[] | null = null;
  if (data.test !== null) {
    const other = state.best !== null && state.best.update !== state.update;
    const kept = other ? await snapshotOf(model) : null;
    try {
      if (kept !== null) {
        if (best !== null) await loadModel(model, best);
        await shareParameters(ranks, model);
      }
      const onProgress = (...progress: [number, number]) => reporter.report('test translation', ...progress);
      found = await searchTest(model, data.test, { config, signal, onProgress, ranks });
    } finally {
      if (kept !== null) {
        await loadParameters(model, kept.tensors, 'the parameters of the last update');
        kept[Symbol.dispose]();
      }
    }
  }
  return ranks.fromFirst(() => writeResult(finished, best, found, reporter, signal));
}

/** The first rank's part. */
async function writeResult(
  { config, state, data, model, run, ranks }: FinishedRun,
  best: Checkpoint | null,
  found: Int32Array[] | null,
  reporter: StageReporter,
  signal: AbortSignal | undefined,
): Promise<RunResult> {
  let scores: RunResult['scores'] = null;
  if (found !== null) {
    const onProgress = (...progress: [number, number]) => reporter.report('test scores', ...progress);
    const test = await scoreTest(found, data.pipeline, data.test!, { signal, onProgress });
    scores = test.scores;
    await run!.writeTest(test, data.pipeline.config.target);
  }
  const chosen = chosenMetric(config);
  const value = best?.state.best?.metric;
  const result: RunResult = {
    seed: config.seed,
    direction: config.loss.direction,
    alpha: config.loss.alpha,
    updates: state.update,
    epochs: epochsDone(state, data.train.batchesPerEpoch),
    seconds: state.trainingSeconds,
    bestUpdate: best?.state.update ?? state.update,
    validBleu: best?.state.best?.bleu ?? null,
    ...(chosen !== null && value !== undefined && { validMetric: { ...chosen, value } }),
    testBleu: scores?.[0] ? { score: scores[0].score, signature: scores[0].signature } : null,
    scores,
    parameters: model.parameterCount,
    ...(!ranks.alone && { worldSize: ranks.size }),
    ...(Object.keys(data.overlong).length > 0 && { overlong: data.overlong }),
  };
  await run!.writeResult(result);
  return result;
}
