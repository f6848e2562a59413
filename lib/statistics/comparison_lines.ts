import type { Alternative } from '../options/statistics.js';
import type { EffectSize, HodgesLehmannEstimate, PairOfConditions, RunComparison } from './comparison.js';
import { fixed } from './numbers.js';

const methods = { exact: 'exact', normal: 'normal approximation' };
const sides: Record<Alternative, string> = {
  'two-sided': 'two-sided',
  less: 'one-sided: a smaller than b',
  greater: 'one-sided: a larger than b',
};
type Interval = Pick<EffectSize, 'low' | 'high'>;
const between = ({ low, high }: Interval, digits: number, otherwise: string): string =>
  low === null || high === null ? otherwise : `${fixed(low, digits)} to ${fixed(high, digits)}`;

/** The statistics in words, one a line, saying which test is which. */
export function comparisonLines(
  comparison: RunComparison & { holm?: PairOfConditions['holm'] | undefined },
  alternative: Alternative = 'two-sided',
): string[] {
  const { rankSum, signedRank, pairedEffect, hodgesLehmann, pairedHodgesLehmann, bootstrap, holm } =
    comparison;
  const percent = percentText(bootstrap.level);
  const side = sides[alternative];
  const corrected = (p: number | null | undefined) => (p == null ? '' : `, after Holm ${formatP(p)}`);
  return [
    ...(comparison.equal ? ['a and b hold the same values: there is no difference to be tested'] : []),
    `difference of means (a - b): ${fixed(comparison.meanDifference, 4)}`,
    `${percent} bootstrap interval of the difference: ` +
      between(bootstrap, 4, 'not defined, a condition has a single run'),
    ...effectLines(comparison, percent),
    ...(pairedEffect?.d == null
      ? []
      : [
          `of the differences within pairs: d_z ${fixed(pairedEffect.d, 3)}` +
            `${pairedEffect.g === null ? '' : `, g_z ${fixed(pairedEffect.g, 3)}`}; ` +
            `${percent} interval ${between(pairedEffect, 3, '')}`,
        ]),
    `Wilcoxon rank-sum test (Mann-Whitney; ${side}, ${methods[rankSum.method]}): ` +
      `U = ${rankSum.u}, p = ${formatP(rankSum.p)}${corrected(holm?.rankSum)}; ` +
      'this is the test behind the p that the paper calls signed-rank',
    signedRank === null
      ? 'Wilcoxon signed-rank test: not defined, the conditions differ in their number of runs and so hold no pairs'
      : `Wilcoxon signed-rank test (paired; ${side}, ${methods[signedRank.method]}): ` +
        `W = ${signedRank.w}, p = ${formatP(signedRank.p)}${corrected(holm?.signedRank)}; ` +
        'the paper names this test but reports the other',
    ...(hodgesLehmann === null
      ? []
      : [shiftLine('shift of a against b (Hodges-Lehmann, with the rank-sum test)', hodgesLehmann, percent)]),
    ...(pairedHodgesLehmann === null
      ? []
      : [shiftLine('the same within pairs (with the signed-rank test)', pairedHodgesLehmann, percent)]),
  ];
}

function effectLines({ cohensD, hedgesG, effectInterval }: RunComparison, percent: string): string[] {
  if (cohensD === null) return ["Cohen's d: not defined: no spread"];
  return [
    `Cohen's d (pooled sample standard deviation): ${fixed(cohensD, 3)}`,
    ...(hedgesG === null ? [] : [`Hedges' g (d without its bias): ${fixed(hedgesG, 3)}`]),
    `${percent} interval of the true effect size (exact for normal runs): ${between(effectInterval, 3, '')}`,
  ];
}

const shiftLine = (what: string, shift: HodgesLehmannEstimate, percent: string): string =>
  `${what}: ${fixed(shift.estimate, 4)}; ${percent} interval ` +
  between(shift, 4, 'has no ends with so few runs, or with more than 80');

export const percentText = (share: number): string => `${Number((share * 100).toFixed(6))} %`;

/** A p value with three decimals, or in powers of ten where those would be zeros. */
export function formatP(p: number): string {
  return p < 0.001 ? p.toExponential(1) : p.toFixed(3);
}
