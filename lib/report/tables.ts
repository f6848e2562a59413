import {
  comparePairs,
  compareRuns,
  correctPairs,
  type PairOfConditions,
  type RunComparison,
} from '../statistics/comparison.js';
import { formatP, percentText } from '../statistics/comparison_lines.js';
import { fixed, mean } from '../statistics/numbers.js';
import { droppedText } from '../sweep/halving.js';
import { once } from '../util/once.js';
import { conditionOf, poolingNotes } from './conditions.js';
import type { RunSummary } from './run_summary.js';
import { digitsOf } from './scores.js';
import type { ReportTable } from './table.js';

const absent = '—';
const grouped = (value: number, digits = 0) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const scoreText = (value: number | null | undefined, metric: string) =>
  value === null || value === undefined ? absent : value.toFixed(digitsOf(metric));
const secondsText = (value: number | null | undefined) =>
  value === null || value === undefined ? absent : `${grouped(value, value < 100 ? 1 : 0)} s`;
const countText = (value: number | undefined, digits = 0) =>
  value === undefined ? absent : grouped(value, digits);

const directionOrder = ['uni', 'uni-reverse', 'bi', 'baseline', 'one-pass'];
const rank = (direction: string) =>
  directionOrder.includes(direction) ? directionOrder.indexOf(direction) : directionOrder.length;

/** 'alpha=2' before 'alpha=10'. */
const inOrder = once(() => new Intl.Collator('en', { numeric: true }));

/** By direction (uni, uni-reverse, bi, baseline, one-pass, others), then by seed. */
export function sortRuns(runs: readonly RunSummary[]): RunSummary[] {
  return [...runs].sort(
    (one, other) =>
      rank(one.direction) - rank(other.direction) ||
      inOrder().compare(conditionOf(one), conditionOf(other)) ||
      one.seed - other.seed,
  );
}

/** The conditions in their order; the directions where nothing else differs. */
const conditionsOf = (runs: readonly RunSummary[]) => [...new Set(runs.map(conditionOf))];

/** What a row of runs is called: a direction, unless more than that differs. */
export const rowName = (runs: readonly RunSummary[]) =>
  runs.every((run) => conditionOf(run) === run.direction) ? 'direction' : 'condition';

/** The paper's table 1: the metric by direction and seed, averages, average durations. */
export function metricTable(runs: readonly RunSummary[], metric = 'BLEU'): ReportTable {
  const seeds = [...new Set(runs.map(({ seed }) => seed))].sort((one, other) => one - other);
  const rows = conditionsOf(runs).map((condition) => {
    const own = runs.filter((run) => conditionOf(run) === condition);
    const average = (values: (number | null)[], text: (value: number) => string) => {
      const present = values.filter((value) => value !== null);
      if (present.length === 0) return absent;
      const short = present.length < own.length ? ` (${present.length} of ${own.length} runs)` : '';
      return `${text(mean(present))}${short}`;
    };
    return [
      condition,
      ...seeds.map((seed) => scoreText(own.find((run) => run.seed === seed)?.testScore, metric)),
      average(
        own.map(({ testScore }) => testScore),
        (value) => scoreText(value, metric),
      ),
      average(
        own.map(({ seconds }) => seconds),
        secondsText,
      ),
    ];
  });
  const signatures = [...new Set(runs.flatMap(({ signature }) => signature ?? []))];
  const notes = signatures.map((signature) => `signature: ${signature}`);
  const missing = missingRuns(runs, metric);
  if (missing) notes.push(missing);
  notes.push(...poolingNotes(runs));
  return {
    caption: `Test ${metric} by ${rowName(runs)} and seed`,
    head: [rowName(runs), ...seeds.map((seed) => `seed ${seed}`), 'average', 'average duration'],
    rows,
    notes,
  };
}

/** A sentence on the runs without the metric, or null. */
function missingRuns(runs: readonly RunSummary[], metric: string): string | null {
  const missing = runs.filter(({ testScore }) => testScore === null);
  if (missing.length === 0) return null;
  const list = missing.map((run) => {
    const { seed, state, updates, rung } = run;
    const name =
      conditionOf(run) === run.direction ? `${run.direction}-${seed}` : `${conditionOf(run)}, seed ${seed}`;
    if (state === 'finished') return `${name} (finished without one)`;
    if (state === 'missing') return `${name} (not begun)`;
    if (rung !== undefined) return `${name}: ${droppedText(rung)}`;
    return `${name} (${updates === undefined ? 'begun' : `at update ${grouped(updates)}`})`;
  });
  return `No test ${metric} yet: ${list.join(', ')}.`;
}

/** Every pair of conditions that have a finished run, with Holm's correction. */
export function comparedPairs(runs: readonly RunSummary[]): PairOfConditions[] {
  const scored = runs.filter(({ testScore }) => testScore !== null);
  const conditions = conditionsOf(scored);
  return correctPairs(
    conditions.flatMap((a, i) =>
      conditions.slice(i + 1).map((b) => ({ a, b, ...compareConditions(scored, a, b) })),
    ),
  );
}

/** Every pair of conditions compared; null when fewer than two have a finished run. */
export function comparisonTable(runs: readonly RunSummary[], metric = 'BLEU'): ReportTable | null {
  const pairs = comparedPairs(runs);
  if (pairs.length === 0) return null;
  const caption = `Differences between ${rowName(runs)}s in test ${metric}`;
  return pairTable(caption, pairs, `${rowName(runs)}s`, digitsOf(metric));
}

/** One row a pair of conditions; with several pairs Holm's correction stands beside each p value. */
export function pairTable(
  caption: string,
  pairs: readonly PairOfConditions[],
  compared = 'conditions',
  digits = 2,
): ReportTable {
  const level = percentText(pairs[0]?.bootstrap.level ?? 0.95);
  const corrected = pairs.length > 1;
  return {
    caption,
    head: [
      compared,
      'difference of means',
      "Cohen's d",
      'rank-sum test',
      'signed-rank test',
      `${level} interval`,
      "Hedges' g",
      `${level} interval of the effect size`,
    ],
    rows: pairs.map((pair) => [`${pair.a} − ${pair.b}`, ...comparisonCells(pair, corrected, digits)]),
    notes: [
      "Cohen's d uses the pooled sample standard deviation; the first interval is a percentile bootstrap of the difference of means.",
      "Hedges' g is d without its bias; the interval of the effect size is that of the true value which both estimate, exact for " +
        'normal runs (noncentral t).',
      'Both rank tests are two-sided Wilcoxon tests: rank-sum (Mann-Whitney) takes the runs as independent, signed-rank pairs ' +
        'those of equal seed. The p = 0.10 of the paper is the rank-sum test, although the paper calls it signed-rank.',
      ...(corrected
        ? [
            `Holm: the p value after Holm's correction over the ${pairs.length} pairs of ${compared} of this table, each of the two tests ` +
              'a family of its own. The intervals are not corrected.',
          ]
        : []),
    ],
  };
}

/** The comparison of two conditions; what needs pairs over the seeds that both have. */
export function compareConditions(runs: readonly RunSummary[], first: string, second: string): RunComparison {
  const scores = (condition: string) =>
    new Map(
      runs.flatMap((run) =>
        conditionOf(run) === condition && run.testScore !== null ? [[run.seed, run.testScore] as const] : [],
      ),
    );
  const a = scores(first);
  const b = scores(second);
  const common = [...a.keys()].filter((seed) => b.has(seed));
  const pairs = (values: Map<number, number>) => common.map((seed) => values.get(seed) as number);
  return { ...compareRuns([...a.values()], [...b.values()]), ...comparePairs(pairs(a), pairs(b)) };
}

function comparisonCells(pair: PairOfConditions, corrected: boolean, digits: number): string[] {
  const { equal, meanDifference, cohensD, hedgesG, effectInterval, rankSum, signedRank, bootstrap, holm } =
    pair;
  const testText = (
    statistic: string,
    { p, method }: { p: number; method: string },
    adjusted: number | null,
  ) =>
    `${statistic}, p = ${formatP(p)}${method === 'normal' ? ' (normal approximation)' : ''}` +
    (corrected && adjusted !== null ? `, Holm ${formatP(adjusted)}` : '');
  const between = ({ low, high }: { low: number | null; high: number | null }, shown: number) =>
    low === null || high === null ? absent : `${fixed(low, shown)} to ${fixed(high, shown)}`;
  return [
    equal ? '0 (equal values)' : fixed(meanDifference, digits),
    cohensD === null ? absent : fixed(cohensD, 3),
    testText(`U = ${rankSum.u}`, rankSum, holm.rankSum),
    signedRank === null ? absent : testText(`W = ${signedRank.w}`, signedRank, holm.signedRank),
    between(bootstrap, digits),
    hedgesG === null ? absent : fixed(hedgesG, 3),
    between(effectInterval, 2),
  ];
}

/** Its directory's name, with the condition where several have the same. */
function runName(run: RunSummary, runs: readonly RunSummary[]): string {
  const { name = `${run.direction}-${run.seed}` } = run;
  const alone = runs.every((other) => other === run || other.name !== run.name);
  return alone || conditionOf(run) === run.direction ? name : `${name} (${conditionOf(run)})`;
}

/** What picked the best checkpoints; the test metric's name would be wrong where another was asked for. */
const validMetric = (runs: readonly RunSummary[]) =>
  runs.find(({ metric }) => metric !== undefined)?.metric?.name ?? 'BLEU';

const stateText = ({ state, rung, testScore }: RunSummary): string =>
  rung === undefined ? (state ?? (testScore === null ? 'unfinished' : 'finished')) : droppedText(rung);

/** One row a run. */
export function runTable(runs: readonly RunSummary[], metric = 'BLEU'): ReportTable {
  return {
    caption: 'Runs',
    head: [
      'run',
      'state',
      `test ${metric}`,
      `best validation ${validMetric(runs)}`,
      'at update',
      'updates',
      'epochs',
      'training',
      'parameters',
    ],
    rows: runs.map((run) => [
      runName(run, runs),
      stateText(run),
      scoreText(run.testScore, metric),
      scoreText(run.validScore, validMetric(runs)),
      countText(run.bestUpdate),
      countText(run.updates),
      countText(run.epochs, 1),
      secondsText(run.seconds),
      countText(run.parameters),
    ]),
    notes: [],
  };
}
