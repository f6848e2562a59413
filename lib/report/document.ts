import type { ReportTable } from './table.js';

/** A plot as an <svg> element for a page, and the words that stand for it. */
export interface ReportPlot {
  caption: string;
  svg: string;
}

/** What a report says, before it has a form. */
export interface ReportDocument {
  title: string;
  lead: string[];
  tables: ReportTable[];
  plots: ReportPlot[];
  /** Where Markdown, which has no plots, says that they are. */
  plotsIn: { file: string; what: string };
  /** After the plots: what a reader looks up. */
  details: ReportTable[];
}
