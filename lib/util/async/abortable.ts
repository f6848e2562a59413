import { RdropError } from '../errors.js';
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

/**
 * What work gives, or ABORTED as soon as the signal aborts. Work that cannot be interrupted then ends unseen: it keeps what it uses
 * until then, and what it gives is handed to `discard`.
 *
 * @param what is aborted, for the message
 * @throws RdropError ABORTED, and what the work throws
 */
export async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  what: string,
  discard: (late: T) => void = () => {},
): Promise<T> {
  if (signal === undefined) return await work;
  let heard = (): void => {};
  const aborted = new Promise<typeof isAborted>((resolve) => {
    heard = () => resolve(isAborted);
  });
  signal.addEventListener('abort', heard, { once: true });
  if (signal.aborted) heard();
  try {
    const first = await Promise.race([work, aborted]);
    if (first !== isAborted) return first;
    // Nobody waits for its error any more.
    work.then(discard, () => {});
    throw new RdropError('ABORTED', `${what} was aborted`, { cause: signal.reason });
  } finally {
    signal.removeEventListener('abort', heard);
  }
}

const isAborted = Symbol('aborted');
