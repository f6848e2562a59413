import type { Chart, LinePanel, RowPanel, Spot } from '../report/charts/chart.js';
import { directionColors } from '../report/charts/colors.js';
import type { ReportChart } from '../report/document.js';
import type { GroupEstimate } from './estimates.js';
import type { DropoutMoments } from './theory.js';

const directions = ['uni', 'uni-reverse', 'bi'] as const;
const seriesOf = (names: readonly string[]) =>
  names.map((name) => ({ name, color: directionColors.get(name) as string }));

/** Lines are thinned to this many points; more would not show on this width. */
const mostPoints = 400;

/** Four significant digits. */
const text = (value: number) => String(Number(value.toPrecision(4)));
const between = (low: number, high: number) => `${text(low)} to ${text(high)}`;

/** Divergences with running means, variance ratios and norms; what could not be estimated is left out. */
export function theoryCharts(result: DropoutMoments): ReportChart[] {
  const percent = `${Number((result.conditions.options.level * 100).toFixed(6))} %`;
  const alpha = result.conditions.loss.alpha;
  const groups = result.gradients.kl.map(({ group }) => group);
  const ratios = ratioChart(result, groups, percent);
  const norms = normChart(result, groups);
  return [
    {
      title: 'Expected divergence',
      chart: divergenceChart(result, percent),
      legend: true,
      caption:
        `Estimates of the expected divergence with ${percent} intervals, and the running means from which they come: ` +
        'the three have one limit, and bi is always halfway.',
    },
    ...(ratios === null
      ? []
      : [
          {
            title: 'Variance of the gradient, uni over bi',
            chart: ratios,
            legend: false,
            caption:
              `Variance of the gradient of uni over that of bi, with ${percent} intervals; gray bars: what theory expects. ` +
              `The KL term alone, and CE + ${alpha}·KL.`,
          },
        ]),
    ...(norms === null
      ? []
      : [
          {
            title: 'Gradient per target position: mean and noise',
            chart: norms,
            legend: true,
            caption:
              'Norm of the mean gradient (circles) and standard deviation over masks, the root of tr Cov (diamonds), on a ' +
              `logarithmic scale. The KL term alone, and CE + ${alpha}·KL.`,
          },
        ]),
  ];
}

function divergenceChart({ draws, divergence }: DropoutMoments, percent: string): Chart {
  const values = {
    uni: draws.uni,
    'uni-reverse': draws.uniReverse,
    bi: draws.uni.map((value, i) => (value + draws.uniReverse[i]!) / 2),
  };
  const step = Math.ceil(draws.uni.length / mostPoints);
  const lines = directions.map((direction, series): LinePanel['marks'][number] => {
    let sum = 0;
    const running = values[direction].map((value, i): [number, number] => {
      sum += value;
      return [i + 1, sum / (i + 1)];
    });
    const points = running.filter(([at]) => at % step === 0 || at === 1);
    return { kind: 'line', series, name: 'running mean', strong: true, points };
  });
  const estimates = directions.map((direction, row) => {
    const { mean, low, high } = divergence[direction === 'uni-reverse' ? 'uniReverse' : direction];
    const told = `${direction}: ${text(mean)}, ${percent} interval ${between(low, high)}`;
    return { row, mean, ends: [low, high] as [number, number], told };
  });
  return {
    label: 'Expected divergence by direction',
    series: seriesOf(directions),
    panels: [
      {
        kind: 'rows',
        title: 'Estimates',
        share: 0.7,
        rows: [...directions],
        names: 'above',
        x: { title: 'nats per target position' },
        marks: estimates.flatMap(({ row, mean, ends, told }): RowPanel['marks'] => [
          { kind: 'spots', series: row, shape: 'interval', items: [{ row, at: ends, text: told }] },
          { kind: 'spots', series: row, shape: 'circle', items: [{ row, at: mean, text: told }] },
        ]),
      },
      {
        kind: 'lines',
        title: 'Running means',
        x: { title: 'draws in the running mean' },
        y: { title: 'nats per target position' },
        marks: lines,
      },
    ],
  };
}

/** A panel for each objective that has something to show, with the groups in one order. */
function panels(
  { gradients, conditions }: DropoutMoments,
  groups: readonly string[],
  x: RowPanel['x'],
  marksOf: (estimates: readonly GroupEstimate[]) => RowPanel['marks'],
): RowPanel[] {
  return [
    { title: 'KL term alone', marks: marksOf(gradients.kl) },
    { title: `CE + ${conditions.loss.alpha}·KL`, marks: marksOf(gradients.loss) },
  ]
    .filter(({ marks }) => marks.some((mark) => mark.kind === 'spots' && mark.items.length > 0))
    .map(
      (panel, i): RowPanel => ({
        kind: 'rows',
        rows: [...groups],
        names: i === 0 ? 'beside' : 'none',
        x,
        ...panel,
      }),
    );
}

function ratioChart(result: DropoutMoments, groups: readonly string[], percent: string): Chart | null {
  const found = panels(result, groups, { title: 'tr Cov uni / tr Cov bi' }, (estimates) => {
    const items = estimates.flatMap(({ group, varianceRatio, expectedRatio }) => {
      const { ratio, low, high } = varianceRatio;
      if (ratio === null) return [];
      const ends: [number, number] = [low ?? ratio, high ?? ratio];
      const told = `${group}: ${text(ratio)}, ${percent} interval ${between(...ends)}`;
      return [{ row: groups.indexOf(group), ratio, ends, told, expected: expectedRatio.ratio }];
    });
    const spots = (shape: 'bar' | 'interval' | 'circle', series: number | null, of: Spot[]) =>
      ({ kind: 'spots', series, shape, items: of }) as const;
    return [
      { kind: 'rule', at: 1 },
      spots(
        'bar',
        null,
        items.flatMap(({ row, expected }) =>
          expected === null ? [] : [{ row, at: expected, text: `by theory: ${text(expected)}` }],
        ),
      ),
      spots(
        'interval',
        0,
        items.map(({ row, ends, told }) => ({ row, at: ends, text: told })),
      ),
      spots(
        'circle',
        0,
        items.map(({ row, ratio, told }) => ({ row, at: ratio, text: told })),
      ),
    ];
  });
  if (found.length === 0) return null;
  return { label: 'Variance ratio uni to bi by parameter group', series: seriesOf(['uni']), panels: found };
}

function normChart(result: DropoutMoments, groups: readonly string[]): Chart | null {
  const names = ['uni', 'bi'] as const;
  const x = { title: 'Euclidean norm', scale: 'log10' } as const;
  const found = panels(result, groups, x, (estimates) =>
    names.flatMap((direction, series) => {
      // Side by side: where the two agree, one would hide the other.
      const shift = series === 0 ? -6 : 6;
      const items = (what: string, quantityOf: (estimate: GroupEstimate) => number | null): Spot[] =>
        estimates.flatMap((estimate) => {
          const value = quantityOf(estimate) ?? 0;
          const told = `${estimate.group}, ${direction}, ${what}: ${text(value)}`;
          return value > 0 ? [{ row: groups.indexOf(estimate.group), at: value, shift, text: told }] : [];
        });
      return [
        {
          kind: 'spots',
          series,
          shape: 'circle',
          items: items('norm of the mean', (estimate) => estimate[direction].meanNorm),
        },
        {
          kind: 'spots',
          series,
          shape: 'diamond',
          items: items('standard deviation', (estimate) => Math.sqrt(estimate[direction].variance)),
        },
      ] as const;
    }),
  );
  if (found.length === 0) return null;
  return {
    label: 'Norm and noise of the gradient by parameter group',
    series: seriesOf(names),
    panels: found,
  };
}
