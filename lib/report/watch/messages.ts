/** What the server of the live page sends and the page shows. */

/** A line of metrics.jsonl as the page gets it: of the numbers those that it shows. */
export interface WatchLine {
  type: 'train' | 'validation';
  update: number;
  epoch: number;
  loss: number | null;
  kl: number | null;
  /** The figure of a validation that its task is judged by, BLEU for one, and its name. */
  score: number | null;
  metric: string | null;
  learningRate: number | null;
  tokensPerSecond: number | null;
  seconds: number;
  validationSeconds: number;
}

export const curveNames = ['loss', 'validLoss', 'score', 'kl', 'learningRate', 'tokensPerSecond'] as const;
export type CurveName = (typeof curveNames)[number];
export type Points = [update: number, value: number][];
export type Curves = Record<CurveName, Points>;

/**
 * running: a process holds its lock, or a worker elsewhere sends its metrics. finished: it has a result. failed: an error ended its
 * training, its process ended without giving the lock back, killed or crashed, or its worker says so. interrupted: it was left in good order
 * before it had a result. waiting: no worker of its queue has it yet. dropped: successive halving continues without it.
 */
export type RunState = 'running' | 'finished' | 'failed' | 'interrupted' | 'waiting' | 'dropped';

/** What the table of the page shows of a run. Losses per target token in base 2, times in seconds, memory in bytes. */
export interface RunRow {
  /** The way from the watched directory to the run's. */
  id: string;
  name: string;
  /** The id of its sweep. */
  sweep: string | null;
  state: RunState;
  direction: string;
  alpha: number | null;
  seed: number | null;
  update: number;
  epoch: number;
  progress: number | null;
  secondsLeft: number | null;
  seconds: number;
  loss: number | null;
  kl: number | null;
  validLoss: number | null;
  /** What its task is judged by: BLEU, accuracy and so on. */
  metric: string;
  validScore: number | null;
  bestUpdate: number | null;
  testScore: number | null;
  learningRate: number | null;
  tokensPerSecond: number | null;
  memory: number | null;
  /** Who has the run: a worker, or a process and its machine. */
  worker: string | null;
  /** Why it failed, or was given back by a worker, where that was said. */
  reason: string | null;
  /** The rung of its sweep's halving after which it was dropped, from 1 on. */
  rung: number | null;
  /** Of its metrics: another one means that what was read of them before no longer holds. */
  generation: number;
}

/** A sweep: its trials are the rows that name it. */
export interface SweepRow {
  id: string;
  name: string;
  /** Trials of its plan, begun or not. */
  planned: number;
}

export type WatchEvent =
  | { type: 'run'; run: RunRow }
  | { type: 'lines'; id: string; generation: number; lines: WatchLine[] }
  | { type: 'gone'; id: string }
  | { type: 'sweeps'; sweeps: SweepRow[] };

/** What the page shows of the one run that is looked at, beside its row and curves. */
export interface RunDetails {
  directory: string;
  /** Some of its configuration, in the order in which it is shown. */
  facts: [name: string, value: string][];
  /** Translations of the last validation; null where none translated. */
  samples: {
    update: number;
    samples: { line: number; source?: string; reference: string; hypothesis: string }[];
  } | null;
  log: WatchLine[];
}
