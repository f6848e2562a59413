/**
 * A sweep: the same configuration trained with several seeds and KL directions, one process and one directory a trial.
 */

import { join } from 'node:path';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import { type SweepConfig, type SweepOptions, sweepSchema } from '../options/sweep.js';
import { plannedComparison } from '../statistics/planned_comparison.js';
import type { RunResult } from '../training/run/run_directory.js';
import type { TrainProgress } from '../training/stages.js';
import type { TrainEvent } from '../training/train_events.js';
import { asRdropError, RdropError } from '../util/errors.js';
import { readJsonFile } from '../util/files/files.js';
import { warn } from '../util/warnings.js';
import { whileLocked } from './directory_lock.js';
import { decidedRungs, rungsOf, scoresOf, validatedBy, writeRungs } from './halving.js';
import { named, type SweepEvent } from './messages.js';
import {
  openPlan,
  placeTrial,
  planTrials,
  type SweepTrainOptions,
  sweepSlots,
  type Trial,
  type TrialState,
  trialState,
} from './plan.js';
import { isMirror, removeMirror } from './queue/mirror.js';
import { finishedBefore, queuedState, queueTrials } from './queue/queue_trials.js';
import { conditionOfTrial, conditionsOf } from './search.js';
import type { Slot } from './slots.js';
import { runTrial } from './trial_process.js';

export type { RungScore, SweepEvent, TrialName } from './messages.js';
export type { SweepPlan, SweepTrainOptions } from './plan.js';

export interface SweepControl {
  /** Ends the running trials with a checkpoint each. Left out: the sweep runs to its end. */
  signal?: AbortSignal;
  /** The program that trains a trial, for tests; the default is the package's own. */
  trialEntry?: string;
}

/**
 * Trains every combination of a seed and a direction and yields what happens. Finished trials are recognized by their
 * result and reused, interrupted ones continue from their last checkpoint; so the same call repeated completes a sweep.
 * A failed trial is an event and does not stop the others, unless `stopOnFailure` asks for it. The signal ends a sweep as it
 * ends fit(): the running trials write a checkpoint and end (on a queue they continue, and the same call shows them again), then comes the event `end` with the reason 'aborted'. Leaving the
 * loop early ends the trials alike.
 *
 * @param config what the trials share (trainSchema without seed and runDirectory)
 * @param options sweepSchema, and a signal
 * @throws RdropError INVALID_CONFIG, RUN_EXISTS (the directory holds another sweep), RUN_LOCKED, RUN_LOST, TRIAL_FAILED (only with
 *   stopOnFailure), QUEUE_UNAVAILABLE and PACKAGE_MISSING (only with a queue), and what reading and writing files throws
 */
export async function* sweep(
  config: SweepTrainOptions,
  options: SweepOptions & SweepControl,
): AsyncGenerator<SweepEvent, void, undefined> {
  const { signal, trialEntry, ...rest } = options;
  checkCall({ signal }, ['signal'], 'sweep');
  const sweepConfig = parseConfig(sweepSchema, rest, 'sweep', 'INVALID_CONFIG', ['signal']);
  checkQueue(sweepConfig);
  if (sweepConfig.queue !== undefined && config.distributed !== undefined) {
    throw new RdropError(
      'INVALID_CONFIG',
      'config.distributed: expected nothing in a sweep on a queue, whose trials have one process each, got an object',
    );
  }
  const slots = sweepConfig.queue === undefined ? sweepSlots(config, sweepConfig) : [];
  const trials = planTrials(config, sweepConfig, slots);
  if (signal?.aborted) {
    yield { type: 'end', reason: 'aborted', finished: 0, failed: 0 };
    return;
  }
  yield* whileLocked(sweepConfig, (lost, verify) =>
    sweepConfig.queue === undefined
      ? sweepTrials(config, sweepConfig, trials, { signal, trialEntry, slots, lost, verify })
      : sweepOnQueue(config, sweepConfig, trials, { signal, lost, verify }),
  );
}

/** @throws RdropError INVALID_CONFIG for options that only one of both kinds of sweep has */
function checkQueue({ queue, name, slots, parallel, queueCa, queuePasswordFile }: SweepConfig): void {
  const wrong = (text: string) => new RdropError('INVALID_CONFIG', `sweep.${text}`);
  if (queue === undefined) {
    const extra = Object.entries({ name, queueCa, queuePasswordFile }).find(
      ([, value]) => value !== undefined,
    );
    if (extra) throw wrong(`${extra[0]}: expected a queue beside it, got ${JSON.stringify(extra[1])}`);
  } else if (name === undefined)
    throw wrong('name: expected the name of the sweep on its queue, got nothing');
  else if (slots !== undefined)
    throw wrong('slots: expected none, since workers have slots of their own, got some');
  else if (parallel !== 0)
    throw wrong(`parallel: expected 0, since workers have slots of their own, got ${parallel}`);
}

async function* sweepOnQueue(
  config: SweepTrainOptions,
  sweepConfig: SweepConfig,
  planned: readonly Trial[],
  control: Pick<LockedControl, 'signal' | 'lost' | 'verify'>,
): AsyncGenerator<SweepEvent, void, undefined> {
  const { seeds, data, ...plan } = await openPlan(config, sweepConfig);
  const trials = await Promise.all(planned.map(placeTrial));
  const states = new Map<Trial, TrialState>();
  for (const trial of trials) states.set(trial, await queuedState(trial));
  const { queue, name } = sweepConfig as SweepConfig & { queue: string; name: string };
  yield {
    type: 'plan',
    trials: trials.map((trial) => ({ ...named(trial), state: states.get(trial) as TrialState })),
    parallel: 0,
    threads: (trials[0] as Trial).config.threads,
    planned: plannedComparison(seeds.length, conditionsOf(plan).length),
    queue: name,
  };
  const done = trials.filter((trial) => states.get(trial) === 'finished');
  yield* finishedBefore(done);
  const open = trials.filter((trial) => !done.includes(trial));
  const { finished, failed } =
    open.length === 0
      ? { finished: 0, failed: 0 }
      : yield* queueTrials(open, { ...sweepConfig, queue, name }, { ...control, data });
  const reason = control.signal?.aborted && finished + failed < open.length ? 'aborted' : 'finished';
  yield { type: 'end', reason, finished: finished + done.length, failed };
}

interface LockedControl {
  signal: AbortSignal | undefined;
  trialEntry: string | undefined;
  slots: readonly Slot[];
  /** Aborted when another sweep has taken the directory over. */
  lost: AbortSignal;
  /** @throws RdropError RUN_LOST */
  verify(): Promise<void>;
}

async function* sweepTrials(
  config: SweepTrainOptions,
  sweepConfig: SweepConfig,
  planned: readonly Trial[],
  { signal, trialEntry, slots, lost, verify }: LockedControl,
): AsyncGenerator<SweepEvent, void, undefined> {
  const { seeds, ...plan } = await openPlan(config, sweepConfig);
  const trials = await Promise.all(planned.map(placeTrial));
  const states = new Map<Trial, TrialState>();
  for (const trial of trials) {
    // Shown here while it ran elsewhere, for a sweep on a queue.
    if (await isMirror(trial.directory)) await removeMirror(trial.directory);
    states.set(trial, await trialState(trial));
  }

  const queue = new EventQueue();
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();

  queue.push({
    type: 'plan',
    trials: trials.map((trial) => ({ ...named(trial), state: states.get(trial) as TrialState })),
    parallel: slots.length,
    threads: (trials[0] as Trial).config.threads,
    planned: plannedComparison(seeds.length, conditionsOf(plan).length),
  });
  const waiting: Trial[] = [];
  let finished = 0;
  let failed = 0;
  let failure: RdropError | undefined;
  /** Of the rung under way: its updates, but in the last; how many trials are done; those that failed. */
  let pauseAt: number | undefined;
  let settled = 0;
  const broken = new Set<string>();
  let complete = false;
  const lose = (): void => {
    failure ??= asRdropError(lost.reason);
    abort();
  };
  lost.addEventListener('abort', lose, { once: true });

  const work = async (slot: Slot): Promise<void> => {
    for (let trial = waiting.shift(); trial && !controller.signal.aborted; trial = waiting.shift()) {
      try {
        await finishTrial(trial, slot);
        settled += 1;
        if (pauseAt === undefined) finished += 1;
      } catch (error) {
        let coded = asRdropError(error);
        if (coded.code === 'ABORTED' || lost.aborted) return;
        if (coded.code !== 'TRIAL_FAILED') {
          coded = new RdropError('TRIAL_FAILED', `the trial ${trial.name} failed: ${coded.message}`, {
            cause: coded,
          });
        }
        settled += 1;
        failed += 1;
        broken.add(trial.name);
        queue.push({ type: 'fail', trial: named(trial), error: coded });
        if (sweepConfig.stopOnFailure) {
          failure ??= coded;
          abort();
        }
      }
    }
  };
  const warned = new Set<string>();
  const tell = (trial: Trial, event: TrainEvent | TrainProgress): void => {
    if (event.type !== 'warning') queue.push({ type: 'progress', trial: named(trial), event });
    else if (!warned.has(event.message)) {
      // Trials share what they are warned of.
      warned.add(event.message);
      const { code, message } = event;
      warn({ code, message });
      queue.push({ type: 'warning', code, message });
    }
  };
  const finishTrial = async (trial: Trial, slot: Slot): Promise<void> => {
    await verify();
    // Looked at again: the process that lost the directory may have come further since the plan.
    const state = await trialState(trial);
    const paused =
      pauseAt !== undefined && (state === 'finished' || (await validatedBy(trial, pauseAt)).done);
    if (paused) return;
    if (state !== 'finished') {
      const resume = state === 'interrupted';
      queue.push({ type: 'start', trial: named(trial), resumed: resume });
      try {
        await runTrial(trial, {
          resume,
          unlock: sweepConfig.unlock,
          verify: sweepConfig.verify,
          pauseAt,
          entry: trialEntry,
          slot,
          signal: controller.signal,
          onEvent: (event) => tell(trial, event),
        });
      } catch (error) {
        // The trial of the sweep that held the directory before began this run after its state was read.
        const begun = !resume && asRdropError((error as Error).cause).code === 'RUN_EXISTS';
        if (begun && (await trialState(trial)) !== state) return finishTrial(trial, slot);
        throw error;
      }
    }
    if (pauseAt !== undefined) return;
    const result = (await readJsonFile(join(trial.directory, 'result.json'))) as RunResult;
    queue.push({ type: 'finish', trial: named(trial), result, reused: state === 'finished' });
  };

  /** Rung by rung; without halving there is one. */
  const climb = async (): Promise<void> => {
    const rungs = rungsOf(sweepConfig, (trials[0] as Trial).config.maxUpdates);
    const decided = await decidedRungs(sweepConfig);
    let field = trials;
    for (const [i, { updates }] of rungs.entries()) {
      const last = i === rungs.length - 1;
      const before = last ? undefined : decided[i];
      let rung = before;
      if (rung === undefined) {
        pauseAt = last ? undefined : updates;
        settled = 0;
        broken.clear();
        waiting.push(...field);
        await Promise.all(slots.map(work));
        complete = last && settled === field.length;
        if (last || controller.signal.aborted) return;
        const scores = await scoresOf(field, broken, updates);
        const best = scores.filter(({ loss }) => loss !== null).slice(0, rungs[i + 1]?.conditions);
        rung = { updates, scores, survivors: best.map(({ condition }) => condition) };
        complete = best.length === 0;
        // Nothing to decide: the same call tries them again.
        if (complete) return;
        await verify();
        await writeRungs(sweepConfig, [...decided.slice(0, i), rung]);
        decided[i] = rung;
      }
      const { survivors } = rung;
      queue.push({ type: 'rung', rung: i + 1, rungs: rungs.length, ...rung, reused: before !== undefined });
      field = field.filter((trial) => survivors.includes(conditionOfTrial(trial)));
    }
  };
  const workers = climb()
    .catch((error) => {
      failure ??= asRdropError(error);
    })
    .then(() => queue.end());
  try {
    yield* queue.events();
  } finally {
    abort();
    signal?.removeEventListener('abort', abort);
    lost.removeEventListener('abort', lose);
    await workers;
  }
  if (failure) throw failure;
  // A signal that came when all was done has stopped nothing.
  const reason = signal?.aborted && !complete ? 'aborted' : 'finished';
  yield { type: 'end', reason, finished, failed };
}

/** Events of several trials in one order, for one reader. */
class EventQueue {
  private readonly waiting: SweepEvent[] = [];
  private wake: (() => void) | undefined;
  private ended = false;

  push(event: SweepEvent): void {
    this.waiting.push(event);
    this.wake?.();
  }

  end(): void {
    this.ended = true;
    this.wake?.();
  }

  async *events(): AsyncGenerator<SweepEvent> {
    while (true) {
      for (let event = this.waiting.shift(); event; event = this.waiting.shift()) yield event;
      if (this.ended) return;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
  }
}
