/**
 * The process of one rank besides the first, started by rank_processes.ts with fork. It trains as often as rank 0 does, and ends with
 * it: when the channel to its parent closes, or when the group says that the run has ended.
 */
import process from 'node:process';
import { asRdropError } from '../../util/errors.js';
import type { Trainer } from '../trainer.js';
import type { FromRank, ToRank } from './messages.js';

let controller = new AbortController();
let trainer: Trainer | null = null;
let parentEnded = false;

/** Milliseconds that native calls have to end in when the parent has. */
const patience = 5000;

const tell = (message: FromRank): Promise<void> =>
  new Promise((resolve) => {
    if (!process.send || !process.connected) resolve();
    else process.send(message, () => resolve());
  });

async function open({ start, distributed }: ToRank): Promise<Trainer> {
  const { Trainer } = await import('../trainer.js');
  // An abort is told by steps: one that ended this rank alone while it opens its run would fail the others.
  return start.how === 'create'
    ? Trainer.create({ ...start.options, distributed }, { verify: false })
    : Trainer.resume(start.runDirectory, { data: start.data, distributed, verify: false });
}

async function train(message: ToRank): Promise<void> {
  try {
    trainer = await open(message);
    // The channel may have closed meanwhile.
    if (parentEnded) return trainer.dispose();
    for (;;) {
      for await (const event of trainer.fit({ signal: controller.signal })) {
        // The next fit() has nothing to do with what ended this one.
        if (event.type === 'end') controller = new AbortController();
      }
    }
  } catch (error) {
    if (parentEnded) return;
    const { code, message: text, stack } = asRdropError(error);
    // What another rank began is told by that one.
    if (code !== 'RANK_LOST' && code !== 'RANK_FAILED') process.stderr.write(`${stack ?? text}\n`);
    process.exitCode = 1;
    await tell({ type: 'failed', code, message: text });
    trainer?.dispose();
    if (process.connected) process.disconnect();
  }
}

process.on('SIGINT', () => controller.abort());
process.on('SIGTERM', () => controller.abort());
process.once('disconnect', () => {
  parentEnded = true;
  trainer?.dispose();
  // Opening a run, or a native call, may take long.
  setTimeout(() => process.exit(), trainer === null ? 0 : patience).unref();
});
process.once('message', (message: ToRank) => void train(message));
void tell({ type: 'ready' });
