import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holm } from '../../lib/statistics/holm.js';
import { thrownBy } from '../support/effect_sizes.js';

/** Whether Holm's procedure, as he describes it, rejects hypothesis i at α: step down until a p value is above α/(m - step). */
function rejects(pValues: number[], i: number, alpha: number): boolean {
  const order = pValues.map((_, j) => j).sort((j, k) => (pValues[j] as number) - (pValues[k] as number));
  for (const [step, j] of order.entries()) {
    if ((pValues[j] as number) * (pValues.length - step) > alpha) return false;
    if (j === i) return true;
  }
  return false;
}

describe("Holm's correction", () => {
  it('gives what is worked out by hand', () => {
    expect(holm([0.03])).toEqual([0.03]);
    const close = (values: number[]) => values.map((value) => expect.closeTo(value, 12) as number);
    // 3·0.01, 2·0.02, 1·0.5
    expect(holm([0.01, 0.02, 0.5])).toEqual(close([0.03, 0.04, 0.5]));
    // The order of the input is kept: 0.005·3, then 0.01·2 = 0.02, then 0.03.
    expect(holm([0.03, 0.005, 0.01])).toEqual(close([0.03, 0.015, 0.02]));
    // 0.04·3 = 0.12; 0.05·2 = 0.1 must not fall below it, nor 0.06.
    expect(holm([0.04, 0.05, 0.06])).toEqual(close([0.12, 0.12, 0.12]));
    expect(holm([0.6, 0.5, 0.9])).toEqual([1, 1, 1]);
    expect(holm([0.1, 0.1, 0.1])).toEqual(close([0.3, 0.3, 0.3]));
    expect(holm([0, 1])).toEqual([0, 1]);
  });

  it('is at most α exactly where the step-down procedure rejects', () => {
    const p = fc.array(fc.integer({ min: 0, max: 64 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(p, fc.integer({ min: 1, max: 63 }), (integers, cut) => {
        // 64ths are exact in binary, as are their multiples.
        const pValues = integers.map((value) => value / 64);
        const adjusted = holm(pValues);
        for (const [i, value] of adjusted.entries())
          expect(value <= cut / 64).toBe(rejects(pValues, i, cut / 64));
      }),
    );
  });

  it('lies between the raw value and that of Bonferroni, in the same order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 }),
        (pValues) => {
          const adjusted = holm(pValues);
          for (const [i, p] of pValues.entries()) {
            expect(adjusted[i]).toBeGreaterThanOrEqual(p);
            expect(adjusted[i]).toBeLessThanOrEqual(Math.min(1, p * pValues.length));
            for (const [j, q] of pValues.entries())
              if (p < q) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j] as number);
          }
        },
      ),
    );
  });

  it('is refused for what is not p values', () => {
    expect(thrownBy(() => holm([]))).toMatch(/^INVALID_ARGUMENT: holm: pValues/);
    expect(thrownBy(() => holm([0.5, 1.5]))).toMatch(/^INVALID_ARGUMENT: holm: pValues\[1\].*1\.5/);
    expect(thrownBy(() => holm([Number.NaN]))).toMatch(/^NON_FINITE/);
  });
});
