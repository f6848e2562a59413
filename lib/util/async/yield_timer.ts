import { setImmediate } from 'node:timers/promises';
import { RdropError } from '../errors.js';

/** Milliseconds of work between two breaks: short enough for a server or a progress bar that shares the thread. */
const slice = 5;

/** @throws RdropError ABORTED. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new RdropError('ABORTED', `${what} was aborted`, { cause: signal.reason });
}

/** Lets a long loop leave the event loop free: `if (breaks.due()) await breaks.take()` in every round. */
export class YieldTimer {
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  /**
   * @param what names the work in the error.
   * @throws RdropError ABORTED.
   */
  constructor(what: string, signal?: AbortSignal) {
    this.#what = what;
    this.#signal = signal;
    throwIfAborted(signal, what);
  }

  due(): boolean {
    return performance.now() - this.#since > slice;
  }

  /** @throws RdropError ABORTED. */
  async take(): Promise<void> {
    await setImmediate();
    throwIfAborted(this.#signal, this.#what);
    this.#since = performance.now();
  }
}
