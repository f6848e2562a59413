import { basename, join, resolve } from 'node:path';
import { checkCall } from '../options/schema/call_options.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { fileError, writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import { checkWritableDirectory } from '../util/files/writable.js';
import { answerOf } from './answer.js';
import { curveCharts } from './charts/curve_charts.js';
import { stripChart } from './charts/strip_chart.js';
import { configTable, environmentTable } from './condition_rows.js';
import { conditionTable, withConditions } from './conditions.js';
import type { ReportBlock, ReportDocument } from './document.js';
import { htmlReport } from './html.js';
import { markdownReport } from './markdown.js';
import { runFiles } from './run_files.js';
import type { RunSummary } from './run_summary.js';
import { readRuns } from './runs.js';
import { samplesOf } from './samples.js';
import { metricOf, reportOn, scoreTable } from './scores.js';
import type { ReportTable } from './table.js';
import { comparisonTable, metricTable, runTable, sortRuns } from './tables.js';

export type { CurvePoint, RunSummary } from './run_summary.js';

export interface ReportOptions {
  /**
   * Which metric of the test split the conditions are compared by, as the report calls it: 'BLEU 13a', which stands in every result,
   * 'TER', 'fairseq-score (compounds split)' (the paper's) and so on. Left out: that of the task, as BLEU or accuracy.
   */
  metric?: string | undefined;
  /** Default true: the text files of a run, where they are there, must be those that it was made with. */
  verify?: boolean | undefined;
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

/**
 * The report of runs as an HTML page that loads nothing and as Markdown: the answer in plain words, the test metric by condition and
 * seed, both rank tests, Cohen's d and an interval for every pair, the curves, sample translations, runs and conditions.
 * Runs that have not finished are named and left out of the statistics.
 *
 * @throws RdropError INVALID_ARGUMENT without a run.
 */
export async function renderReport(
  runs: readonly RunSummary[],
  title: string,
  options: ReportOptions = {},
): Promise<{ html: string; markdown: string }> {
  return render(reportDocument(runs, title, options, { samples: null, files: [] }));
}

const render = async (document: ReportDocument) => ({
  html: await htmlReport(document),
  markdown: markdownReport(document),
});

/** What is read of the runs' own files, for the HTML page alone. */
interface FromFiles {
  samples: ReportBlock | null;
  files: Extract<ReportBlock, { kind: 'files' }>['runs'];
}

function reportDocument(
  runs: readonly RunSummary[],
  title: string,
  { metric, signal }: ReportOptions,
  { samples, files }: FromFiles,
): ReportDocument {
  if (runs.length === 0)
    throw new RdropError('INVALID_ARGUMENT', 'report: expected at least one run, got none');
  const sorted = sortRuns(withConditions(metric === undefined ? runs : reportOn(runs, metric)));
  const finished = sorted.filter(({ testScore }) => testScore !== null).length;
  const by = metricOf(runs, metric);
  const { name } = by;
  const comparison = comparisonTable(sorted, name);
  const strip = stripChart(sorted, name);
  const table = (one: ReportTable | null): ReportBlock[] => (one ? [{ kind: 'table', ...one }] : []);
  return {
    title,
    answer: answerOf(sorted, by),
    lead: [
      `${finished} of ${sorted.length} ${sorted.length === 1 ? 'run has' : 'runs have'} a test ${name}.` +
        (comparison ? '' : ' A comparison needs finished runs of two conditions.'),
    ],
    blocks: [
      ...(strip ? [{ kind: 'chart' as const, ...strip }] : []),
      ...table(metricTable(sorted, name)),
      ...table(conditionTable(sorted)),
      ...table(comparison),
      ...table(scoreTable(sorted)),
      ...curveCharts(sorted, signal).map((chart) => ({ kind: 'chart' as const, ...chart })),
      ...(samples ? [samples] : []),
      ...table(runTable(sorted, name)),
      ...(files.length > 0 ? [{ kind: 'files' as const, title: 'Files of the runs', runs: files }] : []),
      ...table(environmentTable(sorted)),
      ...table(configTable(sorted)),
    ],
    chartsIn: { file: 'report.html', what: 'The learning curves and the chart of the metric' },
  };
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
  checkCall(options, ['metric', 'verify', 'signal'], 'writeReport');
  const { signal } = options;
  throwIfAborted(signal, 'the report');
  const directories = typeof input === 'string' ? [input] : input;
  const runs = await readRuns(directories, options.verify, signal);
  await checkWritableDirectory(outDirectory);
  const names = directories.map((directory) => basename(resolve(directory)));
  const sorted = sortRuns(withConditions(runs));
  const report = await render(
    reportDocument(runs, `R-Drop report: ${names.join(', ')}`, options, {
      samples: await samplesOf(sorted, signal),
      files: await runFiles(sorted, outDirectory),
    }),
  );
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
