/** Where and how computation runs: seed, device, precision, threads. */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { seed } from './schema/ranges.js';

/**
 * Element types of the computation. `auto`: bfloat16 on a GPU, float32 on a CPU. On a CPU float32, bfloat16 (fast where the chip
 * multiplies bfloat16: AMX or AVX512_BF16) or float64; on a GPU bfloat16, float16 (scales the loss as fairseq does), tf32 (rounds
 * the factors of matrix products alone) or float32. Master parameters, moments and gradients of parameters are float32 with
 * bfloat16 and float16.
 */
export type Precision = 'auto' | 'float32' | 'float64' | 'tf32' | 'bfloat16' | 'float16';

/** `auto`: CUDA where a GPU can be used, else the CPU. */
export type DeviceName = 'auto' | 'cpu' | 'cuda';

/** Where a model alone lives. */
export interface RuntimeOptions {
  /**
   * Seed of initialization and dropout, each with a stream of its own.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
  /**
   * `cpu`, `cuda`, or `auto`: CUDA where a GPU can be used, else the CPU.
   * @default "cpu"
   */
  device?: DeviceName | undefined;
  /**
   * Element type of the computation. `auto`: bfloat16 on a GPU, float32 on a CPU. On a CPU also `float64` and `bfloat16`, on a GPU
   * `float16` and `tf32`. Master parameters stay float32 with `bfloat16` and `float16`.
   * @default "auto"
   */
  precision?: Precision | undefined;
}

/** Threads of the computation on a CPU. */
export interface ThreadsOptions {
  /**
   * Threads of libtorch; 0 takes every core. Bit-identical results need the same number.
   * @default 0
   * @range 0 to 1,024
   */
  threads?: number | undefined;
}

export const devices = ['auto', 'cpu', 'cuda'] as const satisfies readonly DeviceName[];

export const runtimeSchema = documented<RuntimeOptions>()(
  z.strictObject({
    seed: seed.default(1),
    device: z.enum(devices).default('cpu'),
    precision: z.enum(['auto', 'float32', 'float64', 'tf32', 'bfloat16', 'float16']).default('auto'),
  }),
);
export type RuntimeConfig = Resolved<RuntimeOptions, z.output<typeof runtimeSchema>>;

export const threadsSchema = z.int().min(0).max(1024).default(0);
