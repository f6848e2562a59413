/** `rdrop/statistics`: rank tests, effect sizes, intervals, corrections and power over runs, without the addon. */

export type {
  Alternative,
  BootstrapOptions,
  ComparisonOptions,
  IntervalOptions,
  PlannedPowerOptions,
  PlannedTest,
  RankTestOptions,
} from '../options/statistics.js';
export { type BootstrapInterval, bootstrapDifference } from './bootstrap.js';
export {
  compareAllPairs,
  compareRuns,
  meanDifference,
  type PairOfConditions,
  type RunComparison,
} from './comparison.js';
export { cohensD, type EffectSize, effectSize, hedgesG, pairedEffectSize } from './effect_sizes.js';
export { type HodgesLehmannEstimate, hodgesLehmann, pairedHodgesLehmann } from './hodges_lehmann.js';
export { holm } from './holm.js';
export type { PlannedComparison } from './planned_comparison.js';
export { minimumPValue, type PlannedPower, plannedPower } from './planned_power.js';
export { wilcoxonRankSum, wilcoxonSignedRank } from './rank_tests.js';
