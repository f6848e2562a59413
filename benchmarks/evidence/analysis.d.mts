import type { compareAllPairs, RunComparison } from '../../lib/statistics/comparison.js';

/** A run of a study, as its results.json has it. */
export interface StudyRun {
  condition: string;
  seed: number;
  setting: Record<string, unknown>;
  test: number;
  validation: number;
  updates: number;
  bestUpdate: number;
  seconds: number;
}
/** The two conditions of the primary comparison. */
export const primary: string[];
/** Passes of a batch through the network in one update. */
export function passesOf(condition: string): number;
/** The test figures of every condition in the order of the seeds. */
export function figuresOf(runs: readonly StudyRun[]): Record<string, number[]>;
export interface ConditionRow {
  condition: string;
  setting: Record<string, unknown>;
  runs: number;
  mean: number;
  median: number;
  deviation: number;
  lowest: number;
  highest: number;
  validation: number;
  passes: number;
  secondsPerUpdate: number;
  bestUpdate: number;
}
/** @throws Error for a condition that lacks a seed */
export function analyze(study: { seeds: readonly number[]; runs: readonly StudyRun[] }): {
  conditions: ConditionRow[];
  primary: RunComparison & { a: string; b: string };
  pairs: ReturnType<typeof compareAllPairs>;
};
