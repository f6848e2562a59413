import type { TopLevelSpec } from 'vega-lite';
import type { ReportPlot } from '../report/document.js';
import { directionColors as colors } from '../report/plots.js';
import { config, renderSvg, width } from '../report/vega_svg.js';
import type { GroupEstimate } from './estimates.js';
import type { DropoutMoments } from './theory.js';

const gray = '#8a8a8a';
const directions = ['uni', 'uni-reverse', 'bi'] as const;
const color = (names: readonly string[]) =>
  ({
    field: 'direction',
    type: 'nominal',
    title: 'direction',
    scale: { domain: [...names], range: names.map((name) => colors.get(name) ?? gray) },
  }) as const;
const quantitative = (field: string, title: string, zero = false) =>
  ({ field, type: 'quantitative', title, scale: { zero } }) as const;

/** Divergences with running means, variance ratios and norms; what could not be estimated is left out. */
export async function theoryPlots(result: DropoutMoments): Promise<ReportPlot[]> {
  const percent = `${Number((result.conditions.options.level * 100).toFixed(6))} %`;
  const alpha = result.conditions.loss.alpha;
  const plots: ReportPlot[] = [
    {
      caption:
        `Estimates of the expected divergence with ${percent} intervals, and the running means from which they come: ` +
        'the three have one limit, and bi is always halfway.',
      svg: await renderSvg(divergencePlot(result), 0, 'Expected divergence by direction'),
    },
  ];
  const ratios = ratioPlot(result);
  if (ratios !== null) {
    plots.push({
      caption:
        `Variance of the gradient of uni over that of bi, with ${percent} intervals; gray bars: what theory expects. ` +
        `Left the KL term alone, right CE + ${alpha}·KL.`,
      svg: await renderSvg(ratios, plots.length, 'Variance ratio uni to bi by parameter group'),
    });
  }
  const norms = normPlot(result);
  if (norms !== null) {
    plots.push({
      caption:
        'Norm of the mean gradient (circles) and standard deviation over masks, the root of tr Cov (diamonds), on a ' +
        `logarithmic scale. Left the KL term alone, right CE + ${alpha}·KL.`,
      svg: await renderSvg(norms, plots.length, 'Norm and noise of the gradient by parameter group'),
    });
  }
  return plots;
}

function divergencePlot({ draws, divergence }: DropoutMoments): TopLevelSpec {
  const series = {
    uni: draws.uni,
    'uni-reverse': draws.uniReverse,
    bi: draws.uni.map((value, i) => (value + draws.uniReverse[i]!) / 2),
  };
  const running = directions.flatMap((direction) => {
    let sum = 0;
    return series[direction].map((value, i) => {
      sum += value;
      return { direction, draws: i + 1, mean: sum / (i + 1) };
    });
  });
  // 400 points show what there is to see on this width.
  const step = Math.ceil(draws.uni.length / 400);
  const estimates = directions.map((direction) => ({
    direction,
    ...divergence[direction === 'uni-reverse' ? 'uniReverse' : direction],
  }));
  const y = quantitative('mean', 'nats a target token');
  return {
    config,
    title: 'Expected divergence',
    hconcat: [
      {
        width: 130,
        height: 240,
        data: { values: estimates },
        layer: [
          {
            mark: { type: 'rule', strokeWidth: 2 },
            encoding: {
              x: { field: 'direction', type: 'nominal', title: null, sort: null, axis: { labelAngle: -30 } },
              y: { ...quantitative('low', 'nats a target token') },
              y2: { field: 'high' },
              color: color(directions),
            },
          },
          {
            mark: { type: 'point', filled: true, size: 70, opacity: 1 },
            encoding: { x: { field: 'direction', type: 'nominal', sort: null }, y, color: color(directions) },
          },
        ],
      },
      {
        width: 390,
        height: 240,
        data: { values: running.filter(({ draws: at }) => at % step === 0 || at === 1) },
        mark: { type: 'line', strokeWidth: 1.5 },
        encoding: {
          x: {
            ...quantitative('draws', 'draws in the running mean'),
            axis: { tickMinStep: 1, tickCount: 6, format: ',d' },
          },
          y,
          color: color(directions),
        },
      },
    ],
  };
}

/** A panel for each objective that has something to show, with the groups in one order. */
function panels<T extends { group: string }>(
  result: DropoutMoments,
  rowsOf: (estimate: GroupEstimate) => T[],
): { title: string; values: T[] }[] {
  return [
    { title: 'KL term alone', values: result.gradients.kl.flatMap(rowsOf) },
    { title: `CE + ${result.conditions.loss.alpha}·KL`, values: result.gradients.loss.flatMap(rowsOf) },
  ].filter(({ values }) => values.length > 0);
}

const groupAxis = (first: boolean) =>
  ({
    field: 'group',
    type: 'nominal',
    title: null,
    sort: null,
    axis: first ? { labelLimit: 0 } : { labels: false, ticks: false },
  }) as const;

function ratioPlot(result: DropoutMoments): TopLevelSpec | null {
  const found = panels(result, ({ group, varianceRatio: { ratio, low, high }, expectedRatio }) =>
    ratio === null
      ? []
      : [{ group, ratio, low: low ?? ratio, high: high ?? ratio, expected: expectedRatio.ratio }],
  );
  if (found.length === 0) return null;
  return {
    config,
    title: 'Variance of the gradient, uni over bi',
    hconcat: found.map(({ title, values }, i) => ({
      width: 220,
      height: { step: 30 },
      title,
      data: { values },
      layer: [
        {
          data: { values: [{ one: 1 }] },
          mark: { type: 'rule', strokeDash: [4, 4], color: gray },
          encoding: { x: quantitative('one', 'tr Cov uni / tr Cov bi') },
        },
        {
          mark: { type: 'tick', thickness: 3, size: 20, color: gray },
          encoding: { x: quantitative('expected', 'tr Cov uni / tr Cov bi'), y: groupAxis(i === 0) },
        },
        {
          mark: { type: 'rule', strokeWidth: 2, color: colors.get('uni')! },
          encoding: {
            x: quantitative('low', 'tr Cov uni / tr Cov bi'),
            x2: { field: 'high' },
            y: groupAxis(i === 0),
          },
        },
        {
          mark: { type: 'point', filled: true, size: 60, opacity: 1, color: colors.get('uni')! },
          encoding: { x: quantitative('ratio', 'tr Cov uni / tr Cov bi'), y: groupAxis(i === 0) },
        },
      ],
    })),
  };
}

function normPlot(result: DropoutMoments): TopLevelSpec | null {
  const found = panels(result, ({ group, uni, bi }) =>
    Object.entries({ uni, bi }).flatMap(([direction, { meanNorm, variance }]) =>
      [
        { group, direction, statistic: 'norm of the mean', value: meanNorm ?? 0 },
        { group, direction, statistic: 'standard deviation', value: Math.sqrt(variance) },
      ].filter(({ value }) => value > 0),
    ),
  );
  if (found.length === 0) return null;
  return {
    config,
    title: 'Gradient a target token: mean and noise',
    hconcat: found.map(({ title, values }, i) => ({
      width: width / 2 - 110,
      height: { step: 30 },
      title,
      data: { values },
      mark: { type: 'point', filled: true, size: 60, opacity: 0.85 },
      encoding: {
        x: {
          field: 'value',
          type: 'quantitative',
          title: 'Euclidean norm',
          scale: { type: 'log' },
          axis: { format: '~g', tickCount: 4 },
        },
        y: groupAxis(i === 0),
        // Side by side: where the two agree, one would hide the other.
        yOffset: { field: 'direction', type: 'nominal', scale: { domain: ['uni', 'bi'], paddingOuter: 1 } },
        color: color(['uni', 'bi']),
        shape: {
          field: 'statistic',
          type: 'nominal',
          title: 'statistic',
          scale: { domain: ['norm of the mean', 'standard deviation'], range: ['circle', 'diamond'] },
          legend: { symbolFillColor: gray, symbolStrokeColor: gray, labelLimit: 0 },
        },
      },
    })),
  };
}
