/**
 * The process of one trial: trains it in a process of its own, so that a crash ends one trial and not the sweep, and so
 * that trials which run at once share no thread pool. Started by trial_process.ts with fork; speaks over IPC.
 */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrainOptions } from '../options/training.js';
import type { TrainProgress } from '../training/stages.js';
import { asRdropError } from '../util/errors.js';
import type { FromTrial, ToTrial } from './messages.js';

const controller = new AbortController();

const tell = (message: FromTrial): Promise<void> =>
  new Promise((resolve) => {
    if (!process.send || !process.connected) resolve();
    else process.send(message, () => resolve());
  });

/** Milliseconds that the trial of a sweep which was killed has for its last step and checkpoint. */
const patience = 30_000;

/** Takes the run when the process that holds it has ended: the trial of a sweep that was killed ends by itself. */
async function afterPredecessor<T>(open: () => Promise<T>): Promise<T> {
  const began = performance.now();
  for (;;) {
    try {
      return await open();
    } catch (error) {
      const waits = asRdropError(error).code === 'RUN_LOCKED' && performance.now() - began < patience;
      if (!waits || controller.signal.aborted) throw error;
    }
    await sleep(200);
  }
}

const pause = 500;
let toldAt = Number.NEGATIVE_INFINITY;
/** Twice a second is enough for who watches several trials. */
function onProgress(event: TrainProgress): void {
  if (event.done < event.total && performance.now() - toldAt < pause) return;
  toldAt = performance.now();
  void tell({ type: 'event', event });
}

async function train(message: ToTrial & { type: 'start' }): Promise<void> {
  try {
    const { Trainer } = await import('../training/trainer.js');
    const config = message.config as TrainOptions;
    const { unlock, verify, pauseAt } = message;
    const opening = { unlock, verify };
    const work = { signal: controller.signal, onProgress };
    const trainer = await afterPredecessor(() =>
      message.resume
        ? // Where the data lies now: a sweep knows them by their content.
          Trainer.resume(config.runDirectory, { data: config.data, ...opening }, work)
        : Trainer.create(config, { ...opening, ...work }),
    );
    let reason = '';
    try {
      const { signal } = controller;
      for await (const event of trainer.fit({ signal, onProgress, pauseAt })) {
        void tell({ type: 'event', event });
        if (event.type === 'end') reason = event.reason;
      }
    } finally {
      trainer.dispose();
    }
    await tell({ type: reason === 'aborted' ? 'aborted' : 'finished' });
  } catch (error) {
    const { code, message: text, stack } = asRdropError(error);
    if (code === 'ABORTED') await tell({ type: 'aborted' });
    else {
      process.stderr.write(`${stack ?? text}\n`);
      await tell({ type: 'failed', code, message: text });
    }
  }
  if (process.connected) process.disconnect();
}

// Ctrl-C reaches every process of the terminal; the sweep decides what it means for its trials.
process.on('SIGINT', () => {});
// SIGTERM may be meant for this trial alone, or for all: it ends with a checkpoint either way.
process.on('SIGTERM', () => controller.abort());
// A sweep that was killed leaves no trial behind.
process.once('disconnect', () => controller.abort());
let holding: NodeJS.Timeout | undefined;
/** Ends at once, in the middle of whatever is done, when the time is over: by then another worker may have the trial. Its worker knows it by the signal. */
function hold(until: number): void {
  clearTimeout(holding);
  holding = setTimeout(() => process.kill(process.pid, 'SIGALRM'), Math.max(0, until - Date.now()));
  holding.unref();
}

process.on('message', (message: ToTrial) => {
  if (message.type === 'held') hold(message.until);
  else if (message.type === 'start') void train(message);
  else controller.abort();
});
void tell({ type: 'ready' });
