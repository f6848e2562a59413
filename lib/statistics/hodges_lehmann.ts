import { parseConfig } from '../options/schema/parse.js';
import { type IntervalOptions, intervalSchema } from '../options/statistics.js';
import { checkedNumbers, checkedPairs, invalidNumbers } from './numbers.js';
import { signedSums, subsetSums, sum } from './rank_distributions.js';
import { largestExact } from './rank_tests.js';

/**
 * The estimate of Hodges and Lehmann (Annals of Mathematical Statistics 34, 1963): by how much the values of a lie above those
 * of b, in their own unit. It goes with the rank tests as the difference of means goes with the t test.
 */
export interface HodgesLehmannEstimate {
  estimate: number;
  /**
   * The shifts that the rank test does not reject two-sided. Null where no shift can be rejected at this level, as
   * with three runs per condition at 95 %, and beyond largestExact values.
   */
  low: number | null;
  high: number | null;
  level: number;
}

/** The candidates of a sample grow with the square of its size. */
export const mostHodgesLehmannValues = 2000;

/**
 * The median of all differences a[i] - b[j], with the interval that belongs to the rank-sum test. The interval takes values
 * without ties for granted; with ties it is rather too wide.
 *
 * @param options level 0.95.
 * @throws RdropError INVALID_ARGUMENT (more than mostShiftValues as well), NON_FINITE
 */
export function hodgesLehmann(
  a: readonly number[],
  b: readonly number[],
  options: IntervalOptions = {},
): HodgesLehmannEstimate {
  const { level } = parseConfig(intervalSchema, options, 'hodgesLehmann', 'INVALID_ARGUMENT');
  checkedNumbers(a, 'hodgesLehmann: a');
  checkedNumbers(b, 'hodgesLehmann: b');
  checkedSize(a, 'hodgesLehmann: a');
  checkedSize(b, 'hodgesLehmann: b');
  const n = a.length + b.length;
  const differences = a.flatMap((value) => b.map((other) => value - other));
  if (n > largestExact) return estimateOf(differences, null, level);
  const ranks = Array.from({ length: n }, (_, i) => i + 1);
  const smallest = sum(ranks.slice(0, a.length));
  return estimateOf(differences, subsetSums(ranks, a.length).subarray(smallest), level);
}

/**
 * The same for pairs a[i], b[i]: the median of the means of all two of their differences (each with itself as well), with
 * the interval that belongs to the signed-rank test.
 *
 * @param options level 0.95.
 * @throws RdropError INVALID_ARGUMENT (unequal lengths and more than mostShiftValues as well), NON_FINITE
 */
export function pairedHodgesLehmann(
  a: readonly number[],
  b: readonly number[],
  options: IntervalOptions = {},
): HodgesLehmannEstimate {
  const { level } = parseConfig(intervalSchema, options, 'pairedHodgesLehmann', 'INVALID_ARGUMENT');
  const { differences } = checkedPairs(a, b, 'pairedHodgesLehmann');
  checkedSize(a, 'pairedHodgesLehmann: a');
  const n = differences.length;
  const means = differences.flatMap((one, i) => differences.slice(i).map((other) => (one + other) / 2));
  const ranks = Array.from({ length: n }, (_, i) => i + 1);
  return estimateOf(means, n > largestExact ? null : signedSums(ranks), level);
}

function checkedSize(values: readonly number[], name: string): void {
  if (values.length > mostHodgesLehmannValues) {
    throw invalidNumbers(name, `at most ${mostHodgesLehmannValues} numbers`, values);
  }
}

/**
 * @param ways ways[s]: in how many cases s of the candidates are positive when the true shift is 0. The test rejects a shift
 *   that leaves at most k - 1 of them below it, or above, where 2 P(S ≤ k - 1) ≤ 1 - level: the interval reaches from the k-th
 *   candidate to the k-th last.
 */
function estimateOf(candidates: number[], ways: Float64Array | null, level: number): HodgesLehmannEstimate {
  const sorted = candidates.sort((one, other) => one - other);
  const at = (i: number) => sorted[i] as number;
  const middle = sorted.length / 2;
  const estimate = (at(Math.ceil(middle) - 1) + at(Math.floor(middle))) / 2;
  const none = { estimate, low: null, high: null, level };
  if (ways === null) return none;
  // 1 - 0.9 is a little less than 0.1, in which the test rejects.
  const allowed = ((1 - level) / 2) * (1 + 1e-9) * sum([...ways]);
  let [below, cut] = [0, 0];
  for (; below + (ways[cut] as number) <= allowed; cut++) below += ways[cut] as number;
  return cut === 0 ? none : { estimate, low: at(cut - 1), high: at(sorted.length - cut), level };
}
