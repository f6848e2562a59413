import { type Transformer, transformerOf } from '../../model/transformer.js';
import { native } from '../../native/binding.js';
import { type RuntimeOptions, threadsSchema } from '../../options/runtime.js';
import { parseConfig } from '../../options/schema/parse.js';
import type { TrainConfig } from '../../options/training.js';
import { taskNamed } from '../../tasks/index.js';
import type { Task } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { fromNative } from '../../util/errors.js';
import type { Checkpoint, CheckpointName } from '../checkpoint.js';
import { openRunCheckpoint } from './run_checkpoint.js';

/** How the model of a run is loaded for work with it. */
export interface LoadOptions {
  /** Default 'best'. */
  checkpoint?: CheckpointName;
  /** Threads of libtorch; 0, the default, takes every core. */
  threads?: number;
  /** Default: that of the run where this machine has it, else the CPU. */
  device?: RuntimeOptions['device'];
  /** Default true: the dictionary and the codes must be those that the run was made with. */
  verify?: boolean;
  /** Default 'auto': bfloat16 on a GPU, float32 on a CPU; float64 where the run was trained in it. */
  precision?: RuntimeOptions['precision'];
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

/** The names of these options. */
export const loadOptionNames: readonly (keyof LoadOptions)[] = [
  ...(['checkpoint', 'threads', 'device', 'precision', 'verify', 'signal'] as const),
];

/** A run whose model is loaded; the caller disposes of it. */
export interface LoadedRun {
  directory: string;
  config: TrainConfig;
  task: Task;
  checkpoint: Checkpoint;
  model: Transformer;
}

/**
 * Reads a run directory and one of its checkpoints.
 *
 * @param check called with the configuration before anything large is read
 * @param what names the work in the error of an abort
 * @throws RdropError ABORTED, INVALID_ARGUMENT, FILE_NOT_FOUND (no run, or no such checkpoint yet), CHECKPOINT_CORRUPT,
 *   CHECKPOINT_MISMATCH, MANIFEST_MISMATCH (another dictionary or other codes than the run was made with)
 */
export async function loadRun(
  runDirectory: string,
  { checkpoint: name = 'best', threads = 0, device, precision, verify = true, signal }: LoadOptions,
  what: string,
  check: (config: TrainConfig, directory: string) => void = () => {},
): Promise<LoadedRun> {
  const { directory, config, checkpoint } = await openRunCheckpoint(runDirectory, name, verify);
  check(config, directory);
  const task = taskNamed(config.task);
  const network = await task.network(config, directory);
  throwIfAborted(signal, what);
  const count = parseConfig(threadsSchema, threads, 'threads', 'INVALID_ARGUMENT');
  await fromNative(() => native().setThreads(count));
  await using file = await checkpoint.open('model');
  const model = await transformerOf(
    file.tensors,
    network,
    {
      seed: config.seed,
      device: device ?? (config.device === 'cpu' ? 'cpu' : 'auto'),
      precision: precision ?? (config.precision === 'float64' ? 'float64' : 'auto'),
    },
    checkpoint.path,
  );
  return { directory, config, task, checkpoint, model };
}
