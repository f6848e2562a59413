import { formatP } from '../statistics/comparison_lines.js';
import { shortNumber } from '../statistics/planned_comparison.js';
import { mostRuns, type PlannedPower } from '../statistics/planned_power.js';
import type { ReportTable } from './table.js';

/** Plans of one comparison that differ in the test alone, as a table with what they mean in sentences. */
export function powerTable(plans: readonly PlannedPower[]): ReportTable {
  const [plan] = plans as [PlannedPower];
  const { runsPerCondition, conditions, effectSize, alternative, alpha, level, targetPower } = plan;
  const pairs = (conditions * (conditions - 1)) / 2;
  const correlation = plans.find((one) => one.correlation !== null)?.correlation ?? null;
  return {
    caption:
      `${conditions} conditions of ${counted(runsPerCondition)}, true difference of ${effectSize} standard deviations of a run, ` +
      `${alternative}, p ≤ ${shortNumber(level)}`,
    head: [
      'test',
      'smallest p',
      'power',
      '95 % interval',
      `runs per condition for power ${shortNumber(targetPower)}`,
    ],
    rows: plans.map(({ test, minimumPValue, power, powerInterval, runsForTarget }) => [
      test,
      minimumPValue === 0 ? 'no bound' : formatP(minimumPValue),
      power.toFixed(3),
      powerInterval === null
        ? 'exact'
        : `${powerInterval.low.toFixed(3)} to ${powerInterval.high.toFixed(3)}`,
      runsForTarget === null ? `more than ${mostRuns}` : String(runsForTarget),
    ]),
    notes: [
      ...plans.flatMap(reachNote),
      ...(pairs > 1
        ? [
            `p ≤ ${shortNumber(level)} is α ${shortNumber(alpha)} over the ${pairs} pairs of conditions, the first step of Holm's correction.`,
          ]
        : []),
      ...(correlation === null
        ? []
        : [
            `The paired tests take the two runs of a seed to have a correlation of ${shortNumber(correlation)}.`,
          ]),
      ...costNotes(plans),
    ],
  };
}

const counted = (runs: number): string => `${runs} ${runs === 1 ? 'run' : 'runs'}`;

function reachNote({
  test,
  runsPerCondition,
  level,
  minimumPValue,
  reachable,
  fewestRuns,
}: PlannedPower): string[] {
  if (reachable) return [];
  const fewest =
    fewestRuns === null
      ? `nor can ${mostRuns}`
      : `${fewestRuns.runsPerCondition} are the fewest that can` +
        (fewestRuns.minimumPValue > 0 ? ` (${shortNumber(fewestRuns.minimumPValue)})` : '');
  return [
    `${counted(runsPerCondition)} per condition cannot reach p ≤ ${shortNumber(level)} with the ${test} test: ` +
      `the smallest p is ${shortNumber(minimumPValue)}; ${fewest}.`,
  ];
}

function costNotes(plans: readonly PlannedPower[]): string[] {
  const hours = ({ runs, hours: total }: { runs: number; hours?: number }) =>
    total === undefined
      ? counted(runs)
      : `${counted(runs)} × ${shortNumber(total / runs)} h = ${Number(total.toFixed(1))} h`;
  const [plan] = plans as [PlannedPower];
  if (plan.cost.hours === undefined) return [];
  return [
    `Cost as planned: ${hours(plan.cost)}.`,
    ...plans.flatMap(({ test, targetPower, costForTarget }) =>
      costForTarget === null
        ? []
        : [`For power ${shortNumber(targetPower)} with the ${test} test: ${hours(costForTarget)}.`],
    ),
  ];
}
