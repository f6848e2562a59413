import { setImmediate } from 'node:timers/promises';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import {
  type Alternative,
  type PlannedPowerOptions,
  type PlannedTest,
  plannedPowerSchema,
  plannedTests,
} from '../options/statistics.js';
import type { Abortable } from '../util/async/abortable.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { randomNormal } from '../util/random/uniform_random.js';
import { betaQuantile, noncentralT, studentUpperQuantile } from './distributions.js';
import { invalidNumbers } from './numbers.js';
import { normalP, signedSums, subsetSums, sum } from './rank_distributions.js';
import { largestExact } from './rank_tests.js';

/** Beyond this many runs per condition nothing is sought. */
export const mostRuns = 100;

/** What a comparison can show that has not been run yet. */
export interface PlannedPower {
  test: PlannedTest;
  alternative: Alternative;
  runsPerCondition: number;
  conditions: number;
  effectSize: number;
  /** Null for a test of independent samples. */
  correlation: number | null;
  alpha: number;
  /** α over the number of pairs of conditions: what the p value of one test is compared with. */
  level: number;
  /** The smallest p value that the test can give with so many runs. */
  minimumPValue: number;
  /** Whether it reaches the level. */
  reachable: boolean;
  /** The fewest runs per condition with which it does, and the smallest p there; null beyond mostRuns. */
  fewestRuns: { runsPerCondition: number; minimumPValue: number } | null;
  /** The chance of p ≤ level if the effect is true. */
  power: number;
  /** 95 % interval of a simulated power (Clopper and Pearson); null where the power is exact. */
  powerInterval: { low: number; high: number } | null;
  targetPower: number;
  /** The fewest runs per condition with which the power is at least targetPower; null beyond mostRuns. */
  runsForTarget: number | null;
  /** Of all conditions; hours where hoursPerRun is given. */
  cost: { runs: number; hours?: number };
  costForTarget: { runs: number; hours?: number } | null;
}

/**
 * The smallest p value that a test of two conditions can give: that of conditions which do not overlap, or of differences with one
 * sign, without ties. A t test has no such bound; one run per condition says nothing in either.
 *
 * @param runsPerCondition a whole number of at least 1
 * @throws RdropError INVALID_ARGUMENT
 */
export function minimumPValue(
  test: PlannedTest,
  runsPerCondition: number,
  alternative: Alternative = 'two-sided',
): number {
  if (!plannedTests.includes(test)) {
    throw invalidNumbers('minimumPValue: test', `one of ${plannedTests.join(', ')}`, test);
  }
  if (!Number.isInteger(runsPerCondition) || runsPerCondition < 1) {
    throw invalidNumbers('minimumPValue: runsPerCondition', 'a whole number of at least 1', runsPerCondition);
  }
  if (test === 't' || test === 'paired-t') return runsPerCondition > 1 ? 0 : 1;
  let p = 1;
  for (let i = 1; i <= runsPerCondition; i++) p *= test === 'rank-sum' ? i / (runsPerCondition + i) : 0.5;
  return Math.min(1, alternative === 'two-sided' ? 2 * p : p);
}

/** The fewest runs per condition with which the smallest p value is at most `level`; null beyond mostRuns. */
export function fewestRuns(
  test: PlannedTest,
  level: number,
  alternative: Alternative = 'two-sided',
): PlannedPower['fewestRuns'] {
  for (let runsPerCondition = 1; runsPerCondition <= mostRuns; runsPerCondition++) {
    const p = minimumPValue(test, runsPerCondition, alternative);
    if (p <= slack(level)) return { runsPerCondition, minimumPValue: p };
  }
  return null;
}

/** For the whole counts of a rank test: 2/20 in binary must not be more than 0.1, nor than 0.3/3. */
const slack = (level: number): number => level * (1 + 1e-9);

/**
 * What a planned comparison of conditions can reach, before it costs anything: the smallest p value of its design, its power for a
 * true effect, and the runs that a wanted power needs. Runs are taken as normal with equal spread. The power of a t test
 * comes from the noncentral t distribution; that of a rank test is the share of simulated comparisons in which the
 * exact test rejects (beyond largestExact values its normal approximation, as in wilcoxonRankSum).
 *
 * For the paired tests the differences within a seed have the standardized mean effectSize / √(2 (1 - correlation)).
 *
 * @param options plannedPowerSchema, and a signal
 * @throws RdropError INVALID_ARGUMENT, ABORTED
 */
export async function plannedPower(options: PlannedPowerOptions & Abortable): Promise<PlannedPower> {
  const { signal, ...rest } = options;
  checkCall({ signal }, ['signal'], 'plannedPower');
  const plan = parseConfig(plannedPowerSchema, rest, 'plannedPower', 'INVALID_ARGUMENT', ['signal']);
  const { test, alternative, runsPerCondition, conditions, alpha, targetPower, hoursPerRun } = plan;
  const level = alpha / ((conditions * (conditions - 1)) / 2);
  const paired = test === 'signed-rank' || test === 'paired-t';
  const effect = paired ? plan.effectSize / Math.sqrt(2 * (1 - plan.correlation)) : plan.effectSize;
  const design: Design = { test, paired, effect, alternative, level };
  const powerWith = async (runs: number): Promise<{ power: number; rejected: number | null }> => {
    if (minimumPValue(test, runs, alternative) > slack(level)) return { power: 0, rejected: null };
    if (test === 't' || test === 'paired-t') return { power: studentPower(design, runs), rejected: null };
    const rejected = await rejections(design, runs, plan, signal);
    return { power: rejected / plan.simulations, rejected };
  };
  const { power, rejected } = await powerWith(runsPerCondition);
  const runsForTarget = await search(design, targetPower, powerWith, signal);
  const cost = (runs: number) => ({
    runs: conditions * runs,
    ...(hoursPerRun === undefined ? {} : { hours: conditions * runs * hoursPerRun }),
  });
  const smallest = minimumPValue(test, runsPerCondition, alternative);
  return {
    test,
    alternative,
    runsPerCondition,
    conditions,
    effectSize: plan.effectSize,
    correlation: paired ? plan.correlation : null,
    alpha,
    level,
    minimumPValue: smallest,
    reachable: smallest <= slack(level),
    fewestRuns: fewestRuns(test, level, alternative),
    power,
    powerInterval: rejected === null ? null : clopperPearson(rejected, plan.simulations),
    targetPower,
    runsForTarget,
    cost: cost(runsPerCondition),
    costForTarget: runsForTarget === null ? null : cost(runsForTarget),
  };
}

interface Design {
  test: PlannedTest;
  paired: boolean;
  /** Of the samples, or of the differences within pairs. */
  effect: number;
  alternative: Alternative;
  level: number;
}

/** Of the t test: of two samples, or of the differences. Source: the noncentral t distribution of its statistic. */
function studentPower({ paired, effect, alternative, level }: Design, runs: number): number {
  if (runs < 2) return 0;
  const degreesOfFreedom = paired ? runs - 1 : 2 * runs - 2;
  const shift = effect * Math.sqrt(paired ? runs : runs / 2);
  const critical = studentUpperQuantile(alternative === 'two-sided' ? level / 2 : level, degreesOfFreedom);
  const above = alternative === 'less' ? 0 : noncentralT(-critical, degreesOfFreedom, -shift);
  const below = alternative === 'greater' ? 0 : noncentralT(-critical, degreesOfFreedom, shift);
  return above + below;
}

/**
 * For normal runs the t test is the most powerful of those that depend neither on the unit nor on its zero point (Lehmann, Testing
 * Statistical Hypotheses, chapter 6), so the search for a rank test begins where the t test has the power.
 */
async function search(
  design: Design,
  target: number,
  powerWith: (runs: number) => Promise<{ power: number }>,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  let runs = 2;
  for (; runs <= mostRuns && studentPower(design, runs) < target; runs++) {
    throwIfAborted(signal, 'planning a comparison');
    if (runs % 10 === 0) await setImmediate();
  }
  for (; runs <= mostRuns; runs++) if ((await powerWith(runs)).power >= target) return runs;
  return null;
}

/** In how many of the simulated comparisons the rank test rejects. */
async function rejections(
  design: Design,
  runs: number,
  { simulations, seed }: { simulations: number; seed: number },
  signal: AbortSignal | undefined,
): Promise<number> {
  const rejects = design.paired ? signedRankRejects(design, runs) : rankSumRejects(design, runs);
  const normal = randomNormal(seed);
  const statistic = design.paired ? drawSignedRank : drawRankSum;
  // About 10 ms between two breaths of the event loop.
  const breath = Math.max(1, Math.floor(1_000_000 / (runs * (runs + 10))));
  const a = new Float64Array(runs);
  const b = new Float64Array(runs);
  let rejected = 0;
  for (let i = 0; i < simulations; i++) {
    if (i % breath === 0) {
      await setImmediate();
      throwIfAborted(signal, 'planning a comparison');
    }
    rejected += rejects[statistic(design.effect, normal, a, b)] as number;
  }
  return rejected;
}

/** U of two drawn samples. */
function drawRankSum(effect: number, normal: () => number, a: Float64Array, b: Float64Array): number {
  for (let i = 0; i < a.length; i++) {
    a[i] = effect + normal();
    b[i] = normal();
  }
  a.sort();
  b.sort();
  let u = 0;
  let smaller = 0;
  for (let i = 0; i < a.length; i++) {
    while (smaller < b.length && (b[smaller] as number) < (a[i] as number)) smaller += 1;
    u += smaller;
  }
  return u;
}

/** The sum of the ranks of positive differences: the pairs of differences, each with itself as well, with a positive mean. */
function drawSignedRank(effect: number, normal: () => number, differences: Float64Array): number {
  for (let i = 0; i < differences.length; i++) differences[i] = effect + normal();
  let w = 0;
  for (let i = 0; i < differences.length; i++) {
    const one = differences[i] as number;
    for (let j = i; j < differences.length; j++) if (one + (differences[j] as number) > 0) w += 1;
  }
  return w;
}

/** 1 for each U with p ≤ level, else 0. */
function rankSumRejects(design: Design, runs: number): Uint8Array {
  const n = 2 * runs;
  if (n > largestExact) return normalRejects(design, runs * runs, (runs * runs * (n + 1)) / 12);
  const ranks = Array.from({ length: n }, (_, i) => i + 1);
  return exactRejects(
    design,
    subsetSums(ranks, runs).subarray(sum(ranks.slice(0, runs)), runs * runs + sum(ranks.slice(0, runs)) + 1),
  );
}

/** Likewise for each sum of positive ranks. */
function signedRankRejects(design: Design, runs: number): Uint8Array {
  const total = (runs * (runs + 1)) / 2;
  if (runs > largestExact) return normalRejects(design, total, (total * (2 * runs + 1)) / 12);
  return exactRejects(design, signedSums(Array.from({ length: runs }, (_, i) => i + 1)));
}

/** The distribution under the null hypothesis is symmetric: from either end, as many values reject as the tail allows. */
function exactRejects({ alternative, level }: Design, ways: Float64Array): Uint8Array {
  const rejects = new Uint8Array(ways.length);
  const allowed = slack(alternative === 'two-sided' ? level / 2 : level) * sum([...ways]);
  let tail = 0;
  for (let s = 0; s < ways.length; s++) {
    tail += ways[s] as number;
    if (tail > allowed) break;
    if (alternative !== 'greater') rejects[s] = 1;
    if (alternative !== 'less') rejects[ways.length - 1 - s] = 1;
  }
  return rejects;
}

const normalRejects = ({ alternative, level }: Design, largest: number, variance: number): Uint8Array =>
  Uint8Array.from({ length: largest + 1 }, (_, s) =>
    normalP(s - largest / 2, variance, alternative) <= level ? 1 : 0,
  );

/** The exact 95 % interval of a share (Clopper and Pearson, Biometrika 26, 1934). */
function clopperPearson(hits: number, trials: number): { low: number; high: number } {
  return {
    low: hits === 0 ? 0 : betaQuantile(0.025, hits, trials - hits + 1),
    high: hits === trials ? 1 : betaQuantile(0.975, hits + 1, trials - hits),
  };
}
