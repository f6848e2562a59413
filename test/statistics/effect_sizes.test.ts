import { describe, expect, it } from 'vitest';
import {
  cohensD,
  type EffectSize,
  effectSize,
  hedgesCorrection,
  hedgesG,
  pairedEffectSize,
} from '../../lib/statistics/effect_sizes.js';
import { randomNormal } from '../../lib/util/random/uniform_random.js';
import { expectClose, type RecordedEffect, recorded, thrownBy } from '../support/effect_sizes.js';

function expectEffect(actual: EffectSize, truth: RecordedEffect): void {
  expectClose(actual.d, truth.d, 1e-9);
  if (truth.g === null) expect(actual.g).toBeNull();
  else expectClose(actual.g, truth.g, 1e-9);
  expectClose(actual.low, truth.low, 1e-9);
  expectClose(actual.high, truth.high, 1e-9);
}

describe('effect sizes and their exact intervals against mpmath', () => {
  for (const { name, a, b, level, independent, paired } of recorded.effects) {
    it(name, () => {
      expectEffect(effectSize(a, b, { level }), independent);
      expectClose(hedgesG(a, b), independent.g as number, 1e-9);
      if (paired) expectEffect(pairedEffectSize(a, b, { level }), paired);
      const mirrored = effectSize(b, a, { level });
      expectClose(mirrored.low, -independent.high, 1e-9);
      expectClose(mirrored.high, -independent.low, 1e-9);
    });
  }
});

describe("Hedges' correction", () => {
  it('is the exact one, not 1 - 3/(4m - 1)', () => {
    // Γ of halves in closed form: J(2) = 1/√π · √1, J(4) = √(2/π), J(3) = √(π/6).
    expectClose(hedgesCorrection(2), 1 / Math.sqrt(Math.PI), 1e-14);
    expectClose(hedgesCorrection(3), Math.sqrt(Math.PI / 6), 1e-14);
    expectClose(hedgesCorrection(4), Math.sqrt(2 / Math.PI), 1e-14);
    expect(Math.abs(hedgesCorrection(4) - 0.8)).toBeGreaterThan(1e-3);
    expectClose(hedgesCorrection(400), 1 - 3 / (4 * 400 - 1), 1e-5);
  });

  it('takes the bias away: the mean of g over drawn samples is the true effect, that of d is not', () => {
    const normal = randomNormal(3);
    const draw = (shift: number) => Array.from({ length: 4 }, () => shift + normal());
    let [d, g] = [0, 0];
    const draws = 40_000;
    for (let i = 0; i < draws; i++) {
      const [a, b] = [draw(1), draw(0)];
      d += (cohensD(a, b) as number) / draws;
      g += (hedgesG(a, b) as number) / draws;
    }
    // Standard error of the mean of g: about 0.005.
    expect(Math.abs(g - 1)).toBeLessThan(0.02);
    expect(d).toBeGreaterThan(1.1);
  });
});

describe('an effect size', () => {
  it('has null where it is not defined, never NaN', () => {
    const nothing = { d: null, g: null, low: null, high: null, level: 0.95 };
    expect(effectSize([1], [2])).toEqual(nothing);
    expect(effectSize([2, 2], [1, 1, 1])).toEqual(nothing);
    expect(pairedEffectSize([1], [2])).toEqual(nothing);
    expect(pairedEffectSize([1, 2, 3], [1, 2, 3])).toEqual(nothing);
    expect(pairedEffectSize([0, 0], [0, 0])).toEqual(nothing);
    // 1.1 - 1, 2.1 - 2 and 3.1 - 3 differ in their last bits alone.
    expect(pairedEffectSize([1.1, 2.1, 3.1], [1, 2, 3])).toEqual(nothing);
    // Squares that vanish or overflow.
    expect(effectSize([1e-200, 2e-200], [3e-200, 5e-200])).toEqual(nothing);
    expect(effectSize([1e200, 2e200], [-1e308, 1e308]).low).not.toBeNaN();
    expect(hedgesG([1], [2])).toBeNull();
    const { d, g } = pairedEffectSize([1, 2], [0, 0]);
    expect([d, g]).toEqual([expect.any(Number), null]);
  });

  it('has a narrower interval at a lower level and with more runs', () => {
    const runs = (n: number) => Array.from({ length: n }, (_, i) => i % 5);
    const width = (level: number, n: number) => {
      const { low, high } = effectSize(runs(n), runs(n), { level });
      return (high as number) - (low as number);
    };
    expect(width(0.8, 10)).toBeLessThan(width(0.95, 10));
    expect(width(0.95, 100)).toBeLessThan(width(0.95, 10));
  });

  it('is refused for what is not numbers, pairs without partners and levels out of range', () => {
    expect(thrownBy(() => effectSize([], [1]))).toMatch(/^INVALID_ARGUMENT: .*a: .*non-empty/);
    expect(thrownBy(() => hedgesG([1, Number.NaN], [1]))).toMatch(/^NON_FINITE: .*a\[1\]/);
    expect(thrownBy(() => pairedEffectSize([1, 2], [1]))).toMatch(
      /^INVALID_ARGUMENT: pairedEffectSize: b: .*pairs/,
    );
    expect(thrownBy(() => effectSize([1, 2], [1, 2], { level: 1 }))).toMatch(/^INVALID_ARGUMENT: .*level/);
    expect(thrownBy(() => effectSize([1, 2], [1, 2], { width: 1 } as object))).toMatch(/width/);
  });

  it('takes as many pairs as a test set has sentences', () => {
    const a = Array.from({ length: 200_000 }, (_, i) => i % 3);
    const d = pairedEffectSize(
      a,
      a.map((value, i) => value - (i % 2)),
    ).d;
    expect(d).toBeCloseTo(1, 4);
  });
});
