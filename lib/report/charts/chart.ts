/**
 * A chart as data: what is drawn, without a word on how. page/option.ts draws it, in Node for the SVG that every reader sees
 * and in a browser for the one that answers.
 */
export interface Chart {
  /** What it shows, for those who do not see it. */
  label: string;
  /** Side by side where there is room, else below each other. */
  panels: Panel[];
  /** What the legend lists and switches, in the order of the marks' `series`. */
  series: Series[];
}

export interface Series {
  name: string;
  /** '#rrggbb' */
  color: string;
}

/** A line panel (curves over a numeric axis) or a row panel (figures of named rows). */
export type Panel = LinePanel | RowPanel;

interface PanelBase {
  title?: string;
  /** Relative width beside the other panels; default 1. */
  share?: number;
  x: Axis;
}

export interface LinePanel extends PanelBase {
  kind: 'lines';
  y: Axis;
  marks: (Line | Band)[];
  /** Instead of marks of its own: those of another panel from some x on, at a scale of their own. */
  detail?: { of: number; from: number };
  /** Whether a reader can zoom along x. */
  zoom?: boolean;
}

export interface RowPanel extends PanelBase {
  kind: 'rows';
  rows: string[];
  /** Where the rows' names stand: over each row, left of it, or nowhere because the panel before has them. */
  names: 'above' | 'beside' | 'none';
  marks: (Spots | Rule)[];
}

export interface Axis {
  title: string;
  /** Default 'linear'. */
  scale?: 'linear' | 'log2' | 'log10';
  /** Whether a linear axis begins at 0; default false. */
  zero?: boolean;
}

export interface Line {
  kind: 'line';
  series: number;
  /** What this line is among those of its series, such as the seed. */
  name: string;
  /** The line that stands for its series; the others are thin. */
  strong: boolean;
  /** By ascending x. */
  points: [x: number, y: number][];
}

/** The area between two lines, behind all others. */
export interface Band {
  kind: 'band';
  series: number;
  points: [x: number, low: number, high: number][];
}

/** Figures of rows. */
export interface Spots {
  kind: 'spots';
  /** Null for gray, which no legend switches. */
  series: number | null;
  shape: 'circle' | 'diamond' | 'bar' | 'interval';
  items: Spot[];
}

export interface Spot {
  row: number;
  /** Along x; an interval has both ends. */
  at: number | [low: number, high: number];
  /** Pixels below the middle of the row; default 0. */
  shift?: number;
  /** What is shown to a reader who points at it. */
  text: string;
  /** Drawn above it. */
  label?: string;
}

/** A dashed line across all rows. */
export interface Rule {
  kind: 'rule';
  at: number;
}

/** What dist/report/echarts.js exports. */
export interface ChartModule {
  /** An <svg> element of this width in pixels, drawn without a browser. */
  svgOf(chart: Chart, width: number): string;
}
