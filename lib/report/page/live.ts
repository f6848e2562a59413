import type { Chart } from '../charts/chart.js';
import { type ECharts, init } from './echarts.js';
import { optionOf } from './option.js';
import { lineTip, spotTip, type TipPoint } from './tooltip.js';

/** Puts a live chart beside every drawn one; the drawn ones stay for the printer. */
export function startCharts(): void {
  const data = document.getElementById('charts')?.textContent;
  const charts = JSON.parse(data ?? '[]') as Chart[];
  for (const figure of document.querySelectorAll<HTMLElement>('figure[data-chart]')) {
    const chart = charts[Number(figure.dataset['chart'])];
    if (chart) startChart(figure, chart);
  }
  const zoomed = charts.findIndex(({ panels }) =>
    panels.some((panel) => panel.kind === 'lines' && panel.zoom),
  );
  const hint = document.createElement('span');
  hint.className = 'hint';
  hint.textContent =
    ' To zoom, move the ends of the bar, or hold Ctrl and turn the wheel. The names switch their lines.';
  document.querySelector(`figure[data-chart="${zoomed}"] figcaption`)?.append(hint);
}

/**
 * Puts a chart that answers into a figure. What a reader has zoomed to stays when the chart is drawn again.
 *
 * @param reset called `of`, a button ends a zoom; left out, there is none
 * @returns draws another in its place, such as the same one with further points
 */
export function startChart(figure: HTMLElement, first: Chart, reset?: { of: string }): (next: Chart) => void {
  let chart = first;
  const place = document.createElement('div');
  place.className = 'live';
  place.setAttribute('role', 'img');
  place.setAttribute('aria-label', chart.label);
  figure.insertBefore(place, figure.querySelector('figcaption'));
  figure.classList.add('is-live');
  let drawing: ECharts | null = null;
  let drawn = 0;
  let zoomed: ZoomRange[] = [];
  const button = reset === undefined ? null : resetButton(reset.of);
  if (button !== null) figure.append(button);
  const off = new Set<string>();
  const draw = (again = false) => {
    const width = Math.floor(figure.clientWidth);
    if (width === 0 || (width === drawn && !again)) return;
    drawn = width;
    const { option, height, marks } = optionOf(chart, width, true);
    place.style.height = `${height}px`;
    if (drawing === null) {
      drawing = init(place, null, { renderer: 'svg', width, height });
      drawing.on('datazoom', () => {
        zoomed = zoomsOf(drawing!);
        if (button !== null) button.hidden = zoomed.every(isWhole);
      });
    }
    drawing.resize({ width, height });
    const tooltip = {
      className: 'tip',
      confine: true,
      transitionDuration: 0,
      formatter: (points: TipPoint | TipPoint[]) =>
        Array.isArray(points) ? lineTip(points, marks, chart) : spotTip(points, marks, chart),
    };
    const selected = Object.fromEntries(chart.series.map(({ name }) => [name, !off.has(name)]));
    const legend = { ...(option['legend'] as object), selected };
    const dataZoom = (option['dataZoom'] as object[]).map((zoom, i) => ({ ...zoom, ...kept(zoomed[i]) }));
    drawing.setOption({ ...option, dataZoom, tooltip, legend }, true);
  };
  button?.addEventListener('click', () => {
    zoomed = [];
    button.hidden = true;
    draw(true);
  });
  draw();
  new ResizeObserver(() => draw()).observe(figure);
  startLegend(figure, (name, shown) => {
    if (shown) off.delete(name);
    else off.add(name);
    drawing?.dispatchAction({ type: shown ? 'legendSelect' : 'legendUnSelect', name });
  });
  return (next) => {
    chart = next;
    draw(true);
  };
}

/** What a panel shows of its x axis: in percent of all, and in values. */
interface ZoomRange {
  start: number;
  end: number;
  startValue: number;
  endValue: number;
}

const zoomsOf = (drawing: ECharts): ZoomRange[] =>
  ((drawing.getOption() as { dataZoom?: ZoomRange[] }).dataZoom ?? []).map(
    ({ start, end, startValue, endValue }) => ({ start, end, startValue, endValue }),
  );

const isWhole = ({ start, end }: ZoomRange): boolean => start <= 0 && end >= 100;

/** The same values again, whatever all is by now; a range that reached the end reaches the new one. */
function kept(range: ZoomRange | undefined): object {
  if (range === undefined || isWhole(range)) return {};
  const { start, startValue, end, endValue } = range;
  return {
    ...(start <= 0 ? { start: 0 } : { startValue }),
    ...(end >= 100 ? { end: 100 } : { endValue }),
  };
}

function resetButton(of: string): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'reset-zoom';
  button.textContent = 'Reset zoom';
  button.setAttribute('aria-label', `Reset zoom of ${of}`);
  button.hidden = true;
  return button;
}

/** The entries of the legend become buttons that switch their series. */
function startLegend(figure: HTMLElement, onSwitch: (name: string, shown: boolean) => void): void {
  for (const entry of figure.querySelectorAll<HTMLElement>('.legend li')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...entry.childNodes);
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      const shown = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(shown));
      onSwitch(button.textContent ?? '', shown);
    });
    entry.append(button);
  }
}
