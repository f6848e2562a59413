import { describe } from '../options/schema/parse.js';
import { throwIfAborted, YieldTimer } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';

const reading = 'reading lines to translate';

/**
 * Lines in windows of `size`, the last one shorter. No line is asked for before it is needed; the source is closed however this
 * ends. Lines before a failure of the source come first, then the failure.
 *
 * @param place what an error calls a line, counted from 0
 * @throws RdropError ABORTED, also while the source lets it wait; INVALID_ARGUMENT for what is no string
 */
export async function* lineWindows(
  lines: Iterable<string> | AsyncIterable<string>,
  size: number,
  place: (line: number) => string,
  signal: AbortSignal,
): AsyncGenerator<string[]> {
  const breaks = new YieldTimer(reading, signal);
  const source = new LineSource(lines, signal);
  let read = 0;
  let failure: { error: unknown } | null = null;
  try {
    for (let over = false; !over; ) {
      const window: string[] = [];
      try {
        while (window.length < size) {
          const { value, done } = await source.next();
          if (done === true) break;
          if (typeof value !== 'string') {
            throw new RdropError(
              'INVALID_ARGUMENT',
              `${place(read)}: expected a string, got ${describe(value)}`,
            );
          }
          window.push(value);
          read++;
          if (breaks.due()) await breaks.take();
        }
      } catch (error) {
        throwIfAborted(signal, reading);
        failure = { error };
      }
      over = window.length < size;
      if (window.length > 0) yield window;
    }
    if (failure !== null) throw failure.error;
  } finally {
    await source.close();
  }
}

/** The iterator of a source, which is left where the signal aborts although it gives no answer. */
class LineSource {
  readonly #iterator: Iterator<string> | AsyncIterator<string>;
  readonly #signal: AbortSignal;
  #state: 'open' | 'asked' | 'over' = 'open';

  constructor(lines: Iterable<string> | AsyncIterable<string>, signal: AbortSignal) {
    this.#iterator = Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]();
    this.#signal = signal;
  }

  /** @throws RdropError ABORTED, and what the source throws */
  async next(): Promise<IteratorResult<string>> {
    this.#state = 'asked';
    let answer: IteratorResult<string>;
    try {
      answer = await this.#unlessAborted(this.#iterator.next());
    } catch (error) {
      if (!this.#signal.aborted) this.#state = 'over';
      throw error;
    }
    this.#state = answer.done === true ? 'over' : 'open';
    return answer;
  }

  /** Tells the source that no more is wanted. One that has not answered yet is not waited for. */
  async close(): Promise<void> {
    const state = this.#state;
    if (state === 'over') return;
    this.#state = 'over';
    const closed = (async () => await this.#iterator.return?.())();
    if (state === 'open') await closed;
    else closed.catch(() => {});
  }

  #unlessAborted<T>(answer: T | PromiseLike<T>): T | Promise<T> {
    if (!isPromise(answer)) return answer;
    return new Promise((resolve, reject) => {
      const signal = this.#signal;
      const leave = () =>
        reject(new RdropError('ABORTED', `${reading} was aborted`, { cause: signal.reason }));
      signal.addEventListener('abort', leave, { once: true });
      const answered = () => signal.removeEventListener('abort', leave);
      answer.then(
        (value) => {
          answered();
          resolve(value);
        },
        (error) => {
          answered();
          reject(error);
        },
      );
    });
  }
}

const isPromise = <T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> =>
  typeof (answer as PromiseLike<T> | null)?.then === 'function';
