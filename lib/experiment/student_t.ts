/**
 * Student's t distribution with `freedom` degrees of freedom: what the intervals of this directory need of it.
 * The tail is a regularised incomplete beta function, computed by Lentz's continued fraction.
 */

/** ln Γ(x) for x > 0: Stirling's series after shifting x above 15, where its error is below 1e-15. */
function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 15; at++) shift += Math.log(at);
  const square = 1 / (at * at);
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / at;
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

/** I_x(a, b), the regularised incomplete beta function. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast below the mean of the distribution; above it the mirrored one does.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(
    a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b) - Math.log(a),
  );
  const tiny = 1e-300;
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** P(|t| > value). */
export function studentTwoSided(value: number, freedom: number): number {
  const square = value * value;
  // With t² far above the degrees of freedom, and far below, either argument is the one that keeps its digits.
  return square > freedom
    ? incompleteBeta(freedom / (freedom + square), freedom / 2, 0.5)
    : 1 - incompleteBeta(square / (freedom + square), 0.5, freedom / 2);
}

/** The value that |t| exceeds with probability 1 - level: half the width of an interval in standard errors. */
export function studentTQuantile(level: number, freedom: number): number {
  const outside = 1 - level;
  let low = 0;
  let high = 1;
  while (studentTwoSided(high, freedom) > outside) high *= 2;
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (studentTwoSided(middle, freedom) > outside) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
