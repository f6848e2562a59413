import { type Command, Option } from 'commander';
import { type RuntimeOptions, runtimeSchema } from '../../options/runtime.js';
import type { LoadOptions } from '../../training/run/load_run.js';
import { toNumber } from './number_flag.js';

/** Flags of the commands that load the model of a run. */
export interface LoadFlags {
  checkpoint: 'best' | 'last';
  threads: number;
  device?: 'auto' | 'cpu' | 'cuda';
  precision?: RuntimeOptions['precision'];
  verify: boolean;
}

export const addLoadFlags = (command: Command): Command =>
  command
    .addOption(
      new Option('--checkpoint <name>', 'which of its checkpoints').choices(['best', 'last']).default('best'),
    )
    .option('--threads <n>', 'threads of libtorch; 0 takes every core', toNumber, 0)
    .addOption(
      new Option('--device <name>', 'where; that of the run where it is there, else the CPU').choices([
        ...['auto', 'cpu', 'cuda'],
      ]),
    )
    .addOption(
      new Option('--precision <name>', 'auto: bfloat16 on a GPU, float32 on a CPU').choices(
        runtimeSchema.shape.precision.unwrap().options,
      ),
    )
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names');

export const loadOptionsOf = ({
  checkpoint,
  threads,
  device,
  precision,
  verify,
}: LoadFlags): LoadOptions => ({
  ...{ checkpoint, threads, verify },
  ...(device !== undefined && { device }),
  ...(precision !== undefined && { precision }),
});
