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
 * Puts a chart that answers into a figure.
 *
 * @returns draws another in its place, such as the same one with further points
 */
export function startChart(figure: HTMLElement, first: Chart): (next: Chart) => void {
  let chart = first;
  const place = document.createElement('div');
  place.className = 'live';
  place.setAttribute('role', 'img');
  place.setAttribute('aria-label', chart.label);
  figure.insertBefore(place, figure.querySelector('figcaption'));
  figure.classList.add('is-live');
  let drawing: ECharts | null = null;
  let drawn = 0;
  const off = new Set<string>();
  const draw = (again = false) => {
    const width = Math.floor(figure.clientWidth);
    if (width === 0 || (width === drawn && !again)) return;
    drawn = width;
    const { option, height, marks } = optionOf(chart, width, true);
    place.style.height = `${height}px`;
    drawing ??= init(place, null, { renderer: 'svg', width, height });
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
    drawing.setOption({ ...option, tooltip, legend }, true);
  };
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
