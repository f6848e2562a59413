import type { ReportTable } from '../experiment/report_tables.js';

/** A table in fixed-width text: the first column to the left, the others to the right, notes below. */
export function textTable({ caption, head, rows, notes }: ReportTable): string[] {
  const widths = head.map((cell, i) => Math.max(...[cell, ...rows.map((row) => row[i] ?? '')].map(width)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const space = ' '.repeat((widths[i] as number) - width(cell));
        return i === 0 ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, each) => sum + each + 2, -2));
  return [caption, rule, line(head), rule, ...rows.map(line), rule, ...notes.map((note) => `  ${note}`)];
}

const width = (text: string): number => [...text].length;
