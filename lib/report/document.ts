import type { Chart } from './charts/chart.js';
import type { ReportTable } from './table.js';

export interface ReportChart {
  title: string;
  chart: Chart;
  /** Whether the chart's series are listed beside it; not where its rows name them. */
  legend: boolean;
  caption: string;
}

/** One sentence in the translations of several conditions. */
export interface Sample {
  /** Of the test split, from 1. */
  line: number;
  /** Absent where the prepared text is gone. */
  source?: string;
  reference?: string;
  translations: { condition: string; text: string }[];
}

/** Links to the files of a run, relative to the report. */
export interface RunFiles {
  run: string;
  files: { name: string; href: string }[];
}

export type ReportBlock =
  | ({ kind: 'table' } & ReportTable)
  | ({ kind: 'chart' } & ReportChart)
  | { kind: 'samples'; title: string; samples: Sample[]; note: string }
  | { kind: 'files'; title: string; runs: RunFiles[] };

/** What a report says, before it has a form. */
export interface ReportDocument {
  title: string;
  /** What the reader came for, in sentences, the first one set apart. */
  answer: string[];
  /** What is said under the answer. */
  lead: string[];
  blocks: ReportBlock[];
  /** Where Markdown, which has no charts, says that they are. */
  chartsIn: { file: string; what: string };
}
