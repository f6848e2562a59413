import type { Band, Chart, Line, Rule, Spots } from '../charts/chart.js';

type Mark = Line | Band | Spots | Rule;

/** What ECharts says of a point under the mouse. */
export interface TipPoint {
  seriesIndex: number;
  dataIndex: number;
  value: number[];
}

/** Five significant digits, thousands apart. */
const numberText = (value: number): string => {
  const short = Number(value.toPrecision(5));
  return Math.abs(short) >= 1000 ? short.toLocaleString('en-US') : String(short);
};

function element(className: string, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement('div');
  made.className = className;
  made.append(...children);
  return made;
}

function swatch(color: string): HTMLElement {
  const made = document.createElement('span');
  made.className = 'swatch';
  made.style.background = color;
  return made;
}

const bold = (text: string): HTMLElement => {
  const made = document.createElement('b');
  made.textContent = text;
  return made;
};

/** Seeds of more runs than this are not listed one by one. */
const mostRuns = 6;

/** All lines at one x: a row for each series, with its strong line first. */
export function lineTip(points: readonly TipPoint[], marks: readonly Mark[], chart: Chart): HTMLElement {
  const found = points.flatMap(({ seriesIndex, value }) => {
    const mark = marks[seriesIndex];
    return mark?.kind === 'line' ? [{ mark, y: value[1]! }] : [];
  });
  const x = points[0]?.value[0] ?? 0;
  const panel = chart.panels.find((each) =>
    (each.marks as Mark[]).includes(marks[points[0]?.seriesIndex ?? 0]!),
  );
  const rows = chart.series.flatMap(({ name, color }, i) => {
    const own = found.filter(({ mark }) => mark.series === i);
    if (own.length === 0) return [];
    const strong = own.filter(({ mark }) => mark.strong).map(({ y }) => bold(` ${numberText(y)}`));
    const weak = own.filter(({ mark }) => !mark.strong);
    const runs =
      weak.length === 0 || weak.length > mostRuns
        ? []
        : [element('runs', weak.map(({ mark, y }) => `${mark.name}: ${numberText(y)}`).join(' · '))];
    return [element('row', swatch(color), name, ...strong, ...runs)];
  });
  return element('tip-body', element('head', `${panel?.x.title ?? ''} ${numberText(x)}`), ...rows);
}

/** One figure of a row. */
export function spotTip(
  { seriesIndex, dataIndex }: TipPoint,
  marks: readonly Mark[],
  chart: Chart,
): HTMLElement {
  const mark = marks[seriesIndex];
  if (mark?.kind !== 'spots') return element('tip-body');
  const own = mark.series === null ? undefined : chart.series[mark.series];
  const words = mark.items[dataIndex]?.text ?? '';
  return element('tip-body', ...(own ? [swatch(own.color)] : []), words);
}
