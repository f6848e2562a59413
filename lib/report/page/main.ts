/**
 * One file for both: Node imports it to draw a chart as an <svg> element, and a report has it in its page, where it makes the
 * charts and the tables answer. scripts/bundle_report_page.mjs bundles it into dist/report/echarts.js.
 */
import type { Chart } from '../chart.js';
import { init } from './echarts.js';
import { startCharts } from './live.js';
import { optionOf } from './option.js';
import { startTables } from './tables.js';

export function svgOf(chart: Chart, width: number): string {
  const { option, height } = optionOf(chart, width, false);
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    drawing.setOption(option);
    return drawing.renderToSVGString({ useViewBox: true });
  } finally {
    drawing.dispose();
  }
}

if (typeof document !== 'undefined') {
  startTables();
  startCharts();
}
