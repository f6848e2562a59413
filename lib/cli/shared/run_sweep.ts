import type { SweepOptions } from '../../options/sweep.js';
import type { SweepEvent, SweepTrainOptions, TrialName } from '../../sweep/sweep.js';
import type { RunResult } from '../../training/run/run_directory.js';
import { interruptible, statusOfSignal } from './interrupt.js';

/** How the trials of a sweep ended, in the order of its plan. */
export interface SweepOutcome {
  results: (TrialName & { result: RunResult })[];
  failures: (TrialName & { message: string })[];
  reason: 'finished' | 'aborted';
}

/**
 * Runs a sweep with its progress on standard error. Ctrl-C ends it with a checkpoint of each running trial; `reason` and the exit
 * status then say so.
 *
 * @throws RdropError those of sweep()
 */
export async function runSweep(config: SweepTrainOptions, options: SweepOptions): Promise<SweepOutcome> {
  const { sweep } = await import('../../sweep/sweep.js');
  const { sweepProgress } = await import('./sweep_progress.js');
  const progress = sweepProgress(config.maxUpdates ?? 0);
  const order: string[] = [];
  const outcome: SweepOutcome = { results: [], failures: [], reason: 'finished' };
  await interruptible(
    async (signal) => {
      try {
        for await (const event of sweep(config, { ...options, signal })) {
          progress.onEvent(event);
          collect(event, outcome, order);
        }
      } finally {
        progress.stop();
      }
    },
    options.queue === undefined ? 'the running trials write their checkpoints' : 'closing; the trials go on',
  );
  if (outcome.reason === 'aborted') process.exitCode = statusOfSignal() ?? 1;
  const place = ({ name }: TrialName): number => order.indexOf(name);
  outcome.results.sort((a, b) => place(a) - place(b));
  outcome.failures.sort((a, b) => place(a) - place(b));
  return outcome;
}

function collect(event: SweepEvent, outcome: SweepOutcome, order: string[]): void {
  if (event.type === 'plan') order.push(...event.trials.map(({ name }) => name));
  else if (event.type === 'finish') outcome.results.push({ ...event.trial, result: event.result });
  else if (event.type === 'end') outcome.reason = event.reason;
  else if (event.type === 'fail') outcome.failures.push({ ...event.trial, message: event.error.message });
}
