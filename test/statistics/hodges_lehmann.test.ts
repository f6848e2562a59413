import { describe, expect, it } from 'vitest';
import {
  type HodgesLehmannEstimate,
  hodgesLehmann,
  pairedHodgesLehmann,
} from '../../lib/statistics/hodges_lehmann.js';
import { wilcoxonRankSum, wilcoxonSignedRank } from '../../lib/statistics/rank_tests.js';
import { randomNormal } from '../../lib/util/random/uniform_random.js';
import { thrownBy } from '../support/effect_sizes.js';

/** The interval by its definition: the shifts that the test does not reject, tried between neighboring candidates. */
function kept(candidates: number[], level: number, p: (shift: number) => number): [number, number] | null {
  const sorted = [...candidates].sort((one, other) => one - other);
  const edges = [Number.NEGATIVE_INFINITY, ...sorted, Number.POSITIVE_INFINITY];
  const tried = edges.slice(1).map((high, i) => {
    const low = edges[i] as number;
    const inside = Number.isFinite(low) ? (Number.isFinite(high) ? (low + high) / 2 : low + 1) : high - 1;
    return { low, high, accepted: p(inside) > 1 - level + 1e-12 };
  });
  const accepted = tried.filter((one) => one.accepted);
  const low = accepted[0]?.low as number;
  const high = accepted.at(-1)?.high as number;
  return Number.isFinite(low) && Number.isFinite(high) ? [low, high] : null;
}

function expectInterval(shift: HodgesLehmannEstimate, truth: [number, number] | null): void {
  if (truth === null) {
    expect([shift.low, shift.high]).toEqual([null, null]);
    return;
  }
  expect(shift.low).toBeCloseTo(truth[0], 10);
  expect(shift.high).toBeCloseTo(truth[1], 10);
}

describe('the estimate of Hodges and Lehmann', () => {
  it('is the median of all differences, or of their means within pairs', () => {
    expect(hodgesLehmann([37.34, 37.29, 37.32], [37.19, 37.28, 36.97]).estimate).toBeCloseTo(0.13, 10);
    expect(hodgesLehmann([1, 2], [0, 10]).estimate).toBeCloseTo(-3.5, 12);
    // Differences 1, 4, 10; means of two: 1, 2.5, 5.5, 4, 7, 10.
    expect(pairedHodgesLehmann([1, 4, 10], [0, 0, 0]).estimate).toBeCloseTo(4.75, 12);
  });

  it('has the interval of the shifts which the rank test does not reject', () => {
    const normal = randomNormal(5);
    const draw = (n: number) => Array.from({ length: n }, normal);
    let withoutEnds = 0;
    for (const [n, m] of [
      [3, 3],
      [3, 4],
      [4, 4],
      [5, 3],
      [6, 6],
      [9, 7],
    ] as const) {
      for (const level of [0.8, 0.9, 0.95]) {
        const [a, b] = [draw(n), draw(m)];
        const shift = hodgesLehmann(a, b, { level });
        const differences = a.flatMap((x) => b.map((y) => x - y));
        const truth = kept(
          differences,
          level,
          (by) =>
            wilcoxonRankSum(
              a.map((x) => x - by),
              b,
            ).p,
        );
        expectInterval(shift, truth);
        if (truth === null) withoutEnds += 1;
        if (n !== m) continue;
        const pairs = a.map((x, i) => x - (b[i] as number));
        const means = pairs.flatMap((x, i) => pairs.slice(i).map((y) => (x + y) / 2));
        expectInterval(
          pairedHodgesLehmann(a, b, { level }),
          kept(
            means,
            level,
            (by) =>
              wilcoxonSignedRank(
                pairs,
                pairs.map(() => by),
              ).p,
          ),
        );
      }
    }
    expect(withoutEnds).toBeGreaterThan(0);
  });

  it('has no ends with three runs per condition at 95 %, but at 90 %, where the test can reject', () => {
    const [a, b] = [
      [5, 6, 9],
      [1, 2, 4],
    ];
    expect(hodgesLehmann(a, b)).toEqual({ estimate: 4, low: null, high: null, level: 0.95 });
    expect(hodgesLehmann(a, b, { level: 0.9 })).toEqual({ estimate: 4, low: 1, high: 8, level: 0.9 });
  });

  it('has no ends beyond the samples that are counted out', () => {
    const a = Array.from({ length: 41 }, (_, i) => i);
    expect(hodgesLehmann(a, a)).toEqual({ estimate: 0, low: null, high: null, level: 0.95 });
    expect(hodgesLehmann(a.slice(1), a.slice(1)).low).not.toBeNull();
  });

  it('is refused for what is not numbers or pairs', () => {
    expect(thrownBy(() => hodgesLehmann([], [1]))).toMatch(/^INVALID_ARGUMENT: hodgesLehmann: a/);
    expect(thrownBy(() => pairedHodgesLehmann([1], [1, 2]))).toMatch(/^INVALID_ARGUMENT: .*pairs/);
    const many = Array.from({ length: 2001 }, (_, i) => i);
    expect(thrownBy(() => hodgesLehmann([1], many))).toMatch(/^INVALID_ARGUMENT: .*b: .*2000.*2001/);
    expect(thrownBy(() => pairedHodgesLehmann(many, many))).toMatch(/^INVALID_ARGUMENT: .*2000/);
    expect(thrownBy(() => hodgesLehmann([1], [1], { level: 0 }))).toMatch(/^INVALID_ARGUMENT: .*level/);
  });
});
