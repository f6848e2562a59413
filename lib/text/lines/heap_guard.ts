import { getHeapStatistics } from 'node:v8';
import { RdropError } from '../../util/errors.js';

/** What a string costs beside its characters, with its place in an array. */
const lineCost = 48;

/** Refuses text that this process could not hold in memory: V8 would end it without a word of what was read. */
export class HeapGuard {
  readonly #most = getHeapStatistics().heap_size_limit / 3;
  #cost = 0;
  #lines = 0;

  /**
   * Several texts may share a guard: what counts is what they hold together.
   *
   * @param name what the error calls the text.
   * @throws RdropError TOO_LARGE.
   */
  add(lines: readonly string[], name: string): void {
    for (const line of lines) this.#cost += line.length + lineCost;
    this.#lines += lines.length;
    if (this.#cost <= this.#most) return;
    throw new RdropError(
      'TOO_LARGE',
      `${name}: expected text that fits into a third of the memory of this process (${Math.floor(this.#most)} bytes), ` +
        `got more in ${this.#lines} lines; NODE_OPTIONS=--max-old-space-size=MEGABYTES raises it`,
    );
  }
}
