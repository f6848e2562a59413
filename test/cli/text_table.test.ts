import { describe, expect, it } from 'vitest';
import { textTable } from '../../lib/cli/shared/text_table.js';

const table = {
  caption: 'Paired bootstrap resampling, baseline a/rather/long/path/to/the/baseline.txt',
  head: ['metric', 'baseline', 'system', 'p'],
  rows: [
    [
      'BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0',
      '75.98',
      '77.10',
      '0.0020 *',
    ],
    ['TER', '17.38 (μ = 17.34 ± 4.07)', '16.30', '0.2000'],
  ],
  notes: ['* p < 0.05: a difference as large is unlikely if both systems were the same'],
};
const widest = (lines: string[]) => Math.max(...lines.map((line) => [...line].length));
const text = (lines: string[]) => lines.join('').replace(/[\s-]/g, '');

describe('a table', () => {
  it('has its full width where there is no terminal', () => {
    const lines = textTable(table, Number.POSITIVE_INFINITY);
    expect(lines).toHaveLength(8);
    expect(lines[4]).toContain(`${table.rows[0]?.[0]}  `);
    expect(widest(lines)).toBe(82 + 2 + 24 + 2 + 6 + 2 + 8);
  });

  it.each([120, 100, 80, 72, 60, 40, 24])('fits into %i columns and loses nothing', (most) => {
    const lines = textTable(table, most);
    expect(widest(lines)).toBeLessThanOrEqual(most);
    // A name that is folded has its figures between its lines.
    const parts = table.rows.flat().flatMap((cell) => cell.split('|'));
    for (const part of parts) expect(text(lines)).toContain(text([part]));
    for (const words of [table.caption, ...table.notes]) expect(text(lines)).toContain(text([words]));
  });

  it('keeps figures in columns while there is room for a name', () => {
    expect(textTable(table, 100).some((line) => /^BLEU\|.*\| +75\.98 +77\.10 +0\.0020 \*$/.test(line))).toBe(
      true,
    );
    expect(textTable(table, 40)).toContain('  baseline  75.98');
  });
});
