import { compareCodePoints } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';

/** Labels in the order of their classes: by code points, as scikit-learn's LabelEncoder sorts strings. */
export const sortLabels = (labels: Iterable<string>): string[] => [...labels].sort(compareCodePoints);

const decimal = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i;
const nonFinite = /^[+-]?(?:nan|inf|infinity)$/i;

/**
 * The number that a text holds.
 *
 * @param where names file and line in the error
 * @throws RdropError MALFORMED_FILE for what is no number, NON_FINITE for one that a double cannot hold
 */
export function finiteNumber(text: string, where: string): number {
  const value = decimal.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  const finite = !nonFinite.test(text) && !decimal.test(text);
  throw new RdropError(
    finite ? 'MALFORMED_FILE' : 'NON_FINITE',
    `${where}: expected a ${finite ? '' : 'finite '}number, got ${JSON.stringify(text.slice(0, 80))}`,
  );
}
