/** What a paired test over sentences says of the difference between two systems. */
export interface Verdict {
  /** Score of the system minus that of the baseline; exactly 0 where rounding alone keeps the two apart. */
  difference: number;
  /**
   * sacreBLEU's: two-sided, at least 1 / (samples + 1). It counts the resamples whose difference is larger than the real
   * one, so without a difference, or where all resamples differ equally, it is small and says nothing.
   */
  pValue: number;
  /** Whether there is a difference, and p < 0.05 holds also when resamples with an equal difference are counted. */
  significant: boolean;
}

export interface PValues {
  /** Of the resamples with a larger difference. */
  pValue: number;
  /** Of those with a larger or an equal one. */
  withEqual: number;
}

/** The level that `significant` goes by. */
export const significanceLevel = 0.05;

/** Scores in percent that are closer than this differ by the rounding of their arithmetic alone. */
export const roundingOfScores = 1e-9;

export function verdict(
  { system, baseline }: { system: number; baseline: number },
  { pValue, withEqual }: PValues,
): Verdict {
  const gap = system - baseline;
  const difference = Math.abs(gap) <= roundingOfScores ? 0 : gap;
  const differs = Number.isFinite(difference) && difference !== 0;
  const unlikely = pValue < significanceLevel && withEqual < significanceLevel;
  return { difference, pValue, significant: differs && unlikely };
}
