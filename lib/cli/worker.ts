import type { Command } from 'commander';
import type { WorkerOptions } from '../options/worker.js';
import type { WorkerEvent } from '../sweep/worker/worker.js';
import { interruptible, statusOfSignal } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

/** `rdrop worker`: takes trials of sweeps from a queue, until a signal ends it. */
export function workerCommand(): Command {
  return namedCommand('worker')
    .requiredOption('--queue <url>', 'redis://host:6379/0, or rediss:// with TLS')
    .option('--queue-password-file <file>', 'holds the password; else RDROP_QUEUE_PASSWORD')
    .option('--queue-ca <file>', 'certificates that the server is checked with, for rediss://')
    .option('--slots <slots>', 'cpu:2x1, gpu:0,1 or gpu:0x3; default: each GPU, else each core')
    .option('--runs <directory>', 'of the run directories; shared by workers, they continue each other')
    .option('--data-root <directory>', 'below which the prepared data are found, by their SHA-256')
    .option('--upload <what>', 'best: copy each finished run with its best checkpoint')
    .option('--upload-directory <directory>', 'where to')
    .option('--lease <seconds>', 'without a sign of life after which a trial is given to another', toNumber)
    .option('--max-idle-minutes <minutes>', 'end after so long without a trial; 0: never', toNumber)
    .action(run);
}

async function run(flags: WorkerOptions): Promise<void> {
  const { startWorker } = await import('../sweep/worker/worker.js');
  const say = (text: string): void => {
    process.stderr.write(`rdrop: ${text}\n`);
  };
  await interruptible(async (signal) => {
    const worker = await startWorker({ ...flags, signal, onEvent: (event) => say(textOf(event)) });
    say(`worker ${worker.name} waits for trials in ${worker.slots.join(', ')}`);
    await worker.ended;
  }, 'the running trials write their checkpoints and go back to the queue');
  process.exitCode = statusOfSignal() ?? 0;
}

function textOf(event: WorkerEvent): string {
  if (event.type === 'away') return `${event.message}; continues when the queue answers`;
  const { trial, slot } = event;
  if (event.type === 'take') return `${trial} ${event.resumed ? 'resumes' : 'begins'} in ${slot}`;
  if (event.type === 'finish') return `${trial} finished`;
  if (event.type === 'release') return `${trial} goes back to the queue`;
  if (event.type === 'lost') return `${trial} was taken from this worker`;
  if (event.type === 'refuse') return `${trial} goes back to the queue: ${event.message}`;
  return event.message;
}
