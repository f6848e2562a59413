import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bootstrapDifference,
  cohensD,
  compareAllPairs,
  compareRuns,
  effectSize,
  hodgesLehmann,
  meanDifference,
  pairedEffectSize,
  pairedHodgesLehmann,
  wilcoxonRankSum,
  wilcoxonSignedRank,
} from '../../lib/statistics/comparison.js';
import { comparisonLines } from '../../lib/statistics/comparison_lines.js';

interface Recorded {
  cases: {
    name: string;
    a: number[];
    b: number[];
    meanDifference: number;
    cohensD: number | null;
    rankSum: { u: number; p: number; method: string };
    signedRank: { w: number; p: number; method: string } | null;
    interval?: { low: [number, number]; high: [number, number] };
  }[];
}

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/evaluation/statistics.json', import.meta.url), 'utf8'),
) as Recorded;

/** Equal to 1e-9 relative (p values of 1e-20 included). */
function close(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected) + 1e-300);
}

const uni = [37.34, 37.29, 37.32];
const bi = [37.19, 37.28, 36.97];

describe("the paper's table", () => {
  it('gives d 1.489, rank-sum p 0.100 with U 9, signed-rank p 0.250', () => {
    const comparison = compareRuns(uni, bi);
    expect(comparison.cohensD?.toFixed(3)).toBe('1.489');
    expect(comparison.rankSum).toEqual({ u: 9, p: 0.1, method: 'exact' });
    expect(comparison.signedRank).toEqual({ w: 0, p: 0.25, method: 'exact' });
    expect(comparison.meanDifference).toBeCloseTo(0.17, 12);
  });

  it('is reported in words that say which test the paper meant', () => {
    const lines = comparisonLines(compareRuns(uni, bi));
    expect(lines.find((line) => line.includes('rank-sum'))).toMatch(/U = 9, p = 0\.100.*paper/);
    expect(lines.find((line) => line.includes('signed-rank test (paired'))).toMatch(/p = 0\.250.*paper/);
    expect(lines.join('\n')).toContain('1.489');
  });
});

describe('statistics against SciPy', () => {
  for (const truth of recorded.cases) {
    it(truth.name, () => {
      const { a, b } = truth;
      expect(meanDifference(a, b)).toBeCloseTo(truth.meanDifference, 10);
      const d = cohensD(a, b);
      if (truth.cohensD === null) expect(d).toBeNull();
      else close(d as number, truth.cohensD);

      const rankSum = wilcoxonRankSum(a, b);
      expect([rankSum.u, rankSum.method]).toEqual([truth.rankSum.u, truth.rankSum.method]);
      close(rankSum.p, truth.rankSum.p);
      const mirrored = wilcoxonRankSum(b, a);
      expect(mirrored.u).toBe(a.length * b.length - rankSum.u);
      close(mirrored.p, rankSum.p);

      if (truth.signedRank === null) {
        expect(compareRuns(a, b).signedRank).toBeNull();
        return;
      }
      const signedRank = wilcoxonSignedRank(a, b);
      expect([signedRank.w, signedRank.method]).toEqual([truth.signedRank.w, truth.signedRank.method]);
      close(signedRank.p, truth.signedRank.p);
      expect(wilcoxonSignedRank(b, a)).toEqual(signedRank);
    });
  }
});

describe('compareRuns', () => {
  it('holds every figure of its own, with the options passed on', () => {
    const comparison = compareRuns(uni, bi, { level: 0.9, alternative: 'greater', samples: 100, seed: 4 });
    expect(comparison.rankSum).toEqual(wilcoxonRankSum(uni, bi, { alternative: 'greater' }));
    expect(comparison.signedRank).toEqual(wilcoxonSignedRank(uni, bi, { alternative: 'greater' }));
    const { d, g, ...interval } = effectSize(uni, bi, { level: 0.9 });
    expect([comparison.cohensD, comparison.hedgesG, comparison.effectInterval]).toEqual([d, g, interval]);
    expect(comparison.pairedEffect).toEqual(pairedEffectSize(uni, bi, { level: 0.9 }));
    expect(comparison.hodgesLehmann).toEqual(hodgesLehmann(uni, bi, { level: 0.9 }));
    expect(comparison.pairedHodgesLehmann).toEqual(pairedHodgesLehmann(uni, bi, { level: 0.9 }));
    expect(comparison.bootstrap).toEqual(bootstrapDifference(uni, bi, { level: 0.9, samples: 100, seed: 4 }));
  });

  it('has no pairs in conditions of different size, and no shift in very large ones', () => {
    expect(compareRuns(uni, [37])).toMatchObject({
      signedRank: null,
      pairedEffect: null,
      pairedHodgesLehmann: null,
    });
    const many = Array.from({ length: 2001 }, (_, i) => i % 7);
    expect(compareRuns(many, many, { samples: 1 })).toMatchObject({
      hodgesLehmann: null,
      pairedHodgesLehmann: null,
    });
  });
});

describe('compareAllPairs', () => {
  const baseline = [35, 35.1, 35.2, 36];

  it('compares each pair and corrects each test over the pairs that have it', () => {
    const pairs = compareAllPairs({ uni, bi, baseline });
    expect(pairs.map(({ a, b }) => [a, b])).toEqual([
      ['uni', 'bi'],
      ['uni', 'baseline'],
      ['bi', 'baseline'],
    ]);
    const [first, second] = pairs;
    expect(first).toMatchObject(compareRuns(uni, bi));
    // Three times 2/35 is the largest of 2/35, 2/35 and 1/10 after the correction.
    for (const { holm } of pairs) expect(holm.rankSum).toBeCloseTo(6 / 35, 12);
    // The signed-rank test is defined for one pair alone: a family of one.
    expect([first?.holm.signedRank, second?.holm.signedRank]).toEqual([0.25, null]);
  });

  it('keeps the order of a Map, and names the condition that it refuses', () => {
    const pairs = compareAllPairs(
      new Map([
        ['2', uni],
        ['1', bi],
      ]),
    );
    expect(pairs.map(({ a, b }) => [a, b])).toEqual([['2', '1']]);
    expect(() => compareAllPairs({ uni })).toThrow(/at least two conditions, got 1/);
    expect(() => compareAllPairs({ uni, bi: [] })).toThrow(/compareAllPairs: bi: .*non-empty/);
  });
});

describe('bootstrapDifference', () => {
  it('converges to the quantiles of every redrawing', () => {
    const small = recorded.cases.filter(({ interval }) => interval !== undefined);
    expect(small.length).toBeGreaterThan(4);
    for (const { a, b, interval } of small) {
      const { low, high } = bootstrapDifference(a, b, { samples: 200_000, seed: 5 });
      for (const [end, bounds] of [
        [low, interval?.low],
        [high, interval?.high],
      ] as [number, [number, number]][]) {
        expect(end).toBeGreaterThanOrEqual(bounds[0] - 1e-9);
        expect(end).toBeLessThanOrEqual(bounds[1] + 1e-9);
      }
    }
  });

  it('is repeatable, and every part of the seed counts', () => {
    const a = Array.from({ length: 9 }, (_, i) => Math.sin(i));
    const b = Array.from({ length: 7 }, (_, i) => Math.cos(3 * i));
    const interval = (seed: number) => bootstrapDifference(a, b, { samples: 500, seed });
    expect(interval(3)).toEqual(interval(3));
    expect(interval(4)).not.toEqual(interval(3));
    expect(interval(3 + 2 ** 40)).not.toEqual(interval(3));
  });

  it('widens with the level and narrows with the runs', () => {
    const width = (level: number, runs: number) => {
      const a = Array.from({ length: runs }, (_, i) => i % 5);
      const { low, high } = bootstrapDifference(a, a, { level });
      return (high as number) - (low as number);
    };
    expect(width(0.99, 10)).toBeGreaterThan(width(0.8, 10));
    expect(width(0.95, 100)).toBeLessThan(width(0.95, 10));
  });

  it('has no interval for a single run', () => {
    expect(bootstrapDifference([1], [2, 3])).toEqual({ low: null, high: null, level: 0.95 });
  });
});

describe('statistics refuse', () => {
  const code = (call: () => unknown) => {
    try {
      call();
    } catch (error) {
      return `${(error as { code?: string }).code}: ${(error as Error).message}`;
    }
    return 'nothing thrown';
  };
  it('what is not a sample of finite numbers', () => {
    for (const statistic of [
      meanDifference,
      cohensD,
      wilcoxonRankSum,
      wilcoxonSignedRank,
      bootstrapDifference,
    ]) {
      expect(code(() => statistic([], [1]))).toMatch(/^INVALID_ARGUMENT: .*: a: .*non-empty/);
      expect(code(() => statistic([1], [Number.NaN]))).toMatch(/^NON_FINITE: .*b\[0\].*NaN/);
      expect(code(() => statistic(['1'] as unknown as number[], [1]))).toMatch(/^INVALID_ARGUMENT: .*a\[0\]/);
    }
  });
  it('pairs without partners, and options out of range', () => {
    expect(code(() => wilcoxonSignedRank([1, 2], [1]))).toMatch(/^INVALID_ARGUMENT: .*pairs/);
    expect(code(() => bootstrapDifference([1, 2], [1, 2], { level: 1 }))).toMatch(
      /^INVALID_ARGUMENT: .*level/,
    );
    expect(code(() => bootstrapDifference([1, 2], [1, 2], { draws: 1 } as object))).toMatch(/draws/);
  });
});
