import { checkCall, workOptions } from '../options/schema/call_options.js';
import { describe, parseConfig } from '../options/schema/parse.js';
import type { TaskName } from '../options/tasks/names.js';
import { type PredictOptions, predictSchema } from '../options/tasks/prediction.js';
import type { TrainConfig } from '../options/training.js';
import { taskNamed } from '../tasks/index.js';
import type { PredictedText, Predicting, Prediction } from '../tasks/task.js';
import { type LoadedRun, type LoadOptions, loadOptionNames, loadRun } from '../training/run/load_run.js';
import { untilAborted } from '../util/async/abortable.js';
import { CallsUnderWay } from '../util/async/calls_under_way.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';

export type { PredictedText, Prediction } from '../tasks/task.js';

export interface PredictWork extends PredictOptions {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  /** Called with the batches predicted, and the number of all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

const loading = 'loading the predictor';

/**
 * Classes or numbers of texts with a trained run of classification or regression. `using` frees the model where a block ends, `await
 * using` also waits for the calls under way.
 */
export class Predictor implements Disposable, AsyncDisposable {
  readonly #run: LoadedRun;
  readonly #predict: Predicting;
  readonly #calls = new CallsUnderWay();
  #disposed = false;

  private constructor(run: LoadedRun, predict: Predicting) {
    this.#run = run;
    this.#predict = predict;
  }

  /**
   * Reads a run directory: its text, its labels and one of its checkpoints.
   *
   * @throws RdropError ABORTED, INVALID_ARGUMENT (a run of another task), FILE_NOT_FOUND (no run, or no such checkpoint yet),
   *   CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH, MANIFEST_MISMATCH
   */
  static async load(runDirectory: string, options: LoadOptions = {}): Promise<Predictor> {
    checkCall(options, loadOptionNames, 'Predictor.load');
    const { signal } = options;
    throwIfAborted(signal, loading);
    return await untilAborted(Predictor.#load(runDirectory, options), signal, loading, (late) =>
      late.dispose(),
    );
  }

  static async #load(runDirectory: string, options: LoadOptions): Promise<Predictor> {
    const run = await loadRun(runDirectory, options, loading, checkTask);
    try {
      return new Predictor(run, await run.task.predictor!(run.config, run.directory));
    } catch (error) {
      run.model.dispose();
      throw error;
    }
  }

  /** `classification` or `regression`. */
  get task(): TaskName {
    return this.#run.task.name;
  }

  /**
   * Predicts texts, or pairs of texts where the run was trained on pairs: the label with the probability of every class, or the value.
   * They are sorted by length, batched, and answered in the order given; null stands for one that `overlong: 'skip'` leaves out.
   *
   * @throws RdropError DISPOSED, INVALID_ARGUMENT (no text, an empty one, one longer than maxPositions unless `overlong` says
   *   otherwise), ABORTED
   */
  async predict(texts: readonly PredictedText[], work: PredictWork = {}): Promise<(Prediction | null)[]> {
    if (this.#disposed) throw new RdropError('DISPOSED', 'Predictor: used after dispose()');
    const { signal, onProgress, ...options } = work;
    checkCall({ signal, onProgress }, workOptions, 'predict');
    const {
      overlong,
      name = 'texts',
      line,
    } = parseConfig(predictSchema, options, 'predict', 'INVALID_ARGUMENT', workOptions);
    checkTexts(texts);
    if (texts.length === 0) return [];
    const end = this.#calls.begin();
    try {
      return await this.#predict(this.#run.model, texts, { overlong, name, line, signal, onProgress });
    } finally {
      end();
      this.#free();
    }
  }

  /** Calls under way end first. May be called again. */
  dispose(): void {
    this.#disposed = true;
    this.#free();
  }

  /** Once it has been disposed of and nothing is under way. */
  #free(): void {
    if (this.#disposed && this.#calls.count === 0) this.#run.model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** dispose(), and waits until the calls under way have ended, with their results. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    await this.#calls.ended();
    await this.#run.model[Symbol.asyncDispose]();
  }
}

/** @throws RdropError INVALID_ARGUMENT */
function checkTask({ task }: TrainConfig, directory: string): void {
  if (taskNamed(task).predictor !== undefined) return;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `${directory}: expected a run of classification or regression, got one of ${task}; see rdrop translate and generate`,
  );
}

function checkTexts(texts: unknown): asserts texts is readonly PredictedText[] {
  const isText = (each: unknown) => typeof each === 'string';
  const fits = (each: unknown) =>
    isText(each) || (Array.isArray(each) && each.length === 2 && each.every(isText));
  if (!Array.isArray(texts))
    throw new RdropError('INVALID_ARGUMENT', `texts: expected an array of strings, got ${describe(texts)}`);
  const wrong = texts.findIndex((each) => !fits(each));
  if (wrong < 0) return;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `texts[${wrong}]: expected a string, or two for a pair, got ${describe(texts[wrong])}`,
  );
}
