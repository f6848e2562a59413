import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

type Panel = {
  precision: string;
  groups: { seconds: { rdrop: number; eager: number; compiled: number }; ratio: { median: number } }[];
};
const { parseCsv, stepTimes, stepChart } = (await import(
  new URL('../../benchmarks/plot_step.mjs', import.meta.url).href
)) as {
  parseCsv: (text: string) => Record<string, string>[];
  stepTimes: (rows: Record<string, string>[], which?: { commit: string; device: string }) => Panel[];
  stepChart: (panels: Panel[]) => string;
};
const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('the chart of a training step', () => {
  const rows = parseCsv(read('benchmarks/results/step.csv'));

  it('is what docs/plots/step.svg holds', () => {
    expect(read('docs/plots/step.svg')).toBe(stepChart(stepTimes(rows)));
  });

  it('has the rows of one commit and one machine', () => {
    const [float32, bfloat16] = stepTimes(rows);
    expect(float32?.groups.map(({ ratio }) => ratio.median.toFixed(2))).toEqual([
      '1.45',
      '1.45',
      '1.88',
      '2.99',
    ]);
    expect(bfloat16?.groups.map(({ seconds }) => seconds.compiled.toFixed(3))).toEqual([
      ...['1.177', '3.852', '1.370', '0.040'],
    ]);
    expect(() => stepTimes(rows, { commit: 'none', device: 'AMD EPYC' })).toThrow(/expected one row/);
  });

  it('reads quoted fields of CSV', () => {
    expect(parseCsv('a,b,c\n1,"x, ""y""",\n')).toEqual([{ a: '1', b: 'x, "y"', c: '' }]);
  });
});
