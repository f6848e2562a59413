/**
 * What a sweep and the process of one of its trials say to each other, and the events of a sweep.
 */
import type { TrialDirection } from '../options/sweep.js';
import type { PlannedComparison } from '../statistics/planned_comparison.js';
import type { RunResult } from '../training/run/run_directory.js';
import type { TrainProgress } from '../training/stages.js';
import type { TrainEvent } from '../training/train_events.js';
import type { RdropError } from '../util/errors.js';
import type { RdropWarning } from '../util/warnings.js';
import type { Trial, TrialState } from './plan.js';

/** Parent to child. */
export type ToTrial =
  | {
      type: 'start';
      config: unknown;
      resume: boolean;
      unlock: boolean;
      verify: boolean;
      /** Updates at which it is left, without a result; not there: it is trained to its end. */
      pauseAt?: number | undefined;
    }
  | { type: 'abort' }
  /** The trial may continue until this time, in milliseconds since 1970; without another message it ends there and writes nothing more. */
  | { type: 'held'; until: number };

/** Child to parent. */
export type FromTrial =
  | { type: 'ready' }
  | { type: 'event'; event: TrainEvent | TrainProgress }
  | { type: 'finished' }
  | { type: 'aborted' }
  | { type: 'failed'; code: string; message: string };

/** Which trial an event is about. */
export interface TrialName {
  name: string;
  direction: TrialDirection;
  seed: number;
}

export const named = ({ name, direction, seed }: Trial): TrialName => ({ name, direction, seed });

/** A condition after a rung: means over its seeds; both null where a trial failed, BLEU where it is not measured. */
export interface RungScore {
  condition: string;
  bleu: number | null;
  loss: number | null;
  /** Of a task other than translation: the figure that picks its checkpoints. */
  score?: number | null | undefined;
}

export type SweepEvent =
  /**
   * Once, first: every trial of the call and how far it has come, and what the comparison of all trials in the directory's
   * plan can show at most.
   */
  | {
      type: 'plan';
      trials: (TrialName & { state: TrialState })[];
      /** Trials at a time; 0 on a queue, whose workers decide. */
      parallel: number;
      /** Of a trial; on a queue 0 where its worker decides. */
      threads: number;
      planned: PlannedComparison;
      /** The name of the sweep on its queue; not there without one. */
      queue?: string;
    }
  /** What trials warn of, each text once; it is passed to process.emitWarning as well. */
  | (RdropWarning & { type: 'warning' })
  /** worker: which one of a queue has it; another `start` of a trial comes when another worker has taken it up. */
  | { type: 'start'; trial: TrialName; resumed: boolean; worker?: string }
  /** The events and the progress of a trial's fit(). */
  | { type: 'progress'; trial: TrialName; event: TrainEvent | TrainProgress }
  /** reused: it had finished before this sweep began. */
  | { type: 'finish'; trial: TrialName; result: RunResult; reused: boolean }
  /**
   * With the search `halving`, when every trial of a rung but the last has been trained to its updates: the means over seeds of each condition's best
   * validation, the best first, and the conditions that continue. reused: it was decided before this sweep began.
   */
  | {
      type: 'rung';
      rung: number;
      rungs: number;
      updates: number;
      scores: RungScore[];
      survivors: string[];
      reused: boolean;
    }
  /** The error has the code TRIAL_FAILED; the end of what the trial wrote to its standard error is in its message. */
  | { type: 'fail'; trial: TrialName; error: RdropError }
  /**
   * Once, last. aborted: the signal came; trials that had begun have a checkpoint, and the same call continues. On a queue the trials
   * continue, and the same call shows them again.
   */
  | { type: 'end'; reason: 'finished' | 'aborted'; finished: number; failed: number };
