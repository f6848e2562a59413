import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { studentTail, studentUpperQuantile } from '../../lib/statistics/distributions.js';
import { meanEstimate, ratioEstimate, signFlipP } from '../../lib/theory/intervals.js';

/** By scipy and numpy: test/fixtures/statistics/record_theory.py. */
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/statistics/theory.json', import.meta.url), 'utf8'),
) as {
  quantiles: { level: number; freedom: number; value: number }[];
  tails: { value: number; freedom: number; p: number }[];
  means: {
    values: number[];
    level: number;
    mean: number;
    standardDeviation: number;
    low: number;
    high: number;
  }[];
  ratios: { above: number[]; below: number[]; level: number; ratio: number; low: number; high: number }[];
  flips: { differences: number[]; p: number }[];
};

const close = (actual: number | null, truth: number, tolerance = 1e-9) =>
  expect(Math.abs(actual! - truth)).toBeLessThanOrEqual(tolerance * Math.abs(truth) + 1e-15);

describe("Student's t against SciPy", () => {
  it('has its tails', () => {
    for (const { value, freedom, p } of recorded.tails) close(2 * studentTail(value, freedom), p);
  });

  it('has its quantiles', () => {
    for (const { level, freedom, value } of recorded.quantiles) {
      close(studentUpperQuantile((1 - level) / 2, freedom), value, 1e-8);
    }
  });
});

describe('intervals against SciPy and numpy', () => {
  it('of a mean', () => {
    for (const { values, level, ...truth } of recorded.means) {
      const found = meanEstimate(values, level);
      for (const key of ['mean', 'standardDeviation', 'low', 'high'] as const) close(found[key], truth[key]);
    }
  });

  it('of a ratio: the jackknife', () => {
    for (const { above, below, level, ...truth } of recorded.ratios) {
      const found = ratioEstimate(above, below, level);
      for (const key of ['ratio', 'low', 'high'] as const) close(found[key], truth[key]);
    }
  });

  it('a ratio without a denominator is null', () => {
    expect(ratioEstimate([0, 0, 0], [0, 0, 0], 0.95)).toEqual({ ratio: null, low: null, high: null });
    expect(ratioEstimate([0, 0, 2], [0, 0, 1], 0.95)).toEqual({ ratio: 2, low: null, high: null });
  });
});

describe('the randomization test', () => {
  it("comes to SciPy's p over every sign pattern", async () => {
    for (const { differences, p } of recorded.flips) {
      const found = await signFlipP(differences, { samples: 40_000, seed: 3 });
      // Four standard errors of the share.
      expect(Math.abs(found - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 40_000) + 1e-4);
    }
  });

  it('is 1 where nothing differs, tiny where all differences have one sign, the same for the same seed', async () => {
    expect(await signFlipP([0, 0, 0], { samples: 100, seed: 1 })).toBe(1);
    expect(await signFlipP(Array(60).fill(1), { samples: 999, seed: 1 })).toBe(1 / 1000);
    const differences = [1, -2, 3, 0.5, -0.25];
    const p = (seed: number) => signFlipP(differences, { samples: 500, seed });
    expect(await p(5)).toBe(await p(5));
    expect(new Set(await Promise.all([5, 6, 7, 8, 9].map(p))).size).toBeGreaterThan(1);
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort();
    const differences = Array.from({ length: 1000 }, (_, i) => i - 500);
    await expect(signFlipP(differences, { samples: 1e7, seed: 1, signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});
