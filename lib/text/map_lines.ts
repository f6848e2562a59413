import { setImmediate } from 'node:timers/promises';
import { RdropError } from '../errors.js';

export interface LineWork {
  signal?: AbortSignal | undefined;
  /** Called with the number of lines done. */
  onProgress?: ((done: number) => void) | undefined;
}

/** @throws RdropError ABORTED. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new RdropError('ABORTED', `${what} was aborted`, { cause: signal.reason });
}

/**
 * Maps lines a few milliseconds at a time, so that the event loop stays free.
 *
 * @throws RdropError ABORTED.
 */
export async function mapLines<T>(
  lines: readonly string[],
  transform: (line: string) => T,
  { signal, onProgress }: LineWork = {},
): Promise<T[]> {
  const result: T[] = [];
  for (let start = 0; start < lines.length; start += 500) {
    throwIfAborted(signal, 'preparing text');
    for (const line of lines.slice(start, start + 500)) result.push(transform(line));
    onProgress?.(result.length);
    await setImmediate();
  }
  return result;
}
