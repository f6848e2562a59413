import type { Alternative } from '../options/index.js';
import { parseConfig } from '../options/schema/parse.js';
import { type ComparisonOptions, comparisonSchema } from '../options/statistics.js';
import type { YieldTimer } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { type BootstrapInterval, bootstrapDifference, bootstrapYielding } from './bootstrap.js';
import { cohensD, type EffectSize, effectSize, hedgesG, pairedEffectSize } from './effect_sizes.js';
import {
  type HodgesLehmannEstimate,
  hodgesLehmann,
  mostHodgesLehmannValues,
  pairedHodgesLehmann,
} from './hodges_lehmann.js';
import { holm } from './holm.js';
import { checkedNumbers, mean, sameNumbers } from './numbers.js';
import {
  type RankSumResult,
  type SignedRankResult,
  wilcoxonRankSum,
  wilcoxonSignedRank,
} from './rank_tests.js';

export {
  type BootstrapInterval,
  bootstrapDifference,
  cohensD,
  type EffectSize,
  effectSize,
  type HodgesLehmannEstimate,
  hedgesG,
  hodgesLehmann,
  holm,
  pairedEffectSize,
  pairedHodgesLehmann,
  type RankSumResult,
  type SignedRankResult,
  wilcoxonRankSum,
  wilcoxonSignedRank,
};

/**
 * Statistics over the runs of two conditions: a and b hold one result a run (test BLEU), paired by position (seed) where a
 * test needs pairs. A statistic that is not defined for the data is null, never NaN, so that it survives JSON.
 */

export interface PairedComparison {
  /** Null when the samples hold no pairs, as these three. */
  signedRank: SignedRankResult | null;
  /** Of the differences within pairs: d_z and g_z. */
  pairedEffect: EffectSize | null;
  pairedHodgesLehmann: HodgesLehmannEstimate | null;
}

export interface RunComparison extends PairedComparison {
  /** Present where both samples hold the same values, in whatever order: then there is no difference to be tested. */
  equal?: true;
  meanDifference: number;
  cohensD: number | null;
  hedgesG: number | null;
  /** The exact interval of the true standardized difference, which d and g both estimate. */
  effectInterval: { low: number | null; high: number | null; level: number };
  rankSum: RankSumResult;
  /** Null beyond mostShiftValues, as pairedShift. */
  hodgesLehmann: HodgesLehmannEstimate | null;
  bootstrap: BootstrapInterval;
}

/** mean(a) - mean(b). @throws RdropError INVALID_ARGUMENT, NON_FINITE */
export function meanDifference(a: readonly number[], b: readonly number[]): number {
  checkedNumbers(a, 'meanDifference: a');
  checkedNumbers(b, 'meanDifference: b');
  return mean(a) - mean(b);
}

/**
 * Every statistic for two conditions. Both rank tests are there because the paper calls its p = 0.10 the signed-rank test while
 * it is the rank-sum test (U = 9, 2 of 20 relabelings); the signed-rank test of its numbers gives 0.25. Conditions of
 * different size are taken to hold no pairs.
 *
 * @param options level 0.95 of every interval; samples 10,000 and seed 1 of the bootstrap; alternative 'two-sided' of the
 *   rank tests.
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function compareRuns(
  a: readonly number[],
  b: readonly number[],
  options: ComparisonOptions = {},
): RunComparison {
  const { alternative, ...bootstrap } = comparisonOf(options);
  const compared = withoutBootstrap(a, b, alternative, bootstrap.level);
  return { ...compared, bootstrap: bootstrapDifference(a, b, bootstrap) };
}

/**
 * compareRuns() that leaves the event loop free.
 *
 * @throws RdropError ABORTED besides
 */
export async function compareRunsYielding(
  a: readonly number[],
  b: readonly number[],
  options: ComparisonOptions,
  breaks: YieldTimer,
): Promise<RunComparison> {
  const { alternative, ...bootstrap } = comparisonOf(options);
  const compared = withoutBootstrap(a, b, alternative, bootstrap.level);
  return { ...compared, bootstrap: await bootstrapYielding(a, b, bootstrap, breaks) };
}

const comparisonOf = (options: ComparisonOptions) =>
  parseConfig(comparisonSchema, options, 'compareRuns', 'INVALID_ARGUMENT');

function withoutBootstrap(
  a: readonly number[],
  b: readonly number[],
  alternative: Alternative,
  level: number,
): Omit<RunComparison, 'bootstrap'> {
  const { d, g, ...effectInterval } = effectSize(a, b, { level });
  const [pairedA, pairedB] = a.length === b.length ? [a, b] : [[], []];
  const equal = sameNumbers(a, b);
  return {
    ...(equal ? { equal } : {}),
    // Not even that of rounding, which depends on the order.
    meanDifference: equal ? 0 : meanDifference(a, b),
    cohensD: d,
    hedgesG: g,
    effectInterval,
    rankSum: wilcoxonRankSum(a, b, { alternative }),
    hodgesLehmann:
      Math.max(a.length, b.length) > mostHodgesLehmannValues ? null : hodgesLehmann(a, b, { level }),
    ...comparePairs(pairedA, pairedB, { level, alternative }),
  };
}

/**
 * What there is to say of pairs a[i], b[i], such as the runs of seeds that two conditions share; without a pair all is null.
 *
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE
 */
export function comparePairs(
  a: readonly number[],
  b: readonly number[],
  { level = 0.95, alternative = 'two-sided' }: Pick<ComparisonOptions, 'level' | 'alternative'> = {},
): PairedComparison {
  if (a.length === 0 && b.length === 0)
    return { signedRank: null, pairedEffect: null, pairedHodgesLehmann: null };
  return {
    signedRank: wilcoxonSignedRank(a, b, { alternative }),
    pairedEffect: pairedEffectSize(a, b, { level }),
    pairedHodgesLehmann: a.length > mostHodgesLehmannValues ? null : pairedHodgesLehmann(a, b, { level }),
  };
}

export interface PairOfConditions extends RunComparison {
  a: string;
  b: string;
  /** p values after Holm's correction over all pairs of conditions, each test a family of its own. */
  holm: { rankSum: number; signedRank: number | null };
}

type Conditions = ReadonlyMap<string, readonly number[]> | Readonly<Record<string, readonly number[]>>;

/**
 * Every pair of several conditions, in their order, with Holm's correction.
 *
 * @param conditions results by the condition's name, at least two conditions. A Map keeps its order whatever the names are.
 * @param options as for compareRuns.
 * @throws RdropError INVALID_ARGUMENT, NON_FINITE; the message names the condition.
 */
export function compareAllPairs(conditions: Conditions, options: ComparisonOptions = {}): PairOfConditions[] {
  return correctPairs(
    pairsOfConditions(conditions).map(({ a, b, first, second }) => ({
      a,
      b,
      ...compareRuns(first, second, options),
    })),
  );
}

/**
 * compareAllPairs() that leaves the event loop free.
 *
 * @throws RdropError ABORTED besides
 */
export async function compareAllPairsYielding(
  conditions: Conditions,
  options: ComparisonOptions,
  breaks: YieldTimer,
): Promise<PairOfConditions[]> {
  const pairs: (RunComparison & { a: string; b: string })[] = [];
  for (const { a, b, first, second } of pairsOfConditions(conditions))
    pairs.push({ a, b, ...(await compareRunsYielding(first, second, options, breaks)) });
  return correctPairs(pairs);
}

interface TwoConditions {
  a: string;
  b: string;
  first: readonly number[];
  second: readonly number[];
}

function pairsOfConditions(conditions: Conditions): TwoConditions[] {
  const entries: [string, readonly number[]][] =
    conditions instanceof Map ? [...conditions.entries()] : Object.entries(conditions);
  if (entries.length < 2) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `compareAllPairs: expected at least two conditions, got ${entries.length}`,
    );
  }
  for (const [name, values] of entries) checkedNumbers(values, `compareAllPairs: ${name}`);
  return entries.flatMap(([a, first], i) =>
    entries.slice(i + 1).map(([b, second]) => ({ a, b, first, second })),
  );
}

/** Adds Holm's correction to the comparisons of one family. Pairs without a signed-rank test do not count in its family. */
export function correctPairs<T extends Pick<RunComparison, 'rankSum' | 'signedRank'>>(
  pairs: readonly T[],
): (T & Pick<PairOfConditions, 'holm'>)[] {
  if (pairs.length === 0) return [];
  const rankSum = holm(pairs.map((pair) => pair.rankSum.p));
  const tested = pairs.filter(({ signedRank }) => signedRank !== null);
  const signedRank = tested.length > 0 ? holm(tested.map((pair) => pair.signedRank?.p as number)) : [];
  return pairs.map((pair, i) => ({
    ...pair,
    holm: { rankSum: rankSum[i] as number, signedRank: signedRank[tested.indexOf(pair)] ?? null },
  }));
}
