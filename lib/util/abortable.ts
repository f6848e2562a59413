import { throwIfAborted } from './yield_timer.js';

/** Work that can be ended early. */
export interface Abortable {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

/** The same pieces, until the signal aborts. @param what is aborted, for the message. @throws RdropError ABORTED */
export async function* abortable<T>(
  pieces: Iterable<T> | AsyncIterable<T>,
  signal: AbortSignal | undefined,
  what: string,
): AsyncGenerator<T> {
  for await (const piece of pieces) {
    throwIfAborted(signal, what);
    yield piece;
  }
}
