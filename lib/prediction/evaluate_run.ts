import { join, resolve } from 'node:path';
import { checkManifest, hashFile } from '../data/manifest.js';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import type { TaskName } from '../options/tasks/names.js';
import { type EvaluateOptions, evaluateSchema } from '../options/tasks/prediction.js';
import { checkSameTask } from '../tasks/same_types.js';
import type { Task, TaskReport, TaskScore } from '../tasks/task.js';
import { type LoadOptions, loadOptionNames, loadRun } from '../training/run/load_run.js';
import { StageReporter, type TrainListener } from '../training/stages.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';

export interface EvaluateWork extends EvaluateOptions, LoadOptions {
  /** Called while the split is evaluated. */
  onProgress?: TrainListener | undefined;
}

/** What a run is worth on a split. */
export interface RunEvaluation {
  task: TaskName;
  /** The directory and the split of it. */
  data: string;
  split: 'valid' | 'test';
  /** Updates of the checkpoint. */
  update: number;
  /** The figures of the task, its own first; one that is not defined is NaN. */
  scores: TaskScore[];
  /** The lines of its predictions, by the names that hypotheses/ of a run directory gives them. */
  files: Record<string, readonly string[]>;
}

const evaluating = 'evaluating the run';

/**
 * Evaluates a checkpoint of a run, of whatever task, on a split of prepared data; nothing is written. Of the run's own test split the
 * figures are those of its result.json.
 *
 * @throws RdropError ABORTED, INVALID_ARGUMENT, FILE_NOT_FOUND (no run, no such checkpoint or split), CHECKPOINT_CORRUPT,
 *   CHECKPOINT_MISMATCH (data of another task, dictionary or labels), MANIFEST_MISMATCH, and those of the data
 */
export async function evaluateRun(runDirectory: string, options: EvaluateWork = {}): Promise<RunEvaluation> {
  const { split: _s, data: _d, onProgress, ...loading } = options;
  checkCall(options, [...loadOptionNames, 'split', 'data', 'onProgress'], 'evaluateRun');
  const { split, data: elsewhere } = parseConfig(
    evaluateSchema,
    { split: options.split, data: options.data },
    'evaluateRun',
    'INVALID_ARGUMENT',
  );
  const { signal, verify = true } = loading;
  throwIfAborted(signal, evaluating);
  const { directory, config, task, checkpoint, model } = await loadRun(runDirectory, loading, evaluating);
  await using _ = model;
  const data = elsewhere === undefined ? config.data : resolve(elsewhere);
  await checkText(directory, data, task);
  if (verify) await checkManifest(data);
  const { update, epoch } = checkpoint.state;
  const reporter = new StageReporter(onProgress, () => ({
    ...{ update, epoch, loss: null, kl: null, tokensPerSecond: null },
  }));
  const report: TaskReport = (...progress) => reporter.report(...progress);
  const opened = await task.openSplit(config, data, split, { signal, report });
  const score = await opened.search(model, { signal, report });
  const { scores, files } = await score({ signal, report });
  return { task: config.task, data, split, update, scores, files };
}

/** The data must go through the text of the run: another dictionary would give the same ids to other words. */
async function checkText(run: string, data: string, task: Task): Promise<void> {
  await checkSameTask(data, task);
  for (const name of await task.textFiles(run)) {
    const [own, other] = [join(run, name), join(data, name)];
    if ((await pathExists(other)) && (await hashFile(own)) === (await hashFile(other))) continue;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${other}: expected the same file as ${own}, got another or none`,
    );
  }
}
