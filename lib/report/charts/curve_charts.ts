import { throwIfAborted } from '../../util/async/yield_timer.js';
import { conditionOf } from '../conditions.js';
import type { ReportChart } from '../document.js';
import type { CurvePoint, RunSummary } from '../run_summary.js';
import type { Band, Line, LinePanel } from './chart.js';
import { conditionColors } from './colors.js';

interface Curve {
  read: (point: CurvePoint) => number | undefined;
  title: string;
  unit: string;
  about: string;
  /** false: the second half is not drawn again. */
  detail?: boolean;
}

const curves: Curve[] = [
  {
    read: ({ trainLoss }) => trainLoss,
    title: 'Training loss',
    unit: 'bits per target token',
    about: 'Cross-entropy of both passes and weighted KL.',
  },
  {
    read: ({ validLoss }) => validLoss,
    title: 'Validation loss',
    unit: 'bits per target token',
    about: 'One pass without dropout.',
  },
  {
    read: ({ validBleu }) => validBleu,
    title: 'Validation BLEU',
    unit: 'BLEU',
    about: 'Of the validation split.',
  },
  {
    read: ({ kl }) => kl,
    title: 'KL divergence of the two passes',
    unit: 'bits per target token',
    about: 'In the direction that the loss weighs, before it is weighted.',
  },
  {
    detail: false,
    read: ({ learningRate }) => learningRate,
    title: 'Learning rate',
    unit: '',
    about: 'As the schedule gives it.',
  },
];

/** All lines of a chart together have about this many points, and a line at most and at least so many. */
const points = { ofChart: 6000, most: 300, fewest: 60 };
/** From this many points on, the second half is drawn again at its own scale: the steep beginning would hide it. */
const shortestWithDetail = 10;

/** One chart for each curve that some run has: a line a run, mean and band a condition. */
export function curveCharts(runs: readonly RunSummary[], signal?: AbortSignal): ReportChart[] {
  const named = [...namedCurves(runs, 'scores'), ...namedCurves(runs, 'metrics')];
  const charts = [...curves, ...named].flatMap((curve) => {
    throwIfAborted(signal, 'the report');
    return curveChart(runs, curve) ?? [];
  });
  const pooled = new Set(runs.map(conditionOf)).size < runs.length;
  const [first, ...others] = charts;
  if (first === undefined) return [];
  const lines =
    'Thin: one line per run.' +
    (pooled
      ? ' Thick: the mean of a condition, shaded: one sample standard deviation to either side, as far as all its runs go.'
      : '');
  return [{ ...first, caption: `${first.caption} ${lines}` }, ...others];
}

/** What is said of the metrics that points have by name. */
const aboutNamed = { scores: 'Of the validation split.', metrics: 'A metric of the hook `validate`.' };

/** A curve for each metric of the task, or of a hook, in the order in which they appear. */
function namedCurves(runs: readonly RunSummary[], from: 'scores' | 'metrics'): Curve[] {
  const names = runs.flatMap(({ curve }) => curve.flatMap((point) => Object.keys(point[from] ?? {})));
  return [...new Set(names)].map((name) => ({
    // A name that every object has is a metric only where a run has it.
    read: ({ [from]: values = {} }) => (Object.hasOwn(values, name) ? values[name] : undefined),
    title: `Validation ${name}`,
    unit: name,
    about: aboutNamed[from],
  }));
}

function curveChart(
  runs: readonly RunSummary[],
  { read, title, unit, about, detail }: Curve,
): ReportChart | null {
  const lineOf = ({ curve }: RunSummary): Line['points'] =>
    curve.flatMap((point) => {
      const value = read(point);
      return value !== undefined && Number.isFinite(value) ? [[point.update, value] as [number, number]] : [];
    });
  const present = runs.filter((run) => lineOf(run).length > 0);
  if (present.length === 0) return null;
  const series = conditionColors(runs).filter(({ name }) => present.some((run) => conditionOf(run) === name));
  const marks = series.flatMap(({ name }, at): LinePanel['marks'] => {
    const own = present.filter((run) => conditionOf(run) === name);
    const lines = own.map(lineOf);
    const summary = own.length > 1 ? meanAndBand(lines, at) : [];
    return [
      ...summary,
      ...lines.map(
        (line, i): Line => ({
          kind: 'line',
          series: at,
          name: `seed ${own[i]?.seed}`,
          strong: own.length === 1,
          points: line,
        }),
      ),
    ];
  });
  const longest = Math.max(...marks.map((mark) => mark.points.length));
  const most = Math.max(points.fewest, Math.min(points.most, Math.floor(points.ofChart / marks.length)));
  const thinned = marks.map(
    (mark) => ({ ...mark, points: thin(mark.points as never[], most) }) as Line | Band,
  );
  const updates = thinned.flatMap((mark) => mark.points.map(([update]) => update));
  const half = Math.round(updates.reduce((most, each) => Math.max(most, each), 0) / 2);
  const panel = { kind: 'lines', x: { title: 'update' }, y: { title: unit }, zoom: true } as const;
  const detailed = longest >= shortestWithDetail && detail !== false;
  return {
    title,
    legend: true,
    chart: {
      label: `${title} by update, one line a run`,
      series,
      panels: detailed
        ? [
            { ...panel, title: 'All updates', share: 1.3, marks: thinned },
            { ...panel, title: 'Second half', marks: [], detail: { of: 0, from: half } },
          ]
        : [{ ...panel, marks: thinned }],
    },
    caption: `${about}${longest > most ? ` Thinned to ${most} points a line.` : ''}`,
  };
}

/** Mean and ± one sample standard deviation of several runs, at the first one's updates as far as all of them go. */
function meanAndBand(lines: readonly Line['points'][], series: number): [Band, Line] | [] {
  const first = Math.max(...lines.map((line) => line[0]?.[0] as number));
  const last = Math.min(...lines.map((line) => line.at(-1)?.[0] as number));
  const readers = lines.map(interpolated);
  const band: Band['points'] = [];
  const center: Line['points'] = [];
  for (const [update] of lines[0] as Line['points']) {
    if (update < first || update > last) continue;
    const values = readers.map((read) => read(update));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const deviation = Math.sqrt(squares / (values.length - 1));
    center.push([update, mean]);
    band.push([update, mean - deviation, mean + deviation]);
  }
  if (center.length === 0) return [];
  return [
    { kind: 'band', series, points: band },
    { kind: 'line', series, name: 'mean', strong: true, points: center },
  ];
}

/** Reads a line at ascending updates within its range: straight between two points. Epochs of two seeds end at different updates. */
function interpolated(line: Line['points']): (update: number) => number {
  let at = 0;
  return (update) => {
    while (at + 2 < line.length && (line[at + 1]?.[0] as number) <= update) at++;
    const [x, y] = line[at] as [number, number];
    const [nextX, nextY] = line[Math.min(at + 1, line.length - 1)] as [number, number];
    return nextX === x ? y : y + ((nextY - y) * (update - x)) / (nextX - x);
  };
}

/** Evenly spaced points, the first and the last among them, with as many digits as a screen can show. */
function thin<P extends readonly number[]>(all: readonly P[], most: number): P[] {
  const short = (value: number, i: number) => (i === 0 ? value : Number(value.toPrecision(6)));
  const step = (all.length - 1) / (most - 1);
  const kept =
    all.length <= most ? all : Array.from({ length: most }, (_, i) => all[Math.round(i * step)] as P);
  return kept.map((point) => point.map(short) as unknown as P);
}
