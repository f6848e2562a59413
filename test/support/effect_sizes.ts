import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

export interface RecordedEffect {
  d: number;
  g: number | null;
  low: number;
  high: number;
}
type ByAlternative = Record<'two-sided' | 'less' | 'greater', number>;

/** What mpmath and SciPy say (test/fixtures/statistics/record_effect_sizes.py). */
export const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/statistics/effect_sizes.json', import.meta.url), 'utf8'),
) as {
  distributions: {
    noncentralT: [number, number, number, number][];
    logGamma: [number, number][];
    incompleteBeta: [number, number, number, number][];
    studentUpperQuantile: [number, number, number][];
  };
  effects: {
    name: string;
    a: number[];
    b: number[];
    level: number;
    independent: RecordedEffect;
    paired: RecordedEffect | null;
  }[];
  rankTests: {
    a: number[];
    b: number[];
    rankSum: ByAlternative;
    signedRank: Partial<ByAlternative> | null;
  }[];
  minimumPValue: { runs: number; 'rank-sum': [number, number]; 'signed-rank': [number, number] }[];
  power: {
    runs: number;
    effect: number;
    alpha: number;
    alternative: 'two-sided' | 'less' | 'greater';
    correlation: number;
    exact: { t: number; 'paired-t': number };
    simulated: { 'rank-sum': number; 'signed-rank': number };
    draws: number;
  }[];
};

/** Equal to `tolerance`, relative above 1 and absolute below. */
export function expectClose(actual: number | null, expected: number, tolerance: number): void {
  expect(Math.abs((actual as number) - expected), `${actual} instead of ${expected}`).toBeLessThanOrEqual(
    tolerance * Math.max(1, Math.abs(expected)),
  );
}

/** What a call threw, as `CODE: message`. */
export function thrownBy(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
  return 'nothing thrown';
}
