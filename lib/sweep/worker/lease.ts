/**
 * How long a worker may go on with a trial. The queue's lock is renewed; where it is not, because somebody else has it, the server is
 * away or this process was stopped, the trial ends before the queue may give it to another worker.
 */
export class Lease {
  readonly #lost = new AbortController();
  readonly #extend: (milliseconds: number) => Promise<boolean>;
  readonly #milliseconds: number;
  readonly #listeners = new Set<(until: number) => void>();
  #until = 0;
  #asking = false;
  #deadline: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param extend makes the queue's lock last so long from now; false: another has it. What it throws decides nothing. */
  constructor(milliseconds: number, extend: (milliseconds: number) => Promise<boolean>) {
    this.#milliseconds = milliseconds;
    this.#extend = extend;
  }

  /** Aborted when the trial is no longer this worker's. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** @returns whether the lock is this worker's */
  async begin(): Promise<boolean> {
    this.#hold(Date.now());
    await this.#renew();
    this.#timer = setInterval(() => void this.#renew(), this.#milliseconds / 4);
    return !this.lost.aborted;
  }

  /** Calls the listener with the time, in milliseconds since 1970, until which the trial may go on; now and after each renewal. */
  onHeld(listener: (until: number) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#until);
    return () => this.#listeners.delete(listener);
  }

  end(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#deadline);
  }

  async #renew(): Promise<void> {
    if (this.#asking || this.lost.aborted) return;
    this.#asking = true;
    const asked = Date.now();
    try {
      if (await this.#extend(this.#milliseconds)) this.#hold(asked);
      else this.#lose();
    } catch {
      // The server is away: what was granted before holds.
    } finally {
      this.#asking = false;
    }
  }

  #hold(asked: number): void {
    if (this.lost.aborted) return;
    // The queue counts from when it was asked or later; a tenth is left for what ends a process.
    this.#until = Math.max(this.#until, asked + 0.9 * this.#milliseconds);
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#lose(), Math.max(0, this.#until - Date.now()));
    for (const listener of this.#listeners) listener(this.#until);
  }

  #lose(): void {
    this.end();
    this.#lost.abort();
  }
}
