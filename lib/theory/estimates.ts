import { type RatioEstimate, ratioEstimate } from './intervals.js';
import { type Combination, combine, type ParameterMoments, productCount } from './moments.js';
import { groupOf, type ParameterGroup, parameterGroups } from './parameter_groups.js';

/** The gradient of one direction under one mask pair, per target position, the batch held fixed; averaged over batches. */
export interface DirectionEstimate {
  /**
   * ‖E g‖², unbiased: the squared norm of a mean of n samples is too large by tr Cov(g)/n, which is taken off. May come
   * out below 0 where the mean drowns in the noise.
   */
  meanSquaredNorm: number;
  /** Its root; null below 0. */
  meanNorm: number | null;
  /** tr Cov(g): the variances of all elements added up, divisor n - 1. */
  variance: number;
  /** ‖E g‖² / tr Cov(g); null without variance. */
  signalToNoise: number | null;
}

/** uni against bi on a group of parameters. */
export interface GroupEstimate {
  group: ParameterGroup | 'all';
  /** `encoder.layers.0`; null for a group of all layers. */
  layer: string | null;
  parameters: number;
  uni: DirectionEstimate;
  uniReverse: DirectionEstimate;
  bi: DirectionEstimate;
  /**
   * tr Cov(g_uni) / tr Cov(g_bi) with its jackknife interval over mask pairs. What is left out in turn is one of Welford's
   * increments, which are uncorrelated for normal gradients and nearly so for others; where noise has short tails the
   * interval comes out too wide rather than too narrow.
   */
  varianceRatio: RatioEstimate;
  /** What it should be: 1 + α² tr Cov(½(u - r)) / tr Cov(g_bi), with its interval (α = 1 for the KL term alone). */
  expectedRatio: RatioEstimate;
  /** Of E g_uni and E g_bi, from unbiased products; 1 in expectation, and noise can lift it above. Null without a mean. */
  cosine: number | null;
}

/** Which gradient: that of the KL term alone, or of CE + α·KL. */
export type Objective = { kl: true } | { alpha: number };

/** The groups in their order, then all parameters together. */
export function groupEstimates(
  moments: readonly ParameterMoments[],
  { pairs, level }: { pairs: number; level: number },
  objective: Objective,
): GroupEstimate[] {
  const named = parameterGroups.map((group) => ({
    group,
    members: moments.filter(({ name }) => groupOf(name).group === group),
  }));
  return [
    ...named.filter(({ members }) => members.length > 0),
    { group: 'all' as const, members: moments },
  ].map(({ group, members }) => estimate({ group, layer: null }, members, { pairs, level }, objective));
}

/** Each group within each layer, in the order of the parameters. */
export function layerEstimates(
  moments: readonly ParameterMoments[],
  { pairs, level }: { pairs: number; level: number },
  objective: Objective,
): GroupEstimate[] {
  const parts = new Map<string, { group: ParameterGroup; layer: string; members: ParameterMoments[] }>();
  for (const parameter of moments) {
    const { group, layer } = groupOf(parameter.name);
    if (layer === null) continue;
    const key = `${layer} ${group}`;
    const part = parts.get(key) ?? { group, layer, members: [] };
    part.members.push(parameter);
    parts.set(key, part);
  }
  return [...parts.values()].map(({ group, layer, members }) =>
    estimate({ group, layer }, members, { pairs, level }, objective),
  );
}

function estimate(
  what: Pick<GroupEstimate, 'group' | 'layer'>,
  members: readonly ParameterMoments[],
  { pairs, level }: { pairs: number; level: number },
  objective: Objective,
): GroupEstimate {
  const { increments, means } = total(members, pairs);
  const rows = Array.from({ length: pairs - 1 }, (_, i) =>
    increments.subarray(i * productCount, (i + 1) * productCount),
  );
  const [c, weight] = 'alpha' in objective ? [1, objective.alpha] : [0, 1];
  const directions = {
    uni: [c, weight, weight],
    uniReverse: [c, weight, -weight],
    bi: [c, weight, 0],
  } as const satisfies Record<string, Combination>;
  const half: Combination = [0, 0, weight];
  const drawn = (a: Combination, b: Combination = a) => rows.map((row) => combine(a, b, row));
  const covariance = (a: Combination, b: Combination) => average(drawn(a, b));
  /** E g_a · E g_b without the share of the noise that two means over the same masks have in common. */
  const product = (a: Combination, b: Combination) => combine(a, b, means) - covariance(a, b) / pairs;
  const direction = (g: Combination): DirectionEstimate => {
    const meanSquaredNorm = product(g, g);
    const variance = covariance(g, g);
    return {
      meanSquaredNorm,
      meanNorm: meanSquaredNorm >= 0 ? Math.sqrt(meanSquaredNorm) : null,
      variance,
      signalToNoise: variance > 0 ? meanSquaredNorm / variance : null,
    };
  };
  const { uni, uniReverse, bi } = directions;
  const own = { uni: direction(uni), uniReverse: direction(uniReverse), bi: direction(bi) };
  const norms = own.uni.meanSquaredNorm > 0 && own.bi.meanSquaredNorm > 0;
  const biDrawn = drawn(bi);
  const expected = drawn(half).map((value, i) => value + biDrawn[i]!);
  return {
    ...what,
    parameters: members.reduce((sum, { size }) => sum + size, 0),
    ...own,
    varianceRatio: ratioEstimate(drawn(uni), biDrawn, level),
    expectedRatio: ratioEstimate(expected, biDrawn, level),
    cosine: norms ? product(uni, bi) / Math.sqrt(own.uni.meanSquaredNorm * own.bi.meanSquaredNorm) : null,
  };
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Products over several parameters are sums of those of each. */
function total(members: readonly ParameterMoments[], pairs: number) {
  const increments = new Float64Array((pairs - 1) * productCount);
  const means = new Float64Array(productCount);
  for (const member of members) {
    member.increments.forEach((value, i) => {
      increments[i]! += value;
    });
    member.means.forEach((value, i) => {
      means[i]! += value;
    });
  }
  return { increments, means };
}
