/** One run over several processes. */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { count, text } from './schema/ranges.js';

/** In which type gradients travel between processes. */
export type WireType = 'float32' | 'bfloat16';

/** What carries gradients between processes. */
export type GradientBackend = 'gloo' | 'nccl';

/**
 * One run over W processes, each with a copy of the model (data parallel). Either `processes`, and they are started on this machine;
 * or `rank`, `worldSize`, `address` and `port`, where something else starts each of them.
 */
export interface DistributedOptions {
  /**
   * Processes on this machine: the one that calls, and as many more as are lacking. Left out: `rank` and the others say which this is.
   * @range 1 to 1,024
   */
  processes?: number | undefined;
  /**
   * Number of this process among all; 0 writes the run directory. Left out: `processes` counts.
   * @range 0 or more
   */
  rank?: number | undefined;
  /**
   * Processes of the run. Left out: `processes` counts.
   * @range 1 to 4,096
   */
  worldSize?: number | undefined;
  /** Name or number of the host where the processes meet, that of rank 0. Left out: `processes` counts. */
  address?: string | undefined;
  /**
   * Its port, which is free. Left out: `processes` counts.
   * @range 1 to 65,535
   */
  port?: number | undefined;
  /**
   * Number of this process on its machine: on CUDA, of its device. Left out: 0, and with `processes` its rank.
   * @range 0 or more
   */
  localRank?: number | undefined;
  /**
   * Processes of the run on this machine, which share its cores where `threads` is 0. Left out: 1, and with `processes` all.
   * @range 1 or more
   */
  localRanks?: number | undefined;
  /**
   * `first`: rank 0 opens the port. `agent`: it is open already, as with torchrun.
   * @default "first"
   */
  store?: 'first' | 'agent' | undefined;
  /** Of the names in the store, where several runs, or one that was started again, use one. Left out: `rdrop`. */
  prefix?: string | undefined;
  /**
   * Seconds without a sign of life of a process after which the others end.
   * @default 30
   * @range above 0, below 1000000
   */
  timeoutSeconds?: number | undefined;
  /**
   * Seconds that the processes wait for one another at the start. Left out: `timeoutSeconds`, but at least 30.
   * @range above 0, below 1000000
   */
  joinSeconds?: number | undefined;
  /**
   * Element type in which gradients travel; `bfloat16` halves what is sent and rounds it.
   * @default "float32"
   */
  gradients?: WireType | undefined;
  /**
   * What carries gradients: `nccl` from one CUDA device to the other, for which each process has a device of its own; `gloo` through the
   * memory of the hosts. Left out: `nccl` on CUDA, `gloo` on the CPU.
   */
  backend?: GradientBackend | undefined;
  /**
   * Megabytes (2^20 bytes) of gradients that travel together, while the backward pass is at work. NCCL divides them by itself.
   * @default 25
   * @range above 0
   */
  bucketMegabytes?: number | undefined;
}

const placed = ['rank', 'worldSize', 'address', 'port'] as const;

const number = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const distributedObject = z.strictObject({
  processes: z.int().min(1).max(1024).optional(),
  rank: number.optional(),
  worldSize: z.int().min(1).max(4096).optional(),
  address: text.optional(),
  port: z.int().min(1).max(65_535).optional(),
  localRank: number.optional(),
  localRanks: count.optional(),
  store: z.enum(['first', 'agent']).default('first'),
  prefix: text.optional(),
  timeoutSeconds: z.number().positive().lt(1_000_000).default(30),
  joinSeconds: z.number().positive().lt(1_000_000).optional(),
  gradients: z.enum(['float32', 'bfloat16']).default('float32'),
  backend: z.enum(['gloo', 'nccl']).optional(),
  bucketMegabytes: z.number().positive().default(25),
});

export const distributedSchema = documented<DistributedOptions>()(
  distributedObject.check(({ value, issues }) => {
    const fault = faultOf(value);
    if (fault !== null) issues.push({ code: 'custom', message: fault, input: value });
  }),
);
export type DistributedConfig = Resolved<DistributedOptions, z.output<typeof distributedSchema>>;

/** What does not go together. */
function faultOf(options: z.output<typeof distributedObject>): string | null {
  const given = placed.filter((name) => options[name] !== undefined);
  if (options.processes !== undefined) {
    const own = ['rank', 'worldSize', 'address', 'port', 'localRank', 'localRanks', 'prefix'] as const;
    const beside = own.filter((name) => options[name] !== undefined);
    return beside.length === 0 ? null : `expected processes alone, or without it ${placed.join(', ')}`;
  }
  if (given.length < placed.length) return `expected processes, or each of ${placed.join(', ')}`;
  const { rank = 0, worldSize = 1 } = options;
  return rank < worldSize ? null : `expected a rank below worldSize (${worldSize}), got rank ${rank}`;
}
