import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { regressionTotal } from '../../lib/benchmark/estimate.js';
import { readBatches, sampleBatches, tokensOf } from '../../lib/benchmark/iwslt14.js';
import { type BenchRow, comparePairs, interleave, quantile } from '../../lib/benchmark/measure.js';
import { appendResults } from '../../lib/benchmark/results.js';
import { matrixProducts, modelOf } from '../../lib/benchmark/shapes.js';
import { scratchDirectory } from '../support/scratch.js';

describe('figures of pairs', () => {
  it('takes quantiles between neighbors', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([4, 1, 2, 3], 0.5)).toBe(2.5);
    expect(quantile([0, 10], 0.1)).toBeCloseTo(1, 12);
    expect(quantile([7], 0.9)).toBe(7);
  });

  it('takes the median of the ratios, not the ratio of the medians', () => {
    const found = comparePairs([1, 2, 4], [4, 2, 12]);
    expect(found).toMatchObject({ ours: 2, peer: 4, ratio: 3 });
    expect(found.spread.low).toBeCloseTo(1.4, 12);
    expect(found.spread.high).toBeCloseTo(3.8, 12);
    expect(comparePairs([1, 2, 4], [4, 2, 12], 'ours ÷ peer').ratio).toBeCloseTo(1 / 3, 12);
    expect(comparePairs([1, 2, 3], null)).toMatchObject({ ours: 2, peer: null, ratio: null });
  });

  it('measures in turn, every other round backwards', async () => {
    const order: string[] = [];
    const side = (name: string) => async (round: number) => {
      order.push(`${name}${round}`);
      return round;
    };
    const found = await interleave(3, { a: side('a'), b: side('b') });
    expect(order).toEqual(['a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
    expect(found).toEqual({ a: [0, 1, 2], b: [0, 1, 2] });
    order.length = 0;
    await interleave(2, { a: side('a'), b: side('b') }, 1);
    expect(order).toEqual(['b0', 'a0', 'a1', 'b1']);
  });
});

describe('the total of an epoch', () => {
  it('comes from a sample that has every size once, whatever its number', () => {
    const batches = readBatches();
    for (const count of [3, 12, 37, 74, 111, 500, 1102]) {
      const sample = sampleBatches(batches, count);
      expect(new Set(sample).size).toBe(count);
      // In the order of size, neighbors lie over a quarter of the sample apart.
      const sizes = sample.map(tokensOf);
      const sorted = sizes.toSorted((a, b) => a - b);
      const far = sizes.slice(1).filter((size, i) => {
        return Math.abs(sorted.indexOf(size) - sorted.indexOf(sizes[i]!)) >= Math.floor(count / 4);
      });
      expect(far.length).toBeGreaterThanOrEqual(0.9 * (count - 1));
    }
  });

  it('needs batches of different sizes', () => {
    const refused = expect.objectContaining({ code: 'BENCHMARK_FAILED' });
    expect(() => regressionTotal([5, 5, 5], [1, 2, 3], [5, 5, 5, 6])).toThrow(refused);
    expect(() => regressionTotal([5, 6], [1, 2], [5, 6, 7])).toThrow(refused);
  });

  it('is exact where time is linear in size', () => {
    const all = [1, 2, 3, 4, 5, 6];
    const { total, low, high } = regressionTotal([1, 4, 6], [3, 9, 13], all);
    expect(total).toBeCloseTo(6 * 1 + 2 * 21, 10);
    expect(low).toBeCloseTo(total, 6);
    expect(high).toBeCloseTo(total, 6);
  });

  it('has the interval computed by hand', () => {
    // Sizes 1, 2, 3, 4 of eight units of mean 3; values 2, 3, 5, 6: slope 1.4, line 0.5 + 1.4 x, residuals .1, -.3, .3, -.1.
    const { total, low, high } = regressionTotal([1, 2, 3, 4], [2, 3, 5, 6], [1, 2, 3, 4, 2, 4, 3, 5]);
    expect(total).toBeCloseTo(8 * (0.5 + 1.4 * 3), 10);
    // N² (1 - n/N) s²/n with s² = 0.2 / 2, and Student's t of 2 degrees of freedom, 4.30265.
    const reach = 4.302652729911275 * Math.sqrt((64 * 0.5 * 0.1) / 4);
    expect(high - total).toBeCloseTo(reach, 8);
    expect(total - low).toBeCloseTo(reach, 8);
  });
});

it('counts the products of a step', () => {
  const model = modelOf([10, 4, 8, 2, 1]);
  const products = matrixProducts(model, { source: [3, 2], target: [2, 2] });
  const operations = products.reduce((sum, [m, k, n, count]) => sum + 2 * m! * k! * n! * count!, 0);
  // Rows of both passes: 10 of the source, 8 of the target. D² 16, D·F 32, D·V 40.
  const encoder = 10 * (4 * 16 + 2 * 32);
  const decoder = 8 * (3 * 16 + 3 * 16 + 2 * 32) + 10 * 2 * 16;
  expect(operations).toBe(2 * (encoder + decoder + 8 * 40));
});

describe('results', () => {
  const row: BenchRow = {
    ...{ name: 'a, "b"', shape: '2x3', ours: 1, peer: null, peerName: null, ratio: null },
    ...{ spread: { low: 0.5, high: 2 }, unit: 'seconds' },
    conditions: { date: 'today', commit: 'abc', device: 'x', threads: 2, libtorch: '2.13.0' },
  };

  it('are appended, one line a row', async () => {
    const directory = join(scratchDirectory(), 'new');
    const path = await appendResults(directory, 'step', [row]);
    await appendResults(directory, 'step', [row, { ...row, name: 'c' }]);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(path).toBe(join(directory, 'step.csv'));
    expect(lines.length).toBe(4);
    expect(lines[0]).toMatch(/^date,commit,name,shape,ours,peer,peerName,ratio,low,high,unit,device,/);
    expect(lines[1]).toMatch(/^today,abc,"a, ""b""",2x3,1,,,,0\.5,2,seconds,x,2,2\.13\.0,,"\{""date""/);
    expect(lines[2]).toBe(lines[1]);
    expect(lines[3]).toContain(',c,');
  });

  it('keep what is there, whatever ends its last line', async () => {
    const directory = scratchDirectory();
    const path = await appendResults(directory, 'step', [row]);
    const two = readFileSync(path, 'utf8');
    writeFileSync(path, two.trimEnd().replaceAll('\n', '\r\n'));
    await appendResults(directory, 'step', [row]);
    expect(readFileSync(path, 'utf8')).toBe(`${two}${two.split('\n')[1]}\n`);
  });

  it('do not go into a file with other columns', async () => {
    const directory = scratchDirectory();
    writeFileSync(join(directory, 'loss.csv'), 'a,b\n1,2\n');
    await expect(appendResults(directory, 'loss', [row])).rejects.toMatchObject({ code: 'MALFORMED_FILE' });
    expect(readFileSync(join(directory, 'loss.csv'), 'utf8')).toBe('a,b\n1,2\n');
  });
});
