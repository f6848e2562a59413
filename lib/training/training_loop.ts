import { join } from 'node:path';
import { reportGraphFallback, resolveRuntime } from '../model/device.js';
import { nativeLossOptions } from '../model/loss_options.js';
import { nativeTransformer, Transformer } from '../model/transformer.js';
import { native } from '../native/binding.js';
import type { NativeMetrics, NativeStep, NativeTrainer, PackedBatch } from '../native/contract.js';
import type { TrainConfig } from '../options/training.js';
import { perToken } from '../tasks/losses.js';
import type { TaskData } from '../tasks/task.js';
import { quietly } from '../util/async/cleanup.js';
import { asRdropError, fromNative } from '../util/errors.js';
import { type RdropWarning, warn } from '../util/warnings.js';
import { afterValidation, chosenMetric } from './best.js';
import {
  type CheckpointName,
  findCheckpoint,
  freshState,
  openBest,
  type TrainingState,
} from './checkpoint.js';
import { Agreement } from './distributed/agreement.js';
import { threadsOf } from './distributed/place.js';
import { alone, type Ranks } from './distributed/ranks.js';
import { shareOptimizer, shareParameters } from './distributed/share_parameters.js';
import { fingerprint } from './fingerprint.js';
import { begin } from './init.js';
import { measure } from './measure.js';
import { addToWindow, emptyWindow, type TrainMetrics, trainLine } from './metrics.js';
import { nativeOptimizerOptions } from './optimizer/optimizer_options.js';
import { following, limitReached, type Place, progressOf } from './progress.js';
import { checkLastCheckpoint } from './run/run_checkpoint.js';
import type { RunDirectory } from './run/run_directory.js';
import { runResult } from './run/run_result.js';
import { restoreLast, writeRun } from './run/stored_run.js';
import { StageReporter, type TrainListener } from './stages.js';
import type { StopReason, TrainEvent } from './train_events.js';
import type { ValidationHook } from './validation_hook.js';

/**
 * Training from data to result. Between two updates everything about the run is in `state`, the parameters and the
 * moments of the optimizer, so that a run resumed from there continues exactly as if nothing had happened: what is due
 * (validation, checkpoint, end) is derived from the state, never remembered elsewhere. Of several ranks each has the same
 * state, derives the same, and only the first writes it; what comes from outside (an abort, the clock) they agree on.
 */
export class TrainingLoop {
  readonly state: TrainingState & Place;
  readonly #agreement: Agreement;
  /** The update of the last checkpoint and whether it was validated, so that none is written twice. */
  #saved = '';
  /** A device did steps whose metrics have not been read. */
  #unread = false;
  #resumedAt = 0;
  /** metrics.jsonl may have the line, or a part, of something that failed before it was done. */
  #stray = false;
  #pauseAt = 0;
  /** Not yet reported as events. */
  readonly #warnings: RdropWarning[] = [];

  private constructor(
    readonly config: TrainConfig,
    /** null on every rank but the first. */
    readonly run: RunDirectory | null,
    readonly data: TaskData,
    readonly model: Transformer,
    readonly trainer: NativeTrainer,
    readonly ranks: Ranks,
  ) {
    this.state = freshState(fingerprint(config));
    if (!ranks.alone) this.state.worldSize = ranks.size;
    this.#agreement = new Agreement(ranks, config, this.state);
  }

  /** A loop at update 0. */
  static async create(
    config: TrainConfig,
    run: RunDirectory | null,
    data: TaskData,
    ranks: Ranks = alone,
  ): Promise<TrainingLoop> {
    const { seed, device, precision } = config;
    if (run !== null) await checkLastCheckpoint(run.checkpoints, data.network);
    await fromNative(() => native().setThreads(threadsOf(config)));
    const model = await Transformer.create(data.network, { seed, device, precision });
    try {
      const loss = nativeLossOptions(data.loss, data.classes);
      const trainer = await fromNative(() =>
        native().Trainer.create(
          nativeTransformer(model),
          nativeOptimizerOptions(config, nativeTransformer(model)),
          loss,
          ranks.wire(config.distributed, resolveRuntime(config).device),
        ),
      );
      const loop = new TrainingLoop(config, run, data, model, trainer, ranks);
      if (run !== null) for (const warning of await begin(model, config, run, data)) loop.#warn(warning);
      return loop;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /**
   * Goes back to the last checkpoint, or to the beginning where there is none. Other ranks than the first have it from share().
   *
   * @param verify without it a best checkpoint that is not there is forgotten
   * @throws RdropError CHECKPOINT_*
   */
  async restore(verify = true): Promise<void> {
    const { run } = this;
    if (run === null) return;
    const warnings = await restoreLast(this, run.checkpoints);
    for (const warning of warnings ?? []) this.#warn(warning);
    if (warnings !== null) this.#saved = this.#mark();
    await this.#rewind();
    await this.#restoreBest(run, verify);
  }

  /** Gives rank 0's parameters, optimizer and state to every rank. */
  async share(): Promise<void> {
    const { ranks, model, trainer, state } = this;
    if (ranks.alone) return;
    await shareParameters(ranks, model);
    Object.assign(state, await ranks.fromFirst(() => state));
    if (state.update > 0) await shareOptimizer(ranks, model, trainer, state);
    this.#saved = await ranks.fromFirst(() => this.#saved);
  }

  #warn(warning: RdropWarning): void {
    this.#warnings.push(warning);
    warn(warning);
  }

  /** Checks that the best checkpoint is there, before hours of training end with that question. */
  async #restoreBest(run: RunDirectory, verify: boolean): Promise<void> {
    const { state } = this;
    try {
      await openBest(run.checkpoints, state);
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
    const messages = (await this.run?.metrics.rewind(update, lastValidated, metricsLines)) ?? [];
    for (const message of messages) this.#warn({ code: 'METRICS_DAMAGED', message });
    this.#stray = false;
  }

  /** One update; the caller's batches, or those of the corpus. On a device it is under way when this returns. */
  async step(batches: PackedBatch[], flags = 0): Promise<NativeStep> {
    this.run?.check();
    const result = await this.#timed(() => this.trainer.step(batches, flags));
    this.state.update = result.update;
    this.#agreement.add(result.flags);
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
    pauseAt = 0,
  ): AsyncGenerator<TrainEvent, void> {
    const { state, data } = this;
    const { checkpointInterval: every } = this.config;
    const { batchesPerEpoch } = data.train;
    this.#pauseAt = pauseAt;
    const reporter = new StageReporter(listener, () => this.#moment());
    let first = true;
    this.#resumedAt = performance.now() - 1000 * state.elapsedSeconds;
    let prepared: PackedBatch[] | null = null;
    if (this.#stray) await this.#rewind();
    const { update, epoch } = state;
    const warnings = this.#warnings.splice(0);
    yield* this.#tell(
      signal,
      warnings.map((warning) => ({ type: 'warning' as const, ...warning, update, epoch })),
    );
    for (;;) {
      if (this.#agreement.left) return;
      this.#tick();
      if (this.#logDue()) yield* this.#tell(signal, [await this.#log()]);
      if (!this.#agreement.aborted(signal) && this.#validationDue()) {
        const events = await this.#validate(reporter, signal, hook);
        if (events !== null) yield* this.#tell(signal, events);
      }
      if (this.#agreement.left) return;
      const reason = this.#agreement.aborted(signal) ? 'aborted' : this.#limitReached();
      if (reason !== null) {
        if (this.#saved !== this.#mark()) yield* this.#tell(signal, [await this.checkpoint(['last'])]);
        if (this.#agreement.left) return;
        // Nothing is left to agree on.
        yield await this.#end(reason, reporter, signal);
        return;
      }
      if (every > 0 && state.update > 0 && state.update % every === 0) {
        if (this.#saved !== this.#mark()) yield* this.#tell(signal, [await this.checkpoint(['last'])]);
        if (this.#agreement.left) return;
      }
      if (state.update === 0 || prepared === null) await this.run?.removeResult();
      const place = following(state, batchesPerEpoch);
      const batches = prepared ?? data.train.at(place.epoch, place.batches);
      const running = this.step(batches, this.#agreement.said(signal));
      // Packed while the native core works, so that it need not wait for JavaScript.
      const done = data.train.after(place.batches);
      const next = following({ ...place, batches: done }, batchesPerEpoch);
      prepared = data.train.at(next.epoch, next.batches);
      await running;
      state.epoch = place.epoch;
      state.position = place.batches === 0 ? 1 : state.position + 1;
      state.batches = done;
      if (reporter.due('training')) {
        this.#tick();
        // A device is waited for once, so that the loss shows from the first update on.
        if (first && this.ranks.alone) await this.synchronize();
        first = false;
        reporter.report('training', this.progress, 1);
      }
    }
  }

  #tick(): void {
    this.state.elapsedSeconds = (performance.now() - this.#resumedAt) / 1000;
  }

  /**
   * Passes events on. When whoever takes them is ready for more, the ranks meet: then all know of an abort, of the time, and whether
   * rank 0's events are taken any longer.
   */
  async *#tell(signal: AbortSignal, events: readonly TrainEvent[]): AsyncGenerator<TrainEvent, void> {
    let left = true;
    const meet = () => {
      this.#tick();
      return this.#agreement.meet(this.#agreement.said(signal, left));
    };
    try {
      yield* events;
      left = false;
    } finally {
      await (left ? quietly(meet) : meet());
    }
  }

  #limitReached(): Exclude<StopReason, 'aborted'> | null {
    this.#tick();
    const { config, state, data } = this;
    return limitReached(config, state, data.train.batchesPerEpoch, this.#agreement.timeUp(), this.#pauseAt);
  }

  #moment() {
    const { update, epoch, window } = this.state;
    const known = window.tokens > 0;
    const { loss, kl } = known ? perToken(window, this.data.task.lossUnit) : { loss: null, kl: null };
    return { update, epoch, loss, kl, tokensPerSecond: known ? window.tokens / window.seconds : null };
  }

  get progress(): number {
    return progressOf(this.config, this.state, this.data.train.batchesPerEpoch);
  }

  #validationDue(): boolean {
    const { update, lastValidated, batches } = this.state;
    if (update === 0 || update === lastValidated) return false;
    const { interval } = this.config.validation;
    const regular = interval > 0 ? update % interval === 0 : batches === this.data.train.batchesPerEpoch;
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
    const line = trainLine(state, this.data.task.lossUnit);
    this.#stray = true;
    await this.run?.metrics.append(line);
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
    const { config, state } = this;
    let line: Awaited<ReturnType<typeof measure>>;
    try {
      line = await measure(this, reporter, signal, hook);
    } catch (error) {
      const aborted = asRdropError(error).code === 'ABORTED';
      if (!aborted || (this.ranks.alone && !signal.aborted)) throw error;
      this.#agreement.abort();
      return null;
    }
    const { best, found } = afterValidation(line, state, chosenMetric(config, this.data.task));
    this.#stray = true;
    await this.run?.metrics.append(line);
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
    const { run } = this;
    if (run !== null) await writeRun(this, run, names, found);
    Object.assign(this.state, found);
    this.#saved = this.#mark();
    const checkpoints = join(this.config.runDirectory, 'checkpoints');
    const path = (run && (await findCheckpoint(checkpoints, 'last'))) ?? join(checkpoints, 'last');
    const { update, epoch } = this.state;
    return { type: 'checkpoint', update, epoch, path, best: names.includes('best') };
  }

  async #end(reason: StopReason, reporter: StageReporter, signal?: AbortSignal): Promise<TrainEvent> {
    const { update, epoch } = this.state;
    const ended = { type: 'end' as const, update, epoch };
    if (reason === 'aborted' || reason === 'paused') return { ...ended, reason, result: null };
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
    this.ranks.dispose();
    this.run?.end();
  }

  /** Idempotent. Only while nothing of this run is under way. */
  dispose(): void {
    this.end();
    this.run?.release();
  }
}
