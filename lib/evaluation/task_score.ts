import { describe } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';

/** A figure of a test set, under the name that metrics and results know it by. */
export interface TaskScore {
  /** accuracy, macro_f1, f1, matthews; pearson, spearman, mse; perplexity, bits_per_character. */
  name: string;
  /** In the unit of the name: a fraction for accuracy, not percent. NaN where it is not defined. */
  score: number;
  /** What the figure was computed of and how; scores of equal signatures are comparable. */
  signature: string;
}

/** @throws RdropError INVALID_ARGUMENT unless both hold the same number of items, at least one */
export function checkSameLength(a: ArrayLike<unknown>, b: ArrayLike<unknown>, what: string): void {
  for (const [name, list] of [['predicted', a] as const, ['expected', b] as const]) {
    if (typeof list?.length === 'number' && typeof list !== 'string' && list.length > 0) continue;
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${what}: ${name}: expected at least one item, got ${describe(list)}`,
    );
  }
  if (a.length === b.length) return;
  throw new RdropError(
    'LINE_COUNT_MISMATCH',
    `${what}: expected as many predicted as expected items (${b.length}), got ${a.length}`,
  );
}
