/** One batch: for each mask pair the whole gradient of every direction. */
export type Vectors = { uni: ArrayLike<number>; uniReverse: ArrayLike<number>; bi: ArrayLike<number> }[];

export interface NaiveDirection {
  meanSquaredNorm: number;
  variance: number;
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
const minus = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (value, i) => value - b[i]!);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The moments as U-statistics over pairs of samples, from all samples kept: E g·E h is the mean of g_i·h_j over i ≠ j,
 * the variance half the mean of ‖g_i - g_j‖². Neither has a bias to correct. Averaged over batches.
 */
export function naiveEstimate(batches: readonly Vectors[]): {
  uni: NaiveDirection;
  uniReverse: NaiveDirection;
  bi: NaiveDirection;
  /** Of half the difference of uni and uni-reverse. */
  halfVariance: number;
  cosine: number;
} {
  const over = (statistic: (vectors: Vectors) => number) => mean(batches.map(statistic));
  const acrossPairs = (vectors: Vectors, value: (i: number, j: number) => number) =>
    mean(vectors.flatMap((_, i) => vectors.flatMap((_, j) => (i === j ? [] : [value(i, j)]))));
  type Key = keyof Vectors[number];
  const product = (a: Key, b: Key) =>
    over((vectors) => acrossPairs(vectors, (i, j) => dot(vectors[i]![a], vectors[j]![b])));
  const spread = (of: (vectors: Vectors, i: number) => ArrayLike<number>) =>
    over((vectors) =>
      acrossPairs(vectors, (i, j) => {
        const difference = minus(of(vectors, i), of(vectors, j));
        return dot(difference, difference) / 2;
      }),
    );
  const direction = (key: Key): NaiveDirection => ({
    meanSquaredNorm: product(key, key),
    variance: spread((vectors, i) => vectors[i]![key]),
  });
  const own = { uni: direction('uni'), uniReverse: direction('uniReverse'), bi: direction('bi') };
  return {
    ...own,
    halfVariance: spread((vectors, i) =>
      minus(vectors[i]!.uni, vectors[i]!.uniReverse).map((value) => value / 2),
    ),
    cosine: product('uni', 'bi') / Math.sqrt(own.uni.meanSquaredNorm * own.bi.meanSquaredNorm),
  };
}
