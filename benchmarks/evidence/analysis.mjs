// What the runs of a study say, by the plan of docs/evidence.md: summaries of the conditions, the primary comparison, all pairs.
import { compareAllPairs, compareRuns } from '../../dist/statistics/index.js';

/** The comparison that is tested alone, at 0.05. */
export const primary = ['uni', 'bi'];

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
const deviation = (numbers) => {
  const center = mean(numbers);
  return Math.sqrt(numbers.reduce((sum, x) => sum + (x - center) ** 2, 0) / (numbers.length - 1));
};
const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

/** Passes through the network that a batch costs. */
export const passesOf = (condition) => (condition.startsWith('one-pass') ? 1 : 2);

/** The test figures of every condition in the order of the seeds, so that a position is a seed. */
export const figuresOf = (runs) =>
  Object.fromEntries(
    [...new Set(runs.map(({ condition }) => condition))].map((condition) => [
      condition,
      runs
        .filter((run) => run.condition === condition)
        .toSorted((a, b) => a.seed - b.seed)
        .map(({ test }) => test),
    ]),
  );

/**
 * A study's results.json → its analysis. Every condition must have the same seeds: a missing one would be a choice of runs.
 */
export function analyze({ seeds, runs }) {
  const figures = figuresOf(runs);
  for (const [condition, values] of Object.entries(figures)) {
    if (values.length !== seeds.length || values.some((value) => !Number.isFinite(value)))
      throw new Error(`${condition}: expected a figure for each of ${seeds.length} seeds, got ${values}`);
  }
  const conditions = Object.entries(figures).map(([condition, values]) => {
    const own = runs.filter((run) => run.condition === condition);
    return {
      condition,
      setting: own[0].setting,
      runs: values.length,
      mean: mean(values),
      median: median(values),
      deviation: deviation(values),
      lowest: Math.min(...values),
      highest: Math.max(...values),
      validation: mean(own.map(({ validation }) => validation)),
      passes: own[0].updates * passesOf(condition),
      secondsPerUpdate: median(own.map(({ seconds, updates }) => seconds / updates)),
      bestUpdate: median(own.map(({ bestUpdate }) => bestUpdate)),
    };
  });
  const [a, b] = primary;
  return {
    conditions,
    primary: { a, b, ...compareRuns(figures[a], figures[b]) },
    pairs: compareAllPairs(figures),
  };
}
