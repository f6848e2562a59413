/**
 * The sweep's side of one trial: a child process that runs trial.ts.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { TrainProgress } from '../training/stages.js';
import type { TrainEvent } from '../training/train_events.js';
import { asRdropError, RdropError } from '../util/errors.js';
import { packageRoot } from '../util/package_root.js';
import type { FromTrial, ToTrial } from './messages.js';
import type { Trial } from './plan.js';
import type { Slot } from './slots.js';
import type { Lease } from './worker/lease.js';

export interface TrialProcessOptions {
  resume: boolean;
  /** Whether the trial takes its directory from its holder. */
  unlock: boolean;
  /** Whether files must be those that manifests and checkpoints name. */
  verify: boolean;
  /** The program of the child; trial.ts, compiled, unless a test puts another in its place. */
  entry?: string | undefined;
  signal: AbortSignal;
  /** Decides what the configuration leaves open, and for which GPU the child is. */
  slot?: Slot | undefined;
  /** Updates at which it is left, without a result. Left out: it is trained to its end. */
  pauseAt?: number | undefined;
  /** How long the trial may continue; the child is killed when it is lost. */
  lease?: Lease | undefined;
  onEvent(event: TrainEvent | TrainProgress): void;
}

/** Milliseconds that an aborted trial has to write its checkpoint before it is killed. */
const patience = 20_000;
/** Characters of standard error in the message of a failure. */
const tailLength = 2000;

/** The compiled program, also where the TypeScript itself or a bundle of it is being run. */
const trialEntry = () => join(packageRoot, 'dist/sweep/trial.js');

/**
 * Trains a trial to its end, or to `pauseAt`.
 *
 * @throws RdropError TRIAL_FAILED (with the end of the child's standard error; its cause is the trial's own error), ABORTED, RUN_LOST (the lease is over)
 */
export function runTrial(trial: Trial, options: TrialProcessOptions): Promise<void> {
  const { signal, slot, lease } = options;
  return new Promise((resolve, reject) => {
    const child = fork(options.entry ?? trialEntry(), [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      // Trials that share the cores must not spin while they wait.
      env: { OMP_WAIT_POLICY: 'passive', ...childEnvironment(), ...slot?.env },
    });
    let tail = '';
    let outcome: FromTrial | undefined;
    let startError: Error | undefined;
    let killer: NodeJS.Timeout | undefined;
    const say = (message: ToTrial): void => {
      if (child.connected) child.send(message, () => {});
    };
    const abort = (): void => {
      say({ type: 'abort' });
      killer ??= setTimeout(() => child.kill('SIGKILL'), patience);
    };

    const kill = (): void => {
      child.kill('SIGKILL');
    };
    let unheld: (() => void) | undefined;

    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-tailLength);
    });
    child.on('error', (error) => {
      startError = error;
    });
    child.on('message', (message: FromTrial) => {
      if (message.type === 'ready') {
        const { resume, unlock, verify, pauseAt } = options;
        const config = slot ? inSlot(trial, slot) : trial.config;
        unheld = lease?.onHeld((until) => say({ type: 'held', until }));
        say({ type: 'start', config, resume, unlock, verify, pauseAt });
        if (signal.aborted) abort();
      } else if (message.type === 'event') options.onEvent(message.event);
      else outcome = message;
    });
    child.on('close', (status, ended) => {
      clearTimeout(killer);
      signal.removeEventListener('abort', abort);
      lease?.lost.removeEventListener('abort', kill);
      unheld?.();
      // The trial's own clock may be a moment ahead of the lease's here, or not have heard of its last renewal.
      if (lease?.lost.aborted || (lease && ended === 'SIGALRM'))
        return reject(new RdropError('RUN_LOST', `the trial ${trial.name} is another worker's now`));
      if (outcome?.type === 'finished') return resolve();
      if (signal.aborted) return reject(new RdropError('ABORTED', `the trial ${trial.name} was aborted`));
      reject(failure(trial, { outcome, startError, status, ended, tail }));
    });
    signal.addEventListener('abort', abort, { once: true });
    lease?.lost.addEventListener('abort', kill, { once: true });
    if (lease?.lost.aborted) kill();
  });
}

/** Without the secrets of a queue, of which a trial has no need. */
function childEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RDROP_QUEUE_')));
}

/** The configuration with what the slot decides: `auto` of the device, and threads where none are asked for. */
function inSlot({ config }: Trial, { device, threads }: Slot): Trial['config'] {
  const chosen = config.device === 'auto' ? device : config.device;
  return { ...config, device: chosen, threads: config.threads > 0 ? config.threads : threads };
}

function failure(
  trial: Trial,
  how: {
    outcome: FromTrial | undefined;
    startError: Error | undefined;
    status: number | null;
    ended: string | null;
    tail: string;
  },
): RdropError {
  const { outcome, startError, status, ended, tail } = how;
  let reason = `its process ended ${ended ? `by ${ended}` : `with status ${status}`}`;
  if (outcome?.type === 'failed') reason = `${outcome.code}: ${outcome.message}`;
  else if (outcome?.type === 'aborted') reason = 'a signal ended it, after a checkpoint';
  else if (startError) reason = `its process could not be started (${startError.message})`;
  const words = tail.trim();
  return new RdropError(
    'TRIAL_FAILED',
    `the trial ${trial.name} failed: ${reason}${words ? `\nthe end of its standard error:\n${words}` : ''}`,
    outcome?.type === 'failed'
      ? { cause: asRdropError(Object.assign(new Error(outcome.message), { code: outcome.code })) }
      : {},
  );
}
