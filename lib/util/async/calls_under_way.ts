import { setImmediate } from 'node:timers/promises';

/** Counts the calls under way on an object that can be disposed of, so that one can wait until there are none. */
export class CallsUnderWay {
  #count = 0;
  #waiting: (() => void)[] = [];

  get count(): number {
    return this.#count;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    const end = this.begin();
    try {
      return await call();
    } finally {
      end();
    }
  }

  /** For a call that is no function: @returns what ends it, once. */
  begin(): () => void {
    this.#count++;
    return () => {
      this.#count--;
      if (this.#count > 0) return;
      for (const resume of this.#waiting.splice(0)) resume();
    };
  }

  /** Resolves when none is under way and each one's caller has seen how it ended. */
  async ended(): Promise<void> {
    while (this.#count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    // The promises of the calls settle in the turn of the event loop in which the calls end.
    await setImmediate();
  }
}
