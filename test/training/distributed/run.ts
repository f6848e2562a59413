// What the tests of whole runs over several processes share.
import { spawn } from 'node:child_process';
import type { DistributedOptions } from '../../../lib/options/distributed.js';
import type { TrainOptions } from '../../../lib/options/index.js';
import type { TrainEvent } from '../../../lib/training/train_events.js';
import { Trainer } from '../../../lib/training/trainer.js';
import { tinyOptions } from '../tiny_run.js';

/** A tiny run with dropout, validations with BLEU, and epochs whose last update has fewer batches than the others. */
export const sharedOptions = (data: string, runDirectory: string): TrainOptions => ({
  ...tinyOptions(data, runDirectory),
  batches: { maxTokens: 60 },
  maxUpdates: 20,
  logInterval: 5,
  validation: { interval: 10, metric: 'bleu', beam: { beam: 2, maxLenA: 0, maxLenB: 10 } },
});

export const accumulating = (options: TrainOptions, accumulate: number): TrainOptions => ({
  ...options,
  batches: { ...options.batches, accumulate },
});

/** Of an event or a line, what does not depend on the clock. */
export function timeless(event: object): Record<string, unknown> {
  const {
    seconds: _s,
    validationSeconds: _v,
    tokensPerSecond: _t,
    path: _p,
    ...rest
  } = event as Record<string, unknown>;
  return rest;
}

/** Trains on and stops after so many updates, as Ctrl-C does: with a checkpoint. */
export async function fitUntil(trainer: Trainer, update: number): Promise<TrainEvent[]> {
  const controller = new AbortController();
  const events: TrainEvent[] = [];
  for await (const event of trainer.fit({ signal: controller.signal })) {
    events.push(event);
    if (event.type === 'train' && event.update >= update) controller.abort();
  }
  return events;
}

export const resumeWith = (run: string, distributed: DistributedOptions, maxUpdates?: number) =>
  Trainer.resume(run, { distributed, maxUpdates });

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A command as a launcher starts it: with an environment of its own. */
export function launch(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  onOutput: (text: string, pid: number) => void = () => {},
): { pid: number; ended: Promise<Ended> } {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
      onOutput(text, child.pid!);
    });
  }
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, ...output }));
  });
  return { pid: child.pid!, ended };
}
