import { type Batch, packBatch } from '../model/pack.js';
import type { Transformer } from '../model/transformer.js';
import { checkCall, workOptions } from '../options/schema/call_options.js';
import { describe } from '../options/schema/parse.js';
import type { ResumeOptions, TrainConfig, TrainOptions } from '../options/training.js';
import { asRdropError, RdropError } from '../util/errors.js';
import { type StepMetrics, stepMetrics } from './metrics.js';
import { type CreateWork, createLoop, type OpenWork, resumeLoop } from './run/open_run.js';
import { noteFailure } from './run/run_failure.js';
import type { TrainListener } from './stages.js';
import type { TrainEvent } from './train_events.js';
import type { TrainingLoop } from './training_loop.js';
import { checkHook, type ValidationHook } from './validation_hook.js';

export interface FitOptions {
  /** Ends training after the step under way, with a checkpoint. Left out: it runs to its limits. */
  signal?: AbortSignal | undefined;
  /** Called during validation and the translation of the test split. */
  onProgress?: TrainListener | undefined;
  /** Measures the model at each validation; its metrics go to the event, metrics.jsonl and the report. Left out: nothing does. */
  validate?: ValidationHook | undefined;
  /**
   * Updates after which this call pauses, or before where a limit of the run is reached: it validates, writes a checkpoint and ends
   * with the reason `paused`. The test split is not translated, and no result.json is written; another fit(), also after
   * Trainer.resume, continues. 1 or more, in a run of one process. Left out: it trains to the limits of the run.
   */
  pauseAt?: number | undefined;
}

/** @throws RdropError INVALID_ARGUMENT */
function checkPause({ pauseAt }: FitOptions, { ranks }: TrainingLoop): void {
  if (pauseAt === undefined) return;
  const wrong = (text: string) => new RdropError('INVALID_ARGUMENT', `fit.pauseAt: ${text}`);
  if (!Number.isSafeInteger(pauseAt) || pauseAt < 1)
    throw wrong(`expected a whole number of updates from 1 on, got ${describe(pauseAt)}`);
  if (!ranks.alone) throw wrong(`expected none in a run of several processes, got ${pauseAt}`);
}

interface State {
  loop: TrainingLoop;
  status: 'ready' | 'stepping' | 'fitting' | 'disposed';
  /** Whether fit() waits at an event, so that nothing is under way. */
  waiting: boolean;
  /** Ends validation and scoring early. */
  readonly ended: AbortController;
  /** Resolved when nothing is under way. */
  idle: Promise<void>;
  becomeIdle: () => void;
}

/** Begins something that excludes everything else. @throws RdropError DISPOSED, BUSY */
function begin(state: State, status: 'stepping' | 'fitting'): State {
  if (state.status === 'disposed') throw new RdropError('DISPOSED', 'Trainer: used after dispose()');
  if (state.status !== 'ready') {
    throw new RdropError('BUSY', `Trainer: is ${state.status}; one call at a time`);
  }
  state.status = status;
  state.idle = new Promise((resolve) => {
    state.becomeIdle = resolve;
  });
  return state;
}

/** Ends what begin() began; when the trainer was disposed of meanwhile, only now are the files another's. */
function end(state: State): void {
  if (state.status === 'disposed') state.loop.dispose();
  else state.status = 'ready';
  state.becomeIdle();
}

function disposeOf(state: State): void {
  if (isDisposed(state)) return;
  const busy = state.status !== 'ready' && !state.waiting;
  state.status = 'disposed';
  state.ended.abort();
  if (busy) state.loop.end();
  else {
    state.loop.dispose();
    state.becomeIdle();
  }
}

const isDisposed = (state: State): boolean => state.status === 'disposed';

/** What ended a call under way when the trainer was disposed of: its native half throws whatever it comes to first. */
function endedBy(error: unknown, state: State, what: string): unknown {
  const { code } = asRdropError(error);
  if (!isDisposed(state) || (code !== 'DISPOSED' && code !== 'ABORTED')) return error;
  return new RdropError('DISPOSED', `Trainer: was disposed of during ${what}, which ended there`, {
    cause: error,
  });
}

/**
 * Trains one model in one run directory. States: ready, stepping, fitting, disposed. The same configuration, machine
 * and number of threads give bit-identical parameters, whether or not the run was interrupted. `using` frees the model and the run
 * directory where a block ends, `await using` also waits until they are free.
 */
export class Trainer implements Disposable, AsyncDisposable {
  readonly #state: State;

  private constructor(loop: TrainingLoop) {
    this.#state = {
      loop,
      status: 'ready',
      waiting: false,
      ended: new AbortController(),
      idle: Promise.resolve(),
      becomeIdle: () => {},
    };
  }

  /**
   * Begins a run: reads the prepared data, makes the run directory and the model.
   *
   * @throws RdropError ABORTED, INVALID_CONFIG, RUN_EXISTS, RUN_LOCKED, those of the data stages, and those of `native()`
   */
  static async create(options: TrainOptions, work: CreateWork = {}): Promise<Trainer> {
    return new Trainer(await createLoop(options, work));
  }

  /**
   * Continues from the last checkpoint of a run, or from its beginning when it has none.
   *
   * @throws RdropError ABORTED, FILE_NOT_FOUND (no run there), RUN_LOCKED, CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH (other
   *   configuration or data), MANIFEST_MISMATCH, INVALID_ARGUMENT
   */
  static async resume(
    runDirectory: string,
    limits: ResumeOptions = {},
    work: OpenWork = {},
  ): Promise<Trainer> {
    return new Trainer(await resumeLoop(runDirectory, limits, work));
  }

  /** Every default resolved, the paths absolute. */
  get config(): Readonly<TrainConfig> {
    return this.#state.loop.config;
  }

  /** The model that is being trained; it lives as long as the trainer. */
  get model(): Transformer {
    return this.#state.loop.model;
  }

  /** Updates done. */
  get update(): number {
    return this.#state.loop.state.update;
  }

  /** How much of the run is done, from 0 to 1, by whichever limit is nearest. */
  get progress(): number {
    return this.#state.loop.progress;
  }

  get batchesPerEpoch(): number {
    return this.#state.loop.data.train.batchesPerEpoch;
  }

  /**
   * One update with the caller's batch, or with the summed gradients of several.
   *
   * @throws RdropError BUSY, DISPOSED, TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT, NON_FINITE; the model is then unchanged
   */
  async step(batch: Batch | readonly Batch[]): Promise<StepMetrics> {
    if (this.#state.loop.ranks.processes !== null) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        'Trainer: step(): expected a trainer of one process, or of a rank that is given its own batches; one that has started the ' +
          'other ranks trains by fit()',
      );
    }
    const state = begin(this.#state, 'stepping');
    try {
      const batches: readonly Batch[] = Array.isArray(batch) ? batch : [batch as Batch];
      const result = await state.loop.step(batches.map(packBatch));
      const metrics = result.metrics ?? (await state.loop.synchronize())!;
      return stepMetrics(result, metrics, state.loop.data.task.lossUnit);
    } catch (error) {
      throw await state.loop.ranks.failed(endedBy(error, state, 'step()'));
    } finally {
      end(state);
    }
  }

  /**
   * Trains until a limit is reached, validating and writing checkpoints; then translates the test split with the best
   * checkpoint and writes result.json. An abort ends it after the step under way, with a checkpoint. `onProgress` hears
   * what is done meanwhile, validation and the translation of the test split included.
   * What the hook `validate` throws ends the iteration, and the run may continue from before that validation. An error that ends
   * training stands in failure.json until the run continues.
   *
   * @throws RdropError (from the iteration) BUSY, DISPOSED, NON_FINITE, DISK_FULL, FILE_UNWRITABLE, INVALID_ARGUMENT (`validate`:
   *   it is missing where validation.metric names one of its metrics, or returns anything but numbers under names of its own; `pauseAt`)
   */
  async *fit(options: FitOptions = {}): AsyncGenerator<TrainEvent, void> {
    const own = this.#state;
    checkCall(options, [...workOptions, 'validate', 'pauseAt'], 'fit');
    checkPause(options, own.loop);
    const { signal, onProgress, validate, pauseAt } = options;
    const state = begin(own, 'fitting');
    const both = signal === undefined ? state.ended.signal : AbortSignal.any([signal, state.ended.signal]);
    try {
      if (state.loop.ranks.first) checkHook(validate, state.loop.config);
      await state.loop.run?.removeFailure();
      for await (const event of state.loop.events(both, onProgress, validate, pauseAt)) {
        if (isDisposed(state)) throw new RdropError('DISPOSED', 'the trainer was disposed of');
        state.waiting = true;
        try {
          yield event;
        } finally {
          state.waiting = false;
        }
        if (isDisposed(state)) throw new RdropError('DISPOSED', 'the trainer was disposed of');
      }
    } catch (error) {
      const told = await state.loop.ranks.failed(endedBy(error, state, 'fit()'));
      await noteFailure(state.loop, told);
      throw told;
    } finally {
      end(state);
    }
  }

  /** Writes checkpoints/last now. @returns its path. @throws RdropError BUSY, DISPOSED, DISK_FULL, FILE_UNWRITABLE */
  async checkpoint(): Promise<string> {
    const state = begin(this.#state, 'stepping');
    try {
      return (await state.loop.checkpoint(['last'])).path;
    } catch (error) {
      throw endedBy(error, state, 'checkpoint()');
    } finally {
      end(state);
    }
  }

  /**
   * Frees the model and the run directory. What is under way ends first, fit() and step() with DISPOSED, and until then the
   * directory stays this trainer's: a process that asks for it waits for that moment. `await using` and Symbol.asyncDispose wait as
   * well. May be called again.
   */
  dispose(): void {
    disposeOf(this.#state);
  }

  /**
   * dispose(), and waits until nothing is under way any more, calls on `model` included, and the run directory is free. A fit()
   * that waits for its next event is not waited for.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const state = this.#state;
    disposeOf(state);
    await state.idle;
    await state.loop.model[Symbol.asyncDispose]();
    await state.loop.ranks.ended();
  }

  [Symbol.dispose](): void {
    disposeOf(this.#state);
  }
}
