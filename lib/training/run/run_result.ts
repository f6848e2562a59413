import { loadParameters, snapshotOf, type Transformer } from '../../model/transformer.js';
import type { TrainConfig } from '../../options/training.js';
import type { Evaluation, TaskData, TaskReport, TaskScore, TaskWork } from '../../tasks/task.js';
import { bestValue, chosenMetric } from '../best.js';
import { type Checkpoint, openBest, type TrainingState } from '../checkpoint.js';
import type { Ranks } from '../distributed/ranks.js';
import { shareParameters } from '../distributed/share_parameters.js';
import { epochsDone, type Place } from '../progress.js';
import type { StageReporter } from '../stages.js';
import type { RunDirectory, RunResult } from './run_directory.js';
import { loadModel } from './stored_run.js';

interface FinishedRun {
  config: TrainConfig;
  state: TrainingState & Place;
  data: TaskData;
  model: Transformer;
  /** null on every rank but the first. */
  run: RunDirectory | null;
  ranks: Ranks;
}

type Scoring = (work: TaskWork) => Promise<Evaluation>;

/**
 * Evaluates the best checkpoint on the test split, and writes what came of it; the model keeps its parameters. Ranks share the
 * search; the first scores and writes, and every rank has the result.
 */
export async function runResult(
  finished: FinishedRun,
  reporter: StageReporter,
  signal?: AbortSignal,
): Promise<RunResult> {
  const { state, data, model, run, ranks } = finished;
  const best = run === null ? null : await openBest(run.checkpoints, state);
  const report: TaskReport = (...progress) => reporter.report(...progress);
  let scoring: Scoring | null = null;
  if (data.test !== null) {
    const other = state.best !== null && state.best.update !== state.update;
    const kept = other ? await snapshotOf(model) : null;
    try {
      if (kept !== null) {
        if (best !== null) await loadModel(model, best);
        await shareParameters(ranks, model);
      }
      scoring = await data.test.search(model, { signal, report, ranks });
    } finally {
      if (kept !== null) {
        await loadParameters(model, kept.tensors, 'the parameters of the last update');
        kept[Symbol.dispose]();
      }
    }
  }
  return ranks.fromFirst(() => writeResult(finished, best, scoring && (() => scoring({ signal, report }))));
}

/** The first rank's part. */
async function writeResult(
  { config, state, data, model, run, ranks }: FinishedRun,
  best: Checkpoint | null,
  score: (() => Promise<Evaluation>) | null,
): Promise<RunResult> {
  const test = score === null ? null : await score();
  if (test !== null) await run!.writeHypotheses(test.files);
  // What is not defined, such as a correlation of constant predictions, is no number of JSON.
  const scores = test?.scores.filter((each) => Number.isFinite(each.score)) ?? null;
  const first = scores?.find((each) => each === test?.scores[0]);
  const { ofHook, name, mode } = chosenMetric(config, data.task);
  const stored = best?.state.best ?? null;
  const value = stored === null ? undefined : bestValue(stored, chosenMetric(config, data.task));
  const result: RunResult = {
    task: config.task,
    seed: config.seed,
    direction: config.loss.direction,
    alpha: config.loss.alpha,
    updates: state.update,
    epochs: epochsDone(state, data.train.batchesPerEpoch),
    seconds: state.trainingSeconds,
    bestUpdate: best?.state.update ?? state.update,
    validScore: value === undefined ? null : { name, value, mode },
    validBleu: stored?.bleu ?? null,
    ...(ofHook && value !== undefined && { validMetric: { name, mode, value } }),
    testScore: first === undefined ? null : testScore(first),
    testBleu:
      first === undefined || config.task !== 'translation'
        ? null
        : { score: first.score, signature: first.signature },
    scores,
    parameters: model.parameterCount,
    ...(!ranks.alone && { worldSize: ranks.size }),
    ...(Object.keys(data.overlong).length > 0 && { overlong: data.overlong }),
  };
  await run!.writeResult(result);
  return result;
}

const testScore = ({ name, score, signature, higherIsBetter }: TaskScore) => ({
  ...{ name, score, signature, mode: higherIsBetter ? ('max' as const) : ('min' as const) },
});
