import { quietly } from '../../util/async/cleanup.js';
import { asRdropError } from '../../util/errors.js';
import type { TrainingState } from '../checkpoint.js';
import type { RunDirectory } from './run_directory.js';

/** Errors that say nothing of the training: its user ended it, or another process has the run now. */
const ofOthers = new Set(['DISPOSED', 'RUN_LOST']);

/** Writes the error that ended training to failure.json, where the directory takes it: the error itself is what is reported. */
export async function noteFailure(
  { run, state }: { run: RunDirectory | null; state: TrainingState },
  error: unknown,
): Promise<void> {
  const { code, message } = asRdropError(error);
  if (run === null || ofOthers.has(code)) return;
  await quietly(() => run.writeFailure({ code, message, update: state.update }));
}
