import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { RdropError } from '../errors.js';
import { fileError, writeFileAtomically } from '../files.js';
import { configTable, environmentTable } from './report_conditions.js';
import { htmlReport } from './report_html.js';
import { markdownReport } from './report_markdown.js';
import { type ReportPlot, reportPlots } from './report_plots.js';
import { type RunSummary, readRuns } from './report_runs.js';
import { bleuTable, comparisonTable, type ReportTable, runTable, sortRuns } from './report_tables.js';

export type { CurvePoint, RunSummary } from './report_runs.js';

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

/**
 * The report of runs as an HTML page that loads nothing and as Markdown: BLEU by seed and arm, both rank tests, Cohen's d
 * and an interval for every pair of arms, the BLEU plot and the learning curves, runs and conditions. Runs that have not
 * finished are named and left out of the figures.
 *
 * @throws RdropError INVALID_ARGUMENT without a run.
 */
export async function renderReport(
  runs: readonly RunSummary[],
  title: string,
): Promise<{ html: string; markdown: string }> {
  if (runs.length === 0)
    throw new RdropError('INVALID_ARGUMENT', 'report: expected at least one run, got none');
  const sorted = sortRuns(runs);
  const finished = sorted.filter(({ testBleu }) => testBleu !== null).length;
  const comparison = comparisonTable(sorted);
  const options = configTable(sorted);
  const document: ReportDocument = {
    title,
    lead: [
      `${finished} of ${sorted.length} ${sorted.length === 1 ? 'run has' : 'runs have'} a test BLEU.` +
        (comparison ? '' : ' A comparison needs finished runs of two arms.'),
    ],
    tables: [bleuTable(sorted), ...(comparison ? [comparison] : []), environmentTable(sorted)],
    plots: await reportPlots(sorted),
    plotsIn: { file: 'report.html', what: 'The learning curves and the plot of BLEU' },
    details: [runTable(sorted), ...(options ? [options] : [])],
  };
  return { html: htmlReport(document), markdown: markdownReport(document) };
}

/**
 * Writes report.html and report.md (renderReport) of a sweep, a run, or several of either.
 *
 * @param input the directory of a sweep or a run, or several.
 * @param outDirectory made when it does not exist.
 * @returns the paths of the two files.
 * @throws RdropError INVALID_ARGUMENT (no directory, the same arm and seed twice), FILE_NOT_FOUND (neither run nor sweep),
 *   FILE_UNREADABLE, MALFORMED_FILE, DISK_FULL, FILE_UNWRITABLE.
 */
export async function writeReport(
  input: string | readonly string[],
  outDirectory: string,
): Promise<{ html: string; markdown: string }> {
  const directories = typeof input === 'string' ? [input] : input;
  const runs = await readRuns(directories);
  const names = directories.map((directory) => basename(resolve(directory)));
  const report = await renderReport(runs, `R-Drop report: ${names.join(', ')}`);
  try {
    await mkdir(outDirectory, { recursive: true });
  } catch (error) {
    throw fileError(error, outDirectory, 'write');
  }
  const paths = { html: join(outDirectory, 'report.html'), markdown: join(outDirectory, 'report.md') };
  await writeFileAtomically(paths.html, report.html);
  await writeFileAtomically(paths.markdown, report.markdown);
  return paths;
}
