import type { CorpusScore } from '../evaluation/score_table.js';
import { describe } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';
import { conditionOf } from './conditions.js';
import type { RunSummary } from './run_summary.js';
import type { ReportTable } from './table.js';

const absent = '—';

/** Rows of BLEU differ in their tokenizer. */
const labelOf = ({ name, signature }: CorpusScore): string => {
  const tokenizer = /\btok:([^|]+)/.exec(signature)?.[1];
  return name === 'BLEU' && tokenizer !== undefined ? `BLEU ${tokenizer}` : name;
};

/** A metric of the test split, as a report on runs needs to know it. */
export interface ReportMetric {
  /** As the report calls it. */
  name: string;
  higherIsBetter: boolean;
}

/** Decimals that a figure is shown with: sacreBLEU's and fairseq's are in percent, those of other tasks are not. */
export const digitsOf = (metric: string): number => (/^(BLEU|chrF|TER|fairseq-score)/.test(metric) ? 2 : 4);

/**
 * What the runs are compared by: the metric asked for, else that of their task, which is BLEU where a run says nothing else.
 *
 * @param asked must be one of the metrics of the runs: reportOn() says so
 * @throws RdropError INVALID_ARGUMENT where runs of several tasks have metrics of their own
 */
export function metricOf(runs: readonly RunSummary[], asked?: string): ReportMetric {
  if (asked !== undefined) {
    const rows = runs.flatMap(({ scores }) => scores ?? []);
    const found = rows.find((row) => labelOf(row) === asked);
    return { name: asked, higherIsBetter: found?.higherIsBetter ?? true };
  }
  const bleu = { name: 'BLEU', higherIsBetter: true };
  const finished = runs.filter(({ testScore }) => testScore !== null);
  const known = new Map(finished.map(({ metric = bleu }) => [metric.name, metric]));
  if (known.size > 1) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `report: expected runs of one task, or a metric that all have, got runs measured by ${[...known.keys()].join(' and ')}`,
    );
  }
  return [...known.values()][0] ?? bleu;
}

/**
 * The runs with another metric of the test split in the place of their task's own, for a report on it.
 *
 * @param metric as the report calls it: 'BLEU 13a', 'TER', 'fairseq-score (compounds split)'
 * @throws RdropError INVALID_ARGUMENT, naming the metrics there are
 */
export function reportOn(runs: readonly RunSummary[], metric: string): RunSummary[] {
  const known = new Set(runs.flatMap(({ scores }) => (scores ?? []).map(labelOf)));
  if (!known.has(metric)) {
    const expected = known.size === 0 ? 'none, since no run has other metrics' : [...known].join(', ');
    throw new RdropError(
      'INVALID_ARGUMENT',
      `metric: expected one of the metrics of these runs (${expected}), got ${describe(metric)}`,
    );
  }
  return runs.map(({ signature: _, ...run }) => {
    const row = run.scores?.find((score) => labelOf(score) === metric);
    return row ? { ...run, testScore: row.score, signature: row.signature } : { ...run, testScore: null };
  });
}

/**
 * Every metric of the test split side by side: a row a run, and a row a mean where a condition has several runs. The signatures
 * stand below. Null when no run has more than one.
 */
export function scoreTable(runs: readonly RunSummary[]): ReportTable | null {
  const scored = runs.filter(({ scores }) => scores !== undefined && scores.length > 0);
  const metrics = new Map<string, CorpusScore>();
  for (const row of scored.flatMap(({ scores }) => scores ?? [])) {
    if (!metrics.has(labelOf(row))) metrics.set(labelOf(row), row);
  }
  if (metrics.size < 2) return null;
  const names = [...metrics.keys()];
  const of = ({ scores }: RunSummary, name: string) => scores?.find((row) => labelOf(row) === name)?.score;
  const cell = (name: string, value: number | undefined) =>
    value === undefined ? absent : value.toFixed(digitsOf(name));
  const rows = [...new Set(scored.map(conditionOf))].flatMap((condition) => {
    const own = scored.filter((run) => conditionOf(run) === condition);
    const each = own.map((run) => [
      `${condition}-${run.seed}`,
      ...names.map((name) => cell(name, of(run, name))),
    ]);
    if (own.length < 2) return each;
    const means = names.map((name) => {
      const values = own.flatMap((run) => of(run, name) ?? []);
      return cell(
        name,
        values.length === own.length ? values.reduce((a, b) => a + b, 0) / own.length : undefined,
      );
    });
    return [...each, [`${condition}, mean`, ...means]];
  });
  const signatures = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));
  for (const row of scored.flatMap(({ scores }) => scores ?? [])) {
    signatures.get(labelOf(row))?.add(row.signature);
  }
  return {
    caption: 'Every metric of the test split',
    head: [
      'run',
      ...[...metrics].map(([name, { higherIsBetter }]) => `${name} ${higherIsBetter ? '↑' : '↓'}`),
    ],
    rows,
    notes: [
      ...[...signatures].map(([name, all]) => `${name}: ${[...all].join(' / ')}`),
      '↑: more is better, ↓: less is better.',
    ],
  };
}
