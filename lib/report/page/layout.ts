import type { Panel, RowPanel } from '../charts/chart.js';

/** From this width on panels stand side by side. */
const sideBySide = 560;
const titleHeight = 26;
const yTitleHeight = 24;
const xAxisHeight = 46;
const sliderHeight = 26;
const lineHeight = 250;
/** Room for half of the last tick's number. */
const right = 24;
const rowHeights = { above: 64, beside: 34, none: 34 };

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where the parts of a panel lie, in pixels from the chart's corner. */
interface Place {
  grid: Box;
  title: { left: number; top: number };
  slider: Box;
}

/** The width that rows' names take, at most a good third of all; text is measured where it is drawn, so this is on the safe side. */
function namesWidth({ rows, names }: RowPanel, width: number): number {
  if (names !== 'beside') return 0;
  return Math.min(0.4 * width, 14 + 6.8 * Math.max(...rows.map((name) => name.length)));
}

/** The place of each panel, and the height of all. */
export function placePanels(
  panels: readonly Panel[],
  width: number,
  live: boolean,
): { places: Place[]; height: number } {
  const stacked = width < sideBySide;
  const gap = 28;
  const names = panels.map((panel) => (panel.kind === 'rows' ? namesWidth(panel, width) : 48));
  const free = width - names.reduce((sum, each) => sum + each, 0) - gap * (panels.length - 1) - right;
  const shares = panels.reduce((sum, { share = 1 }) => sum + share, 0);
  const zooms = live && panels.some((panel) => panel.kind === 'lines' && panel.zoom);
  let left = 0;
  let top = 0;
  let bottom = 0;
  const places = panels.map((panel, i): Place => {
    // Below each other, each panel needs the names for itself.
    const own = stacked ? Math.max(...names) : names[i]!;
    const inner = stacked ? width - own - right : (free * (panel.share ?? 1)) / shares;
    const start = top + (panels.some(({ title }) => title !== undefined) ? titleHeight : 4);
    const gridTop = start + (panel.kind === 'lines' ? yTitleHeight : 4);
    const gridHeight = panel.kind === 'lines' ? lineHeight : panel.rows.length * rowHeights[panel.names];
    const grid = { left: left + own, top: gridTop, width: inner, height: gridHeight };
    const end = gridTop + gridHeight + xAxisHeight;
    const place = {
      grid,
      title: { left, top },
      slider: { left: grid.left, top: end + 2, width: inner, height: 10 },
    };
    bottom = Math.max(bottom, end + (zooms ? sliderHeight : 0));
    if (stacked) top = bottom + 12;
    else left += own + inner + gap;
    return place;
  });
  return { places, height: Math.ceil(bottom) };
}
