/**
 * Signals, alike for every command: SIGINT (Ctrl-C) and SIGTERM end it with the status of a shell, 130 and 143. Work that can end
 * in good order is asked to by the first one and ended at once by the second; anything else ends at once by the first.
 */
import { say } from './terminal.js';

const statuses = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof statuses;
const signals = Object.keys(statuses) as Signal[];

/** Pieces of work that end in good order; at most one in a command. */
let working = 0;
let came: Signal | null = null;

/** The exit status of the signal that came, or null where none did. */
export const statusOfSignal = (): number | null => (came === null ? null : statuses[came]);

/** Signals end the process with their status, unless work is under way that ends in good order. */
export function endBySignals(): void {
  for (const signal of signals) {
    process.on(signal, () => {
      if (working === 0) process.exit(statuses[signal]);
    });
  }
}

/**
 * Work that a signal ends in good order.
 *
 * @param note what it does until it has ended, told when the signal comes
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  note = 'stopping',
): Promise<T> {
  const controller = new AbortController();
  const handlers = signals.map((signal) => {
    const handler = (): void => {
      // Not 130 with a second signal of another kind: the last one ends it.
      if (came !== null) process.exit(statuses[signal]);
      came = signal;
      say(`rdrop: ${note} (once more to end at once)`);
      controller.abort();
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  came = null;
  working += 1;
  try {
    return await work(controller.signal);
  } finally {
    working -= 1;
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}
