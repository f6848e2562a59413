/**
 * One file for both: Node imports it to draw a chart as an <svg> element, and a report has it in its page, where it makes the
 * charts and the tables answer. scripts/bundle_report_page.mjs bundles it into dist/report/echarts.js.
 */
import type { Chart } from '../charts/chart.js';
import { init } from './echarts.js';
import { startChart, startCharts } from './live.js';
import { optionOf } from './option.js';
import { startTables } from './tables.js';

export { startChart };

export function svgOf(chart: Chart, width: number): string {
  const { option, height } = optionOf(thinned(chart, Math.floor(width / 3)), width, false);
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    drawing.setOption(option);
    return drawing.renderToSVGString({ useViewBox: true });
  } finally {
    drawing.dispose();
  }
}

/** As many points of each line and band as a width can show. */
function thinned(chart: Chart, most: number): Chart {
  const thin = <P>(points: P[]): P[] => {
    const step = (points.length - 1) / (most - 1);
    return points.length <= most
      ? points
      : Array.from({ length: most }, (_, i) => points[Math.round(i * step)] as P);
  };
  return {
    ...chart,
    panels: chart.panels.map((panel) =>
      panel.kind === 'rows'
        ? panel
        : {
            ...panel,
            marks: panel.marks.map((mark) =>
              mark.kind === 'line'
                ? { ...mark, points: thin(mark.points) }
                : { ...mark, points: thin(mark.points) },
            ),
          },
    ),
  };
}

// The live page has tables and figures of its own.
if (typeof document !== 'undefined' && !document.body.classList.contains('watch')) {
  startTables();
  startCharts();
}
