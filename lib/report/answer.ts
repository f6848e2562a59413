import type { PairOfConditions } from '../statistics/comparison.js';
import { formatP, percentText } from '../statistics/comparison_lines.js';
import { fixed, mean } from '../statistics/numbers.js';
import { fewestRuns } from '../statistics/planned_power.js';
import { wilcoxonRankSum } from '../statistics/rank_tests.js';
import { conditionOf } from './conditions.js';
import type { RunSummary } from './run_summary.js';
import { digitsOf } from './scores.js';
import { comparedPairs } from './tables.js';

/** The p value from which on a difference counts as shown. */
const level = 0.05;
/** More comparisons than these are left to the table. */
const mostCompared = 5;

interface Metric {
  name: string;
  higherIsBetter: boolean;
}

interface Rival {
  name: string;
  values: number[];
}

const runsText = (n: number) => `${n} ${n === 1 ? 'run' : 'runs'}`;

/**
 * What the runs say in plain words: which condition is best, by how much, and whether the rank-sum test shows it; then the same
 * of the best against each other. The numbers are those of the table of differences.
 */
export function answerOf(runs: readonly RunSummary[], metric: Metric): string[] {
  const scored = runs.filter(({ testScore }) => testScore !== null);
  const rivals = [...new Set(scored.map(conditionOf))].map(
    (name): Rival => ({
      name,
      values: scored.flatMap((run) => (conditionOf(run) === name ? (run.testScore as number) : [])),
    }),
  );
  const sign = metric.higherIsBetter ? 1 : -1;
  const [best, ...others] = rivals.sort((one, other) => sign * (mean(other.values) - mean(one.values)));
  if (best === undefined) return [`No run has a test ${metric.name} yet.`];
  const reached = `${fixed(mean(best.values), digitsOf(metric.name))} test ${metric.name}`;
  if (others.length === 0) {
    const several = best.values.length > 1 ? `, the mean of ${runsText(best.values.length)}` : '';
    return [
      `${best.name} reaches ${reached}${several}.`,
      'There is one condition only, so nothing can be compared.',
    ];
  }
  const pairs = comparedPairs(scored);
  const against = others.map((other) => comparisonOf(best, other, metric, pairs));
  const [first, ...rest] = against;
  const left = rest.length - (mostCompared - 1);
  return [
    `${first?.verdict}`,
    ...(first?.details ?? []),
    ...rest.slice(0, mostCompared - 1).map(({ verdict }) => verdict),
    ...(left > 0
      ? [`${left} more ${left === 1 ? 'condition is' : 'conditions are'} compared in the table.`]
      : []),
  ];
}

function comparisonOf(
  best: Rival,
  other: Rival,
  { name, higherIsBetter }: Metric,
  pairs: readonly PairOfConditions[],
): { verdict: string; details: string[] } {
  const pair = pairs.find(
    ({ a, b }) => (a === best.name && b === other.name) || (a === other.name && b === best.name),
  );
  if (pair === undefined) return { verdict: '', details: [] };
  const digits = digitsOf(name);
  const own = fixed(mean(best.values), digits);
  const theirs = fixed(mean(other.values), digits);
  const means = `${own} against ${theirs} test ${name}`;
  if (pair.equal)
    return { verdict: `${best.name} and ${other.name} have the same values (${means}).`, details: [] };
  const difference = Math.abs(pair.meanDifference);
  const p = pair.holm.rankSum;
  const shown = p <= level;
  const interval = gainInterval(pair, (pair.a === best.name) === higherIsBetter, digits);
  const gain = `by ${fixed(difference, digits)} test ${name}${interval}`;
  return {
    verdict: shown
      ? `${best.name} is better than ${other.name} ${gain}, and the rank-sum test shows it.`
      : `${best.name} is ahead of ${other.name} ${gain}, which the rank-sum test cannot tell from chance.`,
    details: [
      `Means: ${own} (${best.name}, ${runsText(best.values.length)}) and ` +
        `${theirs} (${other.name}, ${runsText(other.values.length)}). Rank-sum test: ` +
        `p = ${formatP(p)}${pairs.length > 1 ? " after Holm's correction" : ''}.`,
      ...(shown ? [] : reach(best, other, pairs.length)),
    ],
  };
}

/** The interval of the difference, as a gain of the better one; empty where there is none. */
function gainInterval(
  { bootstrap: { low, high, level: coverage } }: PairOfConditions,
  same: boolean,
  digits: number,
): string {
  if (low === null || high === null) return '';
  const [from, to] = same ? [low, high] : [-high, -low];
  return ` (${percentText(coverage)} interval ${fixed(from, digits)} to ${fixed(to, digits)})`;
}

/** Where so few runs cannot show any difference, how many could. */
function reach({ values: a }: Rival, { values: b }: Rival, pairs: number): string[] {
  // The most extreme outcome: all of one before all of the other.
  const apart = wilcoxonRankSum(
    a.map((_, i) => i),
    b.map((_, i) => a.length + i),
  );
  const needed = level / pairs;
  if (apart.p <= needed * (1 + 1e-9)) return [];
  const fewest = fewestRuns('rank-sum', needed);
  const counts =
    a.length === b.length ? `${runsText(a.length)} of each` : `${a.length} and ${runsText(b.length)}`;
  return [
    `With ${counts} the smallest p value that the rank-sum test can give is ${formatP(apart.p)}` +
      (pairs > 1 ? `, before the correction for ${pairs} comparisons` : '') +
      (fewest === null ? '.' : `; ${runsText(fewest.runsPerCondition)} of each could show a difference.`),
  ];
}
