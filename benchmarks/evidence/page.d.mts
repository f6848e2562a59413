import type { analyze, StudyRun } from './analysis.mjs';

/** The tables of a study, from its results.json. */
export function tables(results: {
  metric: string;
  analysis: ReturnType<typeof analyze>;
  tuning: unknown;
  seeds: readonly number[];
}): Record<string, string>;
/** The figures of all runs, and the validation figure over what training cost, as SVG documents. */
export function plots(results: {
  metric: string;
  runs: readonly (Pick<StudyRun, 'condition' | 'seed' | 'test'> & { curve: number[][] })[];
}): { figures: string; cost: string };
/** The validation figures of a run: [update, figure] at each validation. */
export function curveOf(runDirectory: string, metric: string): [update: number, figure: number][];
