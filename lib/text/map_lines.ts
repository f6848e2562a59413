import { YieldTimer } from '../util/async/yield_timer.js';

export interface LineWork {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  /** Called with the number of lines done. */
  onProgress?: ((done: number) => void) | undefined;
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
  const breaks = new YieldTimer('preparing text', signal);
  for (const line of lines) {
    result.push(transform(line));
    if (!breaks.due()) continue;
    onProgress?.(result.length);
    await breaks.take();
  }
  onProgress?.(result.length);
  return result;
}
