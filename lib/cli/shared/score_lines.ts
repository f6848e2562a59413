import { formatBleu } from '../../evaluation/bleu.js';
import type { PairedReport, ScoreReport } from '../../evaluation/score_report.js';
import type { PairedResult, SystemScore } from '../../evaluation/significance.js';
import { significanceLevel } from '../../evaluation/verdict.js';
import { pythonFixed } from '../../util/python_numbers.js';
import { textTable } from './text_table.js';

/** What `rdrop score` prints for people: sacreBLEU's line, the table of the other scores, a table a paired test. */
export function scoreLines({ bleu, metrics, paired }: ScoreReport): string[] {
  const lines: string[] = [];
  const first = bleu === undefined ? undefined : `BLEU|${bleu.signature}`;
  if (bleu !== undefined) lines.push(formatBleu(bleu));
  const labeled = metrics.map((row) => ({
    row,
    label: `${row.name}|${row.confidence?.signature ?? row.signature}`,
  }));
  const others = labeled.filter(
    ({ row }) => row.confidence !== undefined || `BLEU|${row.signature}` !== first,
  );
  const notes = metrics.filter(({ name }) => name.startsWith('fairseq')).map(({ text }) => text);
  if (others.length > 0) {
    const rows = others.map(({ row, label }) => [label, scoreText({ score: row.score, ...row.confidence })]);
    lines.push('', ...textTable({ caption: 'Scores', head: ['metric', 'score'], rows, notes }));
  }
  for (const comparison of paired) lines.push('', ...textTable(pairedTable(comparison)));
  return lines;
}

const captions = {
  bootstrap: 'Paired bootstrap resampling',
  randomization: 'Paired approximate randomization',
};

/** Behind each p: a star, or `=` where there is no difference that it could speak of. */
const marks = { significant: ' *', none: ' =', other: '  ' };

const markOf = ({ significant, difference }: PairedResult): string => {
  if (significant) return marks.significant;
  return difference === 0 ? marks.none : marks.other;
};

function pairedTable({ baseline, test, metrics }: PairedReport) {
  const equal = metrics.filter(({ difference }) => difference === 0);
  const identical = metrics.some((result) => result.identical);
  const unsaid = metrics.some(
    ({ pValue, significant, difference }) => pValue < significanceLevel && !significant && difference !== 0,
  );
  return {
    caption: `${captions[test]}, baseline ${baseline}`,
    head: ['metric', 'baseline', 'system', 'p'],
    rows: metrics.map((result) => [
      `${result.name}|${result.signature}`,
      scoreText(result.baseline),
      scoreText(result.system),
      `${pythonFixed(result.pValue, 4)}${markOf(result)}`,
    ]),
    notes: [
      ...(metrics.some(({ significant }) => significant)
        ? ['* p < 0.05: a difference as large is unlikely if both systems were the same']
        : []),
      ...(identical ? ['both systems have the same translation of every sentence'] : []),
      ...(equal.length > 0
        ? [`= the scores are equal: there is no difference to be tested, and p says nothing (${smallP})`]
        : []),
      ...(unsaid
        ? [
            `p < 0.05 without a star: with resamples of an equal difference it would not be so small (${smallP})`,
          ]
        : []),
    ],
  };
}

const smallP = "sacreBLEU's p counts only resamples with a larger difference";

function scoreText({ score, mean, halfWidth }: SystemScore): string {
  if (mean === undefined || halfWidth === undefined) return pythonFixed(score, 2);
  return `${pythonFixed(score, 2)} (μ = ${pythonFixed(mean, 2)} ± ${pythonFixed(halfWidth, 2)})`;
}
