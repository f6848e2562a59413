import type { ReportTable } from '../../report/table.js';

/** The width in columns of a terminal; a file or a pipe has none. */
const terminalWidth = (): number =>
  process.stdout.isTTY && process.stdout.columns > 0 ? process.stdout.columns : Number.POSITIVE_INFINITY;

/** So narrow a first column is no column any more. */
const leastFirst = 16;

/**
 * A table in fixed-width text: the first column to the left, the others to the right, notes below. Where it would be wider than
 * the terminal, its first column is folded; where that is not enough, each row becomes lines of its own.
 *
 * @param most columns that there are; of a terminal its own, else no limit
 */
export function textTable({ caption, head, rows, notes }: ReportTable, most = terminalWidth()): string[] {
  const widths = head.map((cell, i) => Math.max(...[cell, ...rows.map((row) => row[i] ?? '')].map(width)));
  const [first = 0, ...others] = widths;
  const rest = others.reduce((sum, each) => sum + each + 2, 0);
  const below = notes.flatMap((note) => folded(note, most - 2).map((line) => `  ${line}`));
  if (first + rest > most && most - rest < Math.min(first, leastFirst)) {
    return [...folded(caption, most), ...records(head, rows, most), ...below];
  }
  const firstWidth = Math.min(first, most - rest);
  const line = (cells: readonly string[]): string[] => {
    const [name = '', ...more] = folded(cells[0] ?? '', firstWidth);
    const numbers = cells.slice(1).map((cell, i) => ' '.repeat((others[i] as number) - width(cell)) + cell);
    const filled = name + ' '.repeat(Math.max(0, firstWidth - width(name)));
    return [[filled, ...numbers].join('  ').trimEnd(), ...more.map((part) => `  ${part}`.trimEnd())];
  };
  const rule = '-'.repeat(Math.min(most, firstWidth + rest));
  return [...folded(caption, most), rule, ...line(head), rule, ...rows.flatMap(line), rule, ...below];
}

/** Each row as its name and, below, a line for each of its other cells. */
function records(head: readonly string[], rows: readonly (readonly string[])[], most: number): string[] {
  const rule = '-'.repeat(Math.min(most, 40));
  const label = Math.max(0, ...head.slice(1).map(width));
  return [
    rule,
    ...rows.flatMap(([name = '', ...cells]) => [
      ...folded(name, most),
      ...cells.flatMap((cell, i) => {
        if (cell === '') return [];
        const text = `${(head[i + 1] ?? '').padEnd(label)}  ${cell}`;
        return folded(width(text) + 2 <= most ? text : `${head[i + 1] ?? ''}: ${cell}`, most - 2).map(
          (part) => `  ${part}`,
        );
      }),
      rule,
    ]),
  ];
}

/** A text in lines of so many columns, broken after a space, | or comma where there is one; lines after the first leave room for an indent. */
function folded(text: string, most: number): string[] {
  if (width(text) <= most || most < 8) return [text];
  const lines: string[] = [];
  let left = [...text];
  while (left.length > (lines.length === 0 ? most : most - 2)) {
    const room = lines.length === 0 ? most : most - 2;
    const space = left.slice(0, room + 1).lastIndexOf(' ');
    const mark = left.slice(0, room).findLastIndex((letter) => letter === '|' || letter === ',') + 1;
    const cut = space > 0 && space + 1 >= mark ? space : mark > 0 ? mark : room;
    lines.push(left.slice(0, cut).join('').trimEnd());
    left = left.slice(cut);
    while (left[0] === ' ') left.shift();
  }
  return [...lines, left.join('')];
}

const width = (text: string): number => [...text].length;
