import { fewestRuns, minimumPValue } from './planned_power.js';

/** The level that a sweep's notes measure by; nothing is decided with it. */
const usualLevel = 0.05;

/** What the runs of a sweep can show at most, known before the first of them. */
export interface PlannedComparison {
  /** Runs per condition. */
  seeds: number;
  /** Pairs of conditions, over which Holm's correction goes. */
  pairs: number;
  /** The smallest two-sided p value of one pair, before Holm's correction; null with a single condition. */
  minimumPValue: { rankSum: number; signedRank: number } | null;
  /** The smallest that is left of it after the correction: a pair whose p is the least of all is multiplied by `pairs`. */
  smallestHolm: { rankSum: number; signedRank: number } | null;
  /** What cannot be reached, in words; empty when both rank tests can give p ≤ 0.05. */
  notes: string[];
}

/** @param seeds runs per condition, at least 1 */
export function plannedComparison(seeds: number, conditions: number): PlannedComparison {
  const pairs = (conditions * (conditions - 1)) / 2;
  if (pairs === 0) return { seeds, pairs, minimumPValue: null, smallestHolm: null, notes: [] };
  const tests = (['rank-sum', 'signed-rank'] as const).map((test) => {
    const p = minimumPValue(test, seeds);
    return { test, p, corrected: Math.min(1, pairs * p), fewest: fewestRuns(test, usualLevel / pairs) };
  });
  const [rankSum, signedRank] = tests as [(typeof tests)[0], (typeof tests)[0]];
  const short = tests.filter(({ corrected }) => corrected > usualLevel * (1 + 1e-9));
  return {
    seeds,
    pairs,
    minimumPValue: { rankSum: rankSum.p, signedRank: signedRank.p },
    smallestHolm: { rankSum: rankSum.corrected, signedRank: signedRank.corrected },
    notes: short.length === 0 ? [] : [note(seeds, pairs, short)],
  };
}

function note(
  seeds: number,
  pairs: number,
  short: { test: string; p: number; corrected: number; fewest: { runsPerCondition: number } | null }[],
): string {
  const limits = short.map(
    ({ test, p }, i) => `the ${test} test ${i === 0 ? 'cannot give less than p = ' : ''}${shortNumber(p)}`,
  );
  const corrected = short.map((one) => shortNumber(one.corrected)).join(' and ');
  const needed = short.map(({ fewest }) => fewest?.runsPerCondition ?? 'more than 100').join(' and ');
  return (
    `with ${seeds} ${seeds === 1 ? 'seed' : 'seeds'} ${limits.join(', ')}` +
    `${pairs === 1 ? '' : `, after Holm over ${pairs} pairs ${corrected}`}; ` +
    `p ≤ ${usualLevel} needs at least ${needed} seeds (see rdrop stats power)`
  );
}

/** Three significant digits, without zeros behind them. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));
