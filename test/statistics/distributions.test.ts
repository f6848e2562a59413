import { describe, expect, it } from 'vitest';
import {
  betaQuantile,
  complementaryError,
  incompleteBeta,
  logGamma,
  noncentrality,
  noncentralT,
  normalCdf,
  studentTail,
  studentUpperQuantile,
} from '../../lib/statistics/distributions.js';
import { expectClose, recorded } from '../support/effect_sizes.js';

const { distributions } = recorded;

describe('distributions against mpmath', () => {
  it('ln Γ', () => {
    for (const [x, value] of distributions.logGamma) expectClose(logGamma(x), value, 1e-13);
  });

  it('the incomplete beta function, to 1e-10 of its value', () => {
    for (const [x, a, b, value] of distributions.incompleteBeta) {
      const actual = incompleteBeta(x, a, b);
      expect(Math.abs(actual - value), `I_${x}(${a}, ${b}) = ${actual}`).toBeLessThan(1e-10 * value);
    }
    expect([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)]).toEqual([0, 1]);
  });

  it('quantiles of t, 198 degrees of freedom and a tail of 1e-9 among them', () => {
    for (const [p, freedom, t] of distributions.studentUpperQuantile) {
      expectClose(studentUpperQuantile(p, freedom), t, 1e-11);
      expectClose(studentUpperQuantile(1 - p, freedom), -t, p < 1e-6 ? 1e-6 : 1e-10);
    }
  });

  it('the noncentral t, far tails and large shifts among them', () => {
    expect(distributions.noncentralT.length).toBeGreaterThan(10);
    for (const [t, freedom, shift, value] of distributions.noncentralT) {
      expectClose(noncentralT(t, freedom, shift), value, 1e-12);
      // Mirrored: P(T ≤ t; δ) + P(T ≤ -t; -δ) = 1.
      expectClose(noncentralT(-t, freedom, -shift), 1 - value, 1e-12);
    }
  });
});

describe('distributions agree with each other', () => {
  it('without a shift the noncentral t is Student’s', () => {
    for (const freedom of [1, 2, 3, 7, 40, 998]) {
      for (const t of [-30, -2, -0.1, 0, 0.4, 3, 12])
        expectClose(noncentralT(t, freedom, 0), 1 - studentTail(t, freedom), 1e-12);
    }
  });

  it('noncentralShift undoes noncentralT', () => {
    for (const [t, freedom] of [
      [0, 4],
      [1.8, 4],
      [-70, 2],
      [4000, 4],
      [2, 500],
    ] as const) {
      for (const p of [0.0005, 0.025, 0.5, 0.975])
        expectClose(noncentralT(t, freedom, noncentrality(t, freedom, p)), p, 1e-12);
    }
  });

  it('betaQuantile undoes incompleteBeta', () => {
    for (const [p, a, b] of [
      [0.025, 3, 9998],
      [0.975, 4360, 5641],
      [0.5, 1, 1],
    ] as const) {
      expectClose(incompleteBeta(betaQuantile(p, a, b), a, b), p, 1e-10);
    }
    // With b = 1 the function is x^a.
    expectClose(betaQuantile(0.025, 7, 1), 0.025 ** (1 / 7), 1e-13);
  });

  it('the normal distribution is whole and symmetric', () => {
    expectClose(normalCdf(1.959963984540054), 0.975, 1e-14);
    for (const x of [0, 0.3, 2.4, 2.6, 3.6, 8]) {
      expectClose(normalCdf(x) + normalCdf(-x), 1, 1e-15);
      expectClose(complementaryError(x) + complementaryError(-x), 2, 1e-15);
    }
  });
});
