import { RdropError } from '../util/errors.js';
import { checkedNumbers } from './numbers.js';

/**
 * Holm's step-down correction for several tests of one family: the i-th smallest of m p values times m - i + 1, at most 1
 * and never below the one before it. Comparing these with α keeps the chance of any false rejection at α or below,
 * however the tests depend on each other (S. Holm, Scandinavian Journal of Statistics 6, 1979; R's p.adjust).
 *
 * @returns the adjusted p values, in the order of the given ones.
 * @throws RdropError INVALID_ARGUMENT (no values, one outside 0 to 1), NON_FINITE.
 */
export function holm(pValues: readonly number[]): number[] {
  checkedNumbers(pValues, 'holm: pValues');
  pValues.forEach((p, i) => {
    if (p < 0 || p > 1) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `holm: pValues[${i}]: expected a number from 0 to 1, got ${p}`,
      );
    }
  });
  const adjusted = new Array<number>(pValues.length);
  const order = pValues.map((_, i) => i).sort((i, j) => (pValues[i] as number) - (pValues[j] as number));
  let largest = 0;
  order.forEach((i, place) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - place) * (pValues[i] as number)));
    adjusted[i] = largest;
  });
  return adjusted;
}
