import { native } from '../native/binding.js';
import type { NativeRuntime } from '../native/contract.js';
import type { RuntimeConfig } from '../options/runtime.js';
import { RdropError } from '../util/errors.js';
import { warn } from '../util/warnings.js';

/** Where a model runs and in which arithmetic: nothing left to choose. */
export interface ResolvedRuntime {
  seed: number;
  device: 'cpu' | 'cuda';
  precision: NativeRuntime['precision'];
}

/** Of each device; the first is what 'auto' stands for. */
const precisions = {
  cpu: ['float32', 'bfloat16', 'float64'],
  cuda: ['bfloat16', 'float16', 'tf32', 'float32'],
} as const satisfies Record<ResolvedRuntime['device'], readonly ResolvedRuntime['precision'][]>;

const warnedOfFallback = new Set<string>();

/** Warns, once a process for each kind of work, that it launches its kernels one by one; an empty reason: it does not. */
export function reportGraphFallback(what: string, reason: string): void {
  if (reason === '' || warnedOfFallback.has(what)) return;
  warnedOfFallback.add(what);
  warn({
    code: 'NO_CUDA_GRAPH',
    message: `${what} launches its kernels one by one, not as a CUDA graph: ${reason}`,
  });
}

let cudaIndex = 0;

/**
 * Models of this process that are made from now on lie on another CUDA device than the first: a rank of a run has its own. Where a
 * launcher shows each rank one device alone, that is the one.
 *
 * @throws RdropError CUDA_UNAVAILABLE
 */
export function useCudaDevice(index: number): void {
  const { devices } = native().info().cuda;
  if (index >= devices.length && devices.length !== 1) {
    throw new RdropError(
      'CUDA_UNAVAILABLE',
      `device 'cuda': rank ${index} of this machine needs a GPU of its own, and there are ${devices.length}: ` +
        'start as many processes as there are GPUs',
    );
  }
  cudaIndex = index < devices.length ? index : 0;
}

/** A runtime with the device of this process. */
export const nativeRuntime = ({ device, ...rest }: ResolvedRuntime): NativeRuntime => ({
  ...rest,
  device: device === 'cuda' && cudaIndex > 0 ? { index: cudaIndex } : device,
});

/**
 * What 'auto' stands for on this machine. device: CUDA where a GPU can be used, else the CPU. precision: bfloat16 on a GPU
 * (every chip that rdrop takes has it), float32 on a CPU.
 *
 * @throws RdropError INVALID_CONFIG (a precision that the device does not have), CUDA_UNAVAILABLE, those of `native()`
 */
export function resolveRuntime({ seed, device, precision }: RuntimeConfig): ResolvedRuntime {
  // float64 is for comparisons, and the CPU's alone.
  const cuda =
    device === 'cpu' || (device === 'auto' && precision === 'float64') ? null : native().info().cuda;
  if (device === 'cuda' && !cuda?.available) {
    throw new RdropError(
      'CUDA_UNAVAILABLE',
      `device 'cuda': ${cuda?.reason ?? 'no reason is known'}. Next: npx rdrop doctor, or device 'cpu'`,
    );
  }
  const where = cuda?.available ? 'cuda' : 'cpu';
  const chosen = precision === 'auto' ? precisions[where][0] : precision;
  if (!(precisions[where] as readonly string[]).includes(chosen)) {
    throw new RdropError(
      'INVALID_CONFIG',
      `precision: expected ${precisions[where].join(', ')} or auto on device '${where}', got '${precision}'`,
    );
  }
  return { seed, device: where, precision: chosen };
}
