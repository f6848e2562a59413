import { RdropError } from '../../util/errors.js';
import { describe } from './parse.js';
import { unknownNameText } from './unknown_key.js';

/** What each option that says how a call is to be done must be; of the others nothing is asked here. */
const controls: Record<string, { fits: (value: unknown) => boolean; expected: string }> = {
  signal: {
    // Also one of another realm.
    fits: (value) =>
      typeof (value as AbortSignal | null)?.aborted === 'boolean' &&
      typeof (value as AbortSignal).addEventListener === 'function',
    expected: 'an AbortSignal',
  },
  onProgress: { fits: (value) => typeof value === 'function', expected: 'a function' },
  onRows: { fits: (value) => typeof value === 'function', expected: 'a function' },
};

/** The names of the options that most calls take. */
export const workOptions = ['signal', 'onProgress'] as const;

/**
 * Refuses options of a call that there are not: a signal by a wrong name would abort nothing, in silence.
 *
 * @param known every name that the call knows
 * @throws RdropError INVALID_ARGUMENT
 */
export function checkCall(options: unknown, known: readonly string[], what: string): void {
  if (typeof options !== 'object' || options === null)
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${what}: expected an object of options, got ${describe(options)}`,
    );
  for (const [key, value] of Object.entries(options)) {
    if (!known.includes(key))
      throw new RdropError(
        'INVALID_ARGUMENT',
        `${what}.${key}: ${unknownNameText(key, known)}; got ${describe(value)}`,
      );
    const control = controls[key];
    if (value === undefined || control === undefined || control.fits(value)) continue;
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${what}.${key}: expected ${control.expected}, got ${describe(value)}`,
    );
  }
}
