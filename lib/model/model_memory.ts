import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { sizeOf } from '../data/safetensors/stored_tensor.js';
import type { ModelConfig } from '../options/model.js';
import { RdropError } from '../util/errors.js';
import type { ResolvedRuntime } from './device.js';
import { parameterShapes } from './parameter_names.js';

/** Numbers of all parameters; what of them is stored once counts once. */
export function parameterCount(config: ModelConfig): number {
  let count = 0;
  for (const shape of parameterShapes(config).values()) count += sizeOf(shape);
  return count;
}

/** Bytes of this machine's memory that a model takes: parameters, gradients, a 16-bit copy, the table of positions. */
function modelBytes(config: ModelConfig, { device, precision }: ResolvedRuntime): number {
  const width = precision === 'float64' ? 8 : 4;
  const each = device === 'cpu' ? 2 * width + (precision === 'bfloat16' ? 2 : 0) : width;
  const positions = config.positions === 'learned' ? 0 : (config.maxPositions + 2) * config.embedDim;
  return parameterCount(config) * each + positions * width;
}

/**
 * Memory is promised by the system long before it is there: a model that cannot fit would be noticed when the process is
 * ended from outside.
 *
 * @throws RdropError OUT_OF_MEMORY
 */
export function checkMemory(config: ModelConfig, runtime: ResolvedRuntime): void {
  const [needed, there] = [modelBytes(config, runtime), machineBytes()];
  if (needed <= there) return;
  const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  throw new RdropError(
    'OUT_OF_MEMORY',
    `model: its ${parameterCount(config)} parameters need ${gib(needed)} GiB of memory, this machine or container has ${gib(there)}`,
  );
}

/** Memory and swap of the machine, or the limit of its container. */
function machineBytes(): number {
  // 0: there is no limit; very large where the system says so in another way.
  const limit = process.constrainedMemory?.() || Number.POSITIVE_INFINITY;
  return Math.min(limit, totalmem()) + swapBytes();
}

function swapBytes(): number {
  try {
    return 1024 * Number(/^SwapTotal:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
