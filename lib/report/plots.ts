import type { TopLevelSpec } from 'vega-lite';
import { throwIfAborted } from '../util/yield_timer.js';
import { conditionOf } from './conditions.js';
import type { ReportPlot } from './document.js';
import type { CurvePoint, RunSummary } from './run_summary.js';
import { config, renderSvg, width } from './vega_svg.js';

/** Okabe and Ito's colors, which stay apart for the color-blind and show on white and on black. */
export const directionColors = new Map([
  ['uni', '#0087d0'],
  ['bi', '#e66100'],
  ['uni-reverse', '#009e73'],
  ['baseline', '#8a8a8a'],
]);
/** A gray for light and dark pages; vega's own is nearly black. */
const seedLegend = { symbolFillColor: '#8a8a8a', symbolStrokeColor: '#8a8a8a' };
const furtherColors = ['#cc79a7', '#b59f00', '#56b4e9'];

/** Longer curves are thinned to this many points; 1,600 would not show more on a plot 640 wide. */
const largestCurve = 400;

/** From this many points on, the second half is drawn again at its own scale: the steep beginning would hide it. */
const shortestWithDetail = 10;

/** Learning curves (one line a run) and test BLEU (one mark a run, one a mean); those without data are left out. */
export async function reportPlots(
  runs: readonly RunSummary[],
  metric = 'BLEU',
  signal?: AbortSignal,
): Promise<ReportPlot[]> {
  const curves = [
    {
      field: 'trainLoss',
      title: 'Training loss',
      caption:
        'Training loss by update: cross-entropy of both passes and weighted KL, per target token, base 2.',
    },
    {
      field: 'validLoss',
      title: 'Validation loss',
      caption: 'Validation loss by update, per token, base 2.',
    },
    { field: 'validBleu', title: 'Validation BLEU', caption: 'BLEU on the validation split by update.' },
  ] as const;
  const plots: ReportPlot[] = [];
  const dots = bleuPlot(runs, metric);
  if (dots) {
    plots.push({
      caption: `Test ${metric}: a mark a run, its shape the seed; the bar and the number are the mean of its row.`,
      svg: await renderSvg(dots, plots.length, `Test ${metric} of every run and the mean of each condition`),
    });
  }
  for (const { field, title, caption } of curves) {
    throwIfAborted(signal, 'the report');
    const { spec, thinned } = curvePlot(runs, field, title);
    if (!spec) continue;
    plots.push({
      caption: thinned ? `${caption} Thinned to ${largestCurve} points a line.` : caption,
      svg: await renderSvg(spec, plots.length, `${title} by update, one line a run`),
    });
  }
  return plots;
}

/** A color for each of many: hues by the golden angle, bright enough for dark pages and dark enough for bright ones. */
function spreadColor(i: number): string {
  const hue = (i * 137.508) % 360;
  const channel = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    const value = 0.5 - 0.3 * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

function colorScale(runs: readonly RunSummary[]) {
  const domain = [...new Set(runs.map(conditionOf))];
  const further = [...furtherColors];
  // The first condition of a direction has its color.
  const left = new Map(directionColors);
  const range = domain.map((condition, i) => {
    const direction = condition.split(', ')[0] as string;
    const own = left.get(direction);
    left.delete(direction);
    return own ?? further.shift() ?? spreadColor(i);
  });
  return { domain, range };
}

const legendOf = (runs: readonly RunSummary[]): string =>
  runs.every((run) => conditionOf(run) === run.direction) ? 'direction' : 'condition';

function curvePlot(
  runs: readonly RunSummary[],
  field: Exclude<keyof CurvePoint, 'update'>,
  title: string,
): { spec: TopLevelSpec | null; thinned: boolean } {
  const legend = legendOf(runs);
  let thinned = false;
  let longest = 0;
  const values = runs.flatMap((run) => {
    const { seed, curve } = run;
    const condition = conditionOf(run);
    const points = curve.filter((point) => Number.isFinite(point[field]));
    const kept = thin(points);
    thinned ||= kept.length < points.length;
    longest = Math.max(longest, kept.length);
    return kept.map((point) => ({
      run: `${condition}-${seed}`,
      condition,
      update: point.update,
      value: point[field],
    }));
  });
  if (values.length === 0) return { spec: null, thinned };
  const present = runs.filter((run) => values.some((value) => value.condition === conditionOf(run)));
  const secondHalf = `datum.update >= ${Math.max(...values.map(({ update }) => update)) / 2}`;
  const panel = (xTitle: string, panelWidth: number) =>
    ({
      width: panelWidth,
      height: 260,
      // A single point makes no line, and few are easier to read with their marks.
      mark: { type: 'line', point: longest <= 25, strokeWidth: 1.3, opacity: 0.7 },
      encoding: {
        x: {
          field: 'update',
          type: 'quantitative',
          title: xTitle,
          scale: { zero: false, nice: false },
          axis: { tickMinStep: 1, tickCount: 5, format: ',d' },
        },
        y: { field: 'value', type: 'quantitative', title, scale: { zero: false } },
        color: { field: 'condition', type: 'nominal', title: legend, scale: colorScale(present) },
        detail: { field: 'run', type: 'nominal' },
      },
    }) as const;
  return {
    thinned,
    spec: {
      config,
      title,
      data: { values },
      hconcat:
        longest < shortestWithDetail
          ? [panel('update', width)]
          : [
              panel('update', 350),
              { ...panel('update, second half', 260), transform: [{ filter: secondHalf }] },
            ],
    },
  };
}

/** Evenly spaced points, the first and the last among them. */
function thin(points: readonly CurvePoint[]): readonly CurvePoint[] {
  if (points.length <= largestCurve) return points;
  const step = (points.length - 1) / (largestCurve - 1);
  return Array.from({ length: largestCurve }, (_, i) => points[Math.round(i * step)] as CurvePoint);
}

function bleuPlot(runs: readonly RunSummary[], metric: string): TopLevelSpec | null {
  const finished = runs.filter(({ testBleu }) => testBleu !== null);
  if (finished.length === 0) return null;
  const values = finished.map((run) => ({
    condition: conditionOf(run),
    seed: String(run.seed),
    bleu: run.testBleu,
  }));
  const scale = colorScale(finished);
  const seeds = [...new Set(values.map(({ seed }) => seed))];
  const y = { field: 'condition', type: 'nominal', title: legendOf(finished), sort: null } as const;
  const color = { field: 'condition', type: 'nominal', legend: null, scale } as const;
  const meanX = { aggregate: 'mean', field: 'bleu', type: 'quantitative' } as const;
  return {
    config,
    width,
    height: { step: 60 },
    title: `Test ${metric}`,
    data: { values },
    layer: [
      { mark: { type: 'tick', thickness: 2, size: 34 }, encoding: { x: meanX, y, color } },
      {
        mark: { type: 'text', dy: -24, fontSize: 12 },
        encoding: { x: meanX, y, text: { aggregate: 'mean', field: 'bleu', format: '.2f' } },
      },
      {
        mark: { type: 'point', filled: true, size: 90, opacity: 0.85 },
        encoding: {
          x: {
            field: 'bleu',
            type: 'quantitative',
            title: 'BLEU',
            scale: { zero: false, padding: 20 },
            axis: { format: '.2f', tickCount: 8 },
          },
          y,
          color,
          // Six shapes can be told apart; with more seeds they would only puzzle.
          ...(seeds.length > 1 && seeds.length <= 6
            ? {
                shape: {
                  field: 'seed',
                  type: 'nominal',
                  title: 'seed',
                  sort: seeds,
                  legend: seedLegend,
                } as const,
              }
            : {}),
        },
      },
    ],
  };
}
