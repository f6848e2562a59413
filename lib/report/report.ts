import { basename, join, resolve } from 'node:path';
import { RdropError } from '../util/errors.js';
import { fileError, writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import { checkWritableDirectory } from '../util/files/writable.js';
import { throwIfAborted } from '../util/yield_timer.js';
import { configTable, environmentTable } from './condition_rows.js';
import { conditionTable, withConditions } from './conditions.js';
import type { ReportDocument } from './document.js';
import { htmlReport } from './html.js';
import { markdownReport } from './markdown.js';
import { reportPlots } from './plots.js';
import type { RunSummary } from './run_summary.js';
import { readRuns } from './runs.js';
import { reportOn, scoreTable } from './scores.js';
import { bleuTable, comparisonTable, runTable, sortRuns } from './tables.js';

export type { CurvePoint, RunSummary } from './run_summary.js';

export interface ReportOptions {
  /**
   * Which metric of the test split the conditions are compared by, as the report calls it: 'BLEU 13a', which stands in every result,
   * 'TER', 'fairseq-score (compounds split)' (the paper's) and so on.
   */
  metric?: string | undefined;
  /** Default true: the text files of a run, where they are there, must be those that it was made with. */
  verify?: boolean | undefined;
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

/**
 * The report of runs as an HTML page that loads nothing and as Markdown: BLEU by seed and direction, both rank tests, Cohen's d
 * and an interval for every pair of conditions, the BLEU plot and the learning curves, runs and conditions. Runs that have not
 * finished are named and left out of the statistics.
 *
 * @throws RdropError INVALID_ARGUMENT without a run.
 */
export async function renderReport(
  runs: readonly RunSummary[],
  title: string,
  { metric, signal }: ReportOptions = {},
): Promise<{ html: string; markdown: string }> {
  if (runs.length === 0)
    throw new RdropError('INVALID_ARGUMENT', 'report: expected at least one run, got none');
  const sorted = sortRuns(withConditions(metric === undefined ? runs : reportOn(runs, metric)));
  const finished = sorted.filter(({ testBleu }) => testBleu !== null).length;
  const comparison = comparisonTable(sorted, metric);
  const scores = scoreTable(sorted);
  const options = configTable(sorted);
  const conditions = conditionTable(sorted);
  const document: ReportDocument = {
    title,
    lead: [
      `${finished} of ${sorted.length} ${sorted.length === 1 ? 'run has' : 'runs have'} a test ${metric ?? 'BLEU'}.` +
        (comparison ? '' : ' A comparison needs finished runs of two conditions.'),
    ],
    tables: [
      bleuTable(sorted, metric),
      ...(conditions ? [conditions] : []),
      ...(comparison ? [comparison] : []),
      ...(scores ? [scores] : []),
      environmentTable(sorted),
    ],
    plots: await reportPlots(sorted, metric, signal),
    plotsIn: { file: 'report.html', what: 'The learning curves and the plot of the metric' },
    details: [runTable(sorted, metric), ...(options ? [options] : [])],
  };
  return { html: htmlReport(document), markdown: markdownReport(document) };
}

/**
 * Writes report.html and report.md (renderReport) of a sweep, a run, or several of either.
 *
 * @param input the directory of a sweep or a run, or several.
 * @param outDirectory made when it does not exist.
 * @returns the paths of the two files.
 * @throws RdropError INVALID_ARGUMENT (no directory, the same condition and seed twice, a metric that no run has), FILE_NOT_FOUND (neither run nor sweep),
 *   FILE_UNREADABLE, MALFORMED_FILE, DISK_FULL, FILE_UNWRITABLE, ABORTED.
 */
export async function writeReport(
  input: string | readonly string[],
  outDirectory: string,
  options: ReportOptions = {},
): Promise<{ html: string; markdown: string }> {
  const { signal } = options;
  throwIfAborted(signal, 'the report');
  const directories = typeof input === 'string' ? [input] : input;
  const runs = await readRuns(directories, options.verify, signal);
  await checkWritableDirectory(outDirectory);
  const names = directories.map((directory) => basename(resolve(directory)));
  const report = await renderReport(runs, `R-Drop report: ${names.join(', ')}`, options);
  try {
    await makePath(outDirectory);
  } catch (error) {
    throw fileError(error, outDirectory, 'write');
  }
  const paths = { html: join(outDirectory, 'report.html'), markdown: join(outDirectory, 'report.md') };
  await writeFileAtomically(paths.html, report.html);
  await writeFileAtomically(paths.markdown, report.markdown);
  return paths;
}
