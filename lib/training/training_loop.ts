import { streamSafetensors } from '../data/safetensors/safetensors.js';
import { reportGraphFallback } from '../model/device.js';
import { nativeLossOptions } from '../model/loss_options.js';
import {
  lentTransformer,
  loadParameters,
  modelMetadata,
  nativeTransformer,
  snapshotOf,
  Transformer,
} from '../model/transformer.js';
import { withVocabularies } from '../model/vocabularies.js';
import { native } from '../native/binding.js';
import type { NativeMetrics, NativeStep, NativeTrainer, PackedBatch } from '../native/contract.js';
import type { TrainConfig } from '../options/training.js';
import { asRdropError, fromNative, RdropError } from '../util/errors.js';
import { type RdropWarning, warn } from '../util/warnings.js';
import { afterValidation } from './best.js';
import {
  type Checkpoint,
  type CheckpointName,
  findCheckpoint,
  freshState,
  openBest,
  openCheckpoint,
  type TrainingState,
  writeCheckpoint,
} from './checkpoint.js';
import {
  addToWindow,
  emptyWindow,
  perToken,
  type TrainMetrics,
  trainLine,
  type ValidationMetrics,
} from './metrics.js';
import { loadMoments, storedMoments } from './moments.js';
import { following, limitReached, progressOf } from './progress.js';
import { checkLastCheckpoint } from './run_checkpoint.js';
import type { RunData } from './run_data.js';
import { fingerprint, type RunDirectory } from './run_directory.js';
import { runResult } from './run_result.js';
import { runWarnings } from './run_warnings.js';
import { StageReporter, type TrainListener } from './stages.js';
import type { StopReason, TrainEvent } from './train_events.js';
import { validate } from './validation.js';
import { runHook, type ValidationHook } from './validation_hook.js';

/**
 * Training from data to result. Between two updates everything about the run is in `state`, the parameters and the
 * moments of the optimizer, so that a run resumed from there continues exactly as if nothing had happened: what is due
 * (validation, checkpoint, end) is derived from the state, never remembered elsewhere.
 */
export class TrainingLoop {
  readonly state: TrainingState;
  /** The update of the last checkpoint and whether it was validated, so that none is written twice. */
  #saved = '';
  /** A device did steps whose metrics have not been read. */
  #unread = false;
  #resumedAt = 0;
  /** metrics.jsonl may have the line, or a part, of something that failed before it was done. */
  #stray = false;
  /** Not yet reported as events. */
  readonly #warnings: RdropWarning[] = [];

  private constructor(
    readonly config: TrainConfig,
    readonly run: RunDirectory,
    readonly data: RunData,
    readonly model: Transformer,
    readonly trainer: NativeTrainer,
  ) {
    this.state = freshState(fingerprint(config));
  }

  /** A loop at update 0. */
  static async create(config: TrainConfig, run: RunDirectory, data: RunData): Promise<TrainingLoop> {
    const { seed, device, precision } = config;
    const modelConfig = withVocabularies(config.model, data.pipeline, config.data);
    await checkLastCheckpoint(run.checkpoints, modelConfig);
    await fromNative(() => native().setThreads(config.threads));
    const model = await Transformer.create(modelConfig, { seed, device, precision });
    try {
      const loss = nativeLossOptions(config.loss, model.config.vocabSize);
      const trainer = await fromNative(() =>
        native().Trainer.create(nativeTransformer(model), config.optimizer, loss),
      );
      const loop = new TrainingLoop(config, run, data, model, trainer);
      loop.#warnings.push(...runWarnings(config, data));
      for (const warning of loop.#warnings) warn(warning);
      return loop;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /**
   * Goes back to the last checkpoint, or to the beginning where there is none.
   *
   * @param verify without it a best checkpoint that is not there is forgotten
   * @throws RdropError CHECKPOINT_*
   */
  async restore(verify = true): Promise<void> {
    const path = await findCheckpoint(this.run.checkpoints, 'last');
    if (path !== null) {
      const checkpoint = await openCheckpoint(path);
      if (checkpoint.state.fingerprint !== this.state.fingerprint) {
        throw new RdropError(
          'CHECKPOINT_MISMATCH',
          `${path}: was made with another configuration than config.json now holds`,
        );
      }
      await this.#loadModel(checkpoint);
      await this.#restoreOptimizer(checkpoint);
      Object.assign(this.state, checkpoint.state);
      this.#saved = this.#mark();
    }
    await this.#rewind();
    await this.#restoreBest(verify);
  }

  /** Checks that the best checkpoint is there, before hours of training end with that question. */
  async #restoreBest(verify: boolean): Promise<void> {
    const { state } = this;
    try {
      await openBest(this.run.checkpoints, state);
    } catch (error) {
      // The last one is the same.
      if (state.best?.update === state.update) await this.checkpoint(['best']);
      else if (verify) throw error;
      else state.best = null;
    }
  }

  /** metrics.jsonl as the state counts it: without what was written by a process, or a validation, that did not come to its checkpoint. */
  async #rewind(): Promise<void> {
    const { update, lastValidated, metricsLines } = this.state;
    for (const message of await this.run.metrics.rewind(update, lastValidated, metricsLines)) {
      const warning: RdropWarning = { code: 'METRICS_DAMAGED', message };
      this.#warnings.push(warning);
      warn(warning);
    }
    this.#stray = false;
  }

  async #loadModel(checkpoint: Checkpoint): Promise<void> {
    await using file = await checkpoint.open('model');
    await loadParameters(this.model, file.tensors, checkpoint.path);
  }

  async #restoreOptimizer(checkpoint: Checkpoint): Promise<void> {
    await using file = await checkpoint.open('optimizer');
    const shapes = nativeTransformer(this.model).parameterShapes;
    await loadMoments(this.trainer, file.tensors, shapes, checkpoint.path);
    await fromNative(() => this.trainer.setCounters(checkpoint.state.optimizer));
  }

  /** One update; the caller's batches, or those of the corpus. On a device it is under way when this returns. */
  async step(batches: PackedBatch[]): Promise<NativeStep> {
    this.run.check();
    const result = await this.#timed(() => this.trainer.step(batches));
    this.state.update = result.update;
    if (result.metrics === null) this.#unread = true;
    else addToWindow(this.state.window, result.metrics);
    return result;
  }

  /**
   * Waits for the device and adds what the steps since the last call did to the window; null where nothing is unread.
   *
   * @throws RdropError NON_FINITE; the model and `state.update` are then those before the update that it names
   */
  async synchronize(): Promise<NativeMetrics | null> {
    if (!this.#unread) return null;
    this.#unread = false;
    try {
      const metrics = await this.#timed(() => this.trainer.metrics());
      addToWindow(this.state.window, metrics);
      reportGraphFallback('training', metrics.graphFallbackReason);
      return metrics;
    } finally {
      this.state.update = this.trainer.update;
    }
  }

  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await fromNative(work);
    } finally {
      const seconds = (performance.now() - began) / 1000;
      this.state.trainingSeconds += seconds;
      this.state.window.seconds += seconds;
    }
  }

  /** Trains to the end. A generator that is left early stops between two updates and may be started again. */
  async *events(
    signal: AbortSignal,
    listener?: TrainListener,
    hook?: ValidationHook,
  ): AsyncGenerator<TrainEvent, void> {
    const { config, state, data } = this;
    const { updatesPerEpoch } = data.train;
    const reporter = new StageReporter(listener, () => this.#moment());
    let first = true;
    this.#resumedAt = performance.now() - 1000 * state.elapsedSeconds;
    let prepared: PackedBatch[] | null = null;
    if (this.#stray) await this.#rewind();
    for (const warning of this.#warnings.splice(0)) {
      yield { type: 'warning', ...warning, update: state.update, epoch: state.epoch };
    }
    for (;;) {
      this.#tick();
      if (this.#logDue()) yield await this.#log();
      if (!signal.aborted && this.#validationDue()) {
        const events = await this.#validate(reporter, signal, hook);
        if (events !== null) yield* events;
      }
      const reason = signal.aborted ? 'aborted' : this.#limitReached();
      if (reason !== null) {
        if (this.#saved !== this.#mark()) yield await this.checkpoint(['last']);
        yield await this.#end(reason, reporter, signal);
        return;
      }
      if (
        config.checkpointInterval > 0 &&
        state.update > 0 &&
        state.update % config.checkpointInterval === 0
      ) {
        if (this.#saved !== this.#mark()) yield await this.checkpoint(['last']);
      }
      if (state.update === 0 || prepared === null) await this.run.removeResult();
      const place = following(state, updatesPerEpoch);
      const batches = prepared ?? data.train.at(place.epoch, place.position);
      const running = this.step(batches);
      // Packed while the native core works, so that it need not wait for JavaScript.
      const next = following({ ...place, position: place.position + 1 }, updatesPerEpoch);
      prepared = data.train.at(next.epoch, next.position);
      await running;
      state.epoch = place.epoch;
      state.position = place.position + 1;
      if (reporter.due('training')) {
        this.#tick();
        // A device is waited for once, so that the loss shows from the first update on.
        if (first) await this.synchronize();
        first = false;
        reporter.report('training', this.progress, 1);
      }
    }
  }

  #tick(): void {
    this.state.elapsedSeconds = (performance.now() - this.#resumedAt) / 1000;
  }

  #limitReached(): Exclude<StopReason, 'aborted'> | null {
    this.#tick();
    return limitReached(this.config, this.state, this.data.train.updatesPerEpoch);
  }

  #moment() {
    const { update, epoch, window } = this.state;
    const known = window.tokens > 0;
    const { loss, kl } = known ? perToken(window) : { loss: null, kl: null };
    return { update, epoch, loss, kl, tokensPerSecond: known ? window.tokens / window.seconds : null };
  }

  get progress(): number {
    return progressOf(this.config, this.state, this.data.train.updatesPerEpoch);
  }

  #validationDue(): boolean {
    const { update, lastValidated, position } = this.state;
    if (update === 0 || update === lastValidated) return false;
    const { interval } = this.config.validation;
    const regular = interval > 0 ? update % interval === 0 : position === this.data.train.updatesPerEpoch;
    return regular || this.#limitReached() !== null;
  }

  /** Updates since the last line of metrics, at the end or where the interval has one. */
  #logDue(): boolean {
    const { update, window } = this.state;
    if (!this.#unread && window.updates === 0 && window.skipped === 0) return false;
    return update % this.config.logInterval === 0 || this.#limitReached() !== null;
  }

  async #log(): Promise<TrainMetrics> {
    await this.synchronize();
    const { state } = this;
    const line = trainLine(state);
    this.#stray = true;
    await this.run.metrics.append(line);
    this.#stray = false;
    state.window = emptyWindow();
    return line;
  }

  /**
   * Validates and writes the checkpoint that follows; null when it was aborted: then nothing happened. What it found is part of
   * the state only when that checkpoint stands: a run that is left or fails before validates again.
   */
  async #validate(
    reporter: StageReporter,
    signal: AbortSignal,
    hook: ValidationHook | undefined,
  ): Promise<TrainEvent[] | null> {
    const { config, state, data } = this;
    const began = performance.now();
    let line: ValidationMetrics;
    try {
      const losses = await validate(this.model, data.pipeline, data.valid, {
        config,
        signal,
        onProgress: (...progress) => reporter.report('validation translation', ...progress),
        onLoss: (...progress) => reporter.report('validation loss', ...progress),
      });
      const work = { model: lentTransformer(this.model), update: state.update, config, signal };
      const metrics = hook === undefined ? null : await runHook(hook, work);
      line = {
        type: 'validation',
        update: state.update,
        epoch: state.epoch,
        ...losses,
        ...(metrics !== null && { metrics }),
        seconds: state.trainingSeconds,
        validationSeconds: (performance.now() - began) / 1000,
      };
    } catch (error) {
      if (signal.aborted && asRdropError(error).code === 'ABORTED') return null;
      throw error;
    }
    const { best, found } = afterValidation(line, state, config);
    this.#stray = true;
    await this.run.metrics.append(line);
    const checkpoint = await this.checkpoint(best ? ['best', 'last'] : ['last'], found);
    this.#stray = false;
    return [{ ...line, best }, checkpoint];
  }

  #mark(): string {
    return `${this.state.update}/${this.state.lastValidated}`;
  }

  /**
   * @param found what becomes part of the state with this checkpoint
   * @throws RdropError DISK_FULL, FILE_UNWRITABLE; the checkpoints before and the state are then untouched
   */
  async checkpoint(
    names: readonly CheckpointName[],
    found: Partial<TrainingState> = {},
  ): Promise<TrainEvent & { type: 'checkpoint' }> {
    await this.synchronize();
    const { checkpoints } = this.run;
    {
      using snapshot = await snapshotOf(this.model);
      const { tensors } = snapshot;
      const counters = await fromNative(() => this.trainer.counters());
      this.state.optimizer = counters;
      const content = {
        model: streamSafetensors(tensors, modelMetadata(this.model.config)),
        optimizer: streamSafetensors(storedMoments(this.trainer, tensors)),
        state: structuredClone({ ...this.state, ...found, metricsLines: await this.run.metrics.flush() }),
      };
      await this.run.writing((fence) => writeCheckpoint(checkpoints, names, content, fence));
    }
    Object.assign(this.state, found);
    this.#saved = this.#mark();
    const path = (await findCheckpoint(checkpoints, 'last')) ?? checkpoints;
    const { update, epoch } = this.state;
    return { type: 'checkpoint', update, epoch, path, best: names.includes('best') };
  }

  async #end(reason: StopReason, reporter: StageReporter, signal?: AbortSignal): Promise<TrainEvent> {
    const { update, epoch } = this.state;
    const ended = { type: 'end' as const, update, epoch };
    if (reason === 'aborted') return { ...ended, reason, result: null };
    try {
      return { ...ended, reason, result: await runResult(this, reporter, signal) };
    } catch (error) {
      if (asRdropError(error).code !== 'ABORTED') throw error;
      return { ...ended, reason: 'aborted', result: null };
    }
  }

  /** Nothing new is computed: calls under way end, later ones throw DISPOSED. The files stay ours until dispose(). */
  end(): void {
    this.trainer.dispose();
    this.model.dispose();
    this.run.end();
  }

  /** Idempotent. Only while nothing of this run is under way. */
  dispose(): void {
    this.end();
    this.run.release();
  }
}
