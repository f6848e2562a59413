import { studentUpperQuantile } from '../../statistics/distributions.js';
import { fixed, mean, squaredDeviations } from '../../statistics/numbers.js';
import { conditionOf } from '../conditions.js';
import type { ReportChart } from '../document.js';
import type { RunSummary } from '../run_summary.js';
import { digitsOf } from '../scores.js';
import { rowName } from '../tables.js';
import type { Chart, Spots } from './chart.js';
import { conditionColors } from './colors.js';

/** Marks of neighboring seeds stand a little apart, so that equal values both show. */
const shifts = [0, -6, 6];

/** The 95 % t interval of a mean, for two values or more. */
export function meanInterval(values: readonly number[]): [low: number, high: number] {
  const n = values.length;
  const center = mean(values);
  const half = studentUpperQuantile(0.025, n - 1) * Math.sqrt(squaredDeviations(values) / (n - 1) / n);
  return [center - half, center + half];
}

/** The test metric by condition: a mark a run, the mean and its interval; null without a finished run. */
export function stripChart(runs: readonly RunSummary[], metric: string): ReportChart | null {
  const scored = runs.filter(({ testScore }) => testScore !== null);
  if (scored.length === 0) return null;
  const digits = digitsOf(metric);
  const series = conditionColors(scored);
  const seeds = [...new Set(scored.map(({ seed }) => seed))].sort((one, other) => one - other);
  const marks = series.flatMap(({ name }, row): Spots[] => {
    const own = scored.filter((run) => conditionOf(run) === name);
    const values = own.map(({ testScore }) => testScore as number);
    const average = mean(values);
    const [low, high] = values.length > 1 ? meanInterval(values) : [average, average];
    const told =
      `${name}, mean of ${values.length} ${values.length === 1 ? 'run' : 'runs'}: ${fixed(average, digits)}` +
      (values.length > 1 ? `, 95 % interval ${fixed(low, digits)} to ${fixed(high, digits)}` : '');
    const items = own.map(({ seed, testScore }) => ({
      row,
      at: testScore as number,
      shift: shifts[seeds.indexOf(seed) % shifts.length] as number,
      text: `${name}, seed ${seed}: ${fixed(testScore as number, digits)}`,
    }));
    return [
      ...(low < high
        ? [
            {
              kind: 'spots' as const,
              series: row,
              shape: 'interval' as const,
              items: [{ row, at: [low, high] as [number, number], text: told }],
            },
          ]
        : []),
      {
        kind: 'spots',
        series: row,
        shape: 'bar',
        items: [{ row, at: average, text: told, label: fixed(average, digits) }],
      },
      { kind: 'spots', series: row, shape: 'circle', items },
    ];
  });
  const chart: Chart = {
    label: `Test ${metric} of every run, with the mean and its interval for each condition`,
    series,
    panels: [
      {
        kind: 'rows',
        rows: series.map(({ name }) => name),
        names: 'above',
        x: { title: `test ${metric}` },
        marks,
      },
    ],
  };
  return {
    title: `Test ${metric} by ${rowName(runs)}`,
    chart,
    legend: false,
    caption:
      'Each circle is a run; the bar and the number are the mean of a condition, the line its 95 % t interval. Two such intervals may ' +
      'overlap although the conditions differ: the table of differences compares them.',
  };
}
