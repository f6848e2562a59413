import type { TaskStage } from '../tasks/task.js';
import { TimeLeft } from '../util/async/time_left.js';

/** What a run is doing. Later versions may know more stages. */
export type TrainStage = TaskStage | 'training';

/** What a run's listener (`onProgress`) hears: the first and the last of each stage, between them at most ten a second. */
export interface TrainProgress {
  type: 'progress';
  stage: TrainStage;
  /** Of `training` the share of the run, and `total` 1; else batches, sentences or metrics. */
  done: number;
  total: number;
  /** Until the stage ends; of `training`, until the last update, at the speed so far. Null while nothing is known. */
  secondsLeft: number | null;
  update: number;
  epoch: number;
  /** Of the updates since the last line of metrics, as there; null where none is known, as on a GPU between two lines. */
  loss: number | null;
  kl: number | null;
  tokensPerSecond: number | null;
}

export type TrainListener = (progress: TrainProgress) => void;

/** Milliseconds between two calls of a listener within a stage. */
const pause = 100;

type Moment = Omit<TrainProgress, 'type' | 'stage' | 'done' | 'total' | 'secondsLeft'>;

/** Reports the progress of stages to a listener, not too often; without a listener it costs nothing. */
export class StageReporter {
  #stage: TrainStage | null = null;
  #last = Number.NEGATIVE_INFINITY;
  #left = new TimeLeft();
  /** Of the whole run, the validations so far included. */
  #ofRun: TimeLeft | null = null;

  constructor(
    readonly listener: TrainListener | undefined,
    readonly moment: () => Moment,
  ) {}

  /** Whether a call would reach the listener now. */
  due(stage: TrainStage): boolean {
    if (this.listener === undefined) return false;
    return stage !== this.#stage || performance.now() - this.#last >= pause;
  }

  report(stage: TrainStage, done: number, total: number): void {
    if (!this.due(stage) && !(this.listener !== undefined && done >= total)) return;
    const share = total > 0 ? done / total : 1;
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#left = (stage === 'training' ? this.#ofRun : null) ?? new TimeLeft(share);
      if (stage === 'training') this.#ofRun = this.#left;
    }
    this.#last = performance.now();
    this.listener?.({
      type: 'progress',
      stage,
      done,
      total,
      secondsLeft: this.#left.seconds(share),
      ...this.moment(),
    });
  }
}
