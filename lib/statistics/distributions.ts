/**
 * The distributions that effect sizes and power need: normal, beta, Student's t and the noncentral t. They agree with mpmath to
 * 1e-10 or better at the values of test/fixtures/statistics/record_effect_sizes.py, the noncentral t to 1e-12.
 */

/** ln Γ(x) for x > 0: Stirling's series (Abramowitz 6.1.41) after the recurrence has lifted x to where it converges. */
export function logGamma(x: number): number {
  let product = 1;
  let lifted = x;
  for (; lifted < 15; lifted++) product *= lifted;
  const inverse = 1 / (lifted * lifted);
  const series =
    (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (1 / 1188))))) /
    lifted;
  return (
    (lifted - 0.5) * Math.log(lifted) - lifted + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product)
  );
}

/** erfc: the Taylor series of erf where it does not cancel, else the continued fraction (Abramowitz 7.1.6, 7.1.14). */
export function complementaryError(x: number): number {
  if (x < 0) return 2 - complementaryError(-x);
  if (x < 2.5) {
    let term = x;
    let series = x;
    for (let n = 1; term > series * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      series += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * series;
  }
  let fraction = x;
  for (let n = 80; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

/** Φ(x). */
export const normalCdf = (x: number): number => 0.5 * complementaryError(-x / Math.SQRT2);

/** The regularized incomplete beta function I_x(a, b): its continued fraction (Abramowitz 26.5.8) by Lentz's algorithm. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast below the mean only.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  const floor = 1e-300;
  let upper = 1;
  let lower = 1 / nonZero(1 - ((a + b) * x) / (a + 1), floor);
  let value = lower;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    lower = 1 / nonZero(1 + even * lower, floor);
    upper = nonZero(1 + even / upper, floor);
    value *= upper * lower;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    lower = 1 / nonZero(1 + odd * lower, floor);
    upper = nonZero(1 + odd / upper, floor);
    value *= upper * lower;
    if (Math.abs(upper * lower - 1) < 1e-16) break;
  }
  return (front * value) / a;
}

const nonZero = (value: number, floor: number): number => (Math.abs(value) < floor ? floor : value);

/** The x with I_x(a, b) = p. */
export const betaQuantile = (p: number, a: number, b: number): number =>
  findRoot((x) => incompleteBeta(x, a, b) - p, 0, 1);

/** P(T > t) of Student's t. */
export function studentTail(t: number, degreesOfFreedom: number): number {
  const beyond =
    0.5 * incompleteBeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5);
  return t > 0 ? beyond : 1 - beyond;
}

/** The t with P(T > t) = p, for 0 < p < 1. */
export function studentUpperQuantile(p: number, degreesOfFreedom: number): number {
  if (p > 0.5) return -studentUpperQuantile(1 - p, degreesOfFreedom);
  let high = 1;
  while (studentTail(high, degreesOfFreedom) > p) high *= 2;
  // In logarithms, since far tails differ by orders of magnitude.
  return findRoot((t) => Math.log(p) - Math.log(studentTail(t, degreesOfFreedom)), 0, high);
}

/** Abscissae and weights of Gauss and Legendre on [-1, 1], by Newton's method on the polynomial. */
function gaussLegendre(points: number): { at: number; weight: number }[] {
  return Array.from({ length: points }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (points + 0.5));
    let slope = 1;
    for (let step = 0; step < 10; step++) {
      let [before, here] = [1, x];
      for (let k = 2; k <= points; k++)
        [before, here] = [here, ((2 * k - 1) * x * here - (k - 1) * before) / k];
      slope = (points * (x * here - before)) / (x * x - 1);
      x -= here / slope;
    }
    return { at: x, weight: 2 / ((1 - x * x) * slope * slope) };
  });
}
const nodes = gaussLegendre(16);

/** Normal deviates beyond this have less than 1e-18 of the probability. */
const reach = 9;

/**
 * P(T ≤ t) of the noncentral t, T = (Z + δ) / (χ / √ν): the mean of Φ(t r / √ν - δ) over the density of r = χ, which has
 * a width near 1 for every ν. The integral needs no Poisson series, so that large δ and large t cost nothing.
 *
 * @param degreesOfFreedom ν, a whole number of at least 1
 * @param shift δ
 */
export function noncentralT(t: number, degreesOfFreedom: number, shift: number): number {
  const root = Math.sqrt(degreesOfFreedom);
  const peak = Math.sqrt(degreesOfFreedom - 1);
  const slope = t / root;
  const low = Math.max(0, root - reach);
  const high = root + reach;
  const edges = steps(low, high, 0.5);
  // Where Φ climbs faster than the density changes it gets panels of its own.
  if (Math.abs(slope) > 1) {
    const center = shift / slope;
    const width = 1 / Math.abs(slope);
    const climb = steps(center - reach * width, center + reach * width, width);
    edges.push(...climb.filter((edge) => edge > low && edge < high));
    edges.sort((one, other) => one - other);
  }
  let total = 0;
  let mass = 0;
  for (let panel = 1; panel < edges.length; panel++) {
    const left = edges[panel - 1] as number;
    const half = ((edges[panel] as number) - left) / 2;
    for (const { at, weight } of nodes) {
      const r = left + half * (1 + at);
      const density = half * weight * chiDensity(r, degreesOfFreedom, peak);
      mass += density;
      total += density * normalCdf(slope * r - shift);
    }
  }
  return total / mass;
}

/** r^(ν-1) exp(-r²/2) relative to its largest value. */
function chiDensity(r: number, degreesOfFreedom: number, peak: number): number {
  if (degreesOfFreedom === 1) return Math.exp((-r * r) / 2);
  const away = r - peak;
  return Math.exp((degreesOfFreedom - 1) * Math.log1p(away / peak) - (away * (r + peak)) / 2);
}

function steps(low: number, high: number, width: number): number[] {
  const count = Math.ceil((high - low) / width);
  return Array.from({ length: count + 1 }, (_, i) => low + ((high - low) * i) / count);
}

/** The δ with P(T ≤ t) = p: the pivot of an exact interval, since P falls as δ grows. */
export function noncentrality(t: number, degreesOfFreedom: number, p: number): number {
  const excess = (shift: number) => p - noncentralT(t, degreesOfFreedom, shift);
  let width = 2;
  while (excess(t - width) > 0) width *= 2;
  const low = t - width;
  width = 2;
  while (excess(t + width) < 0) width *= 2;
  return findRoot(excess, low, t + width);
}

/** The root of a rising function between two places, by Ridders's method. */
function findRoot(f: (x: number) => number, low: number, high: number): number {
  let [a, b] = [low, high];
  let [atA, atB] = [f(a), f(b)];
  if (atA >= 0) return a;
  if (atB <= 0) return b;
  let found = Number.NaN;
  for (let step = 0; step < 200; step++) {
    const middle = (a + b) / 2;
    const atMiddle = f(middle);
    const scale = Math.sqrt(atMiddle * atMiddle - atA * atB);
    const x = Number.isFinite(scale) && scale > 0 ? middle - ((middle - a) * atMiddle) / scale : middle;
    const atX = f(x);
    if (atX === 0 || Math.abs(x - found) <= 1e-15 * Math.abs(x)) return x;
    found = x;
    const inside = [
      [a, atA],
      [middle, atMiddle],
      [x, atX],
      [b, atB],
    ] as [number, number][];
    [a, atA] = inside.filter(([, value]) => value < 0).reduce((one, two) => (two[0] > one[0] ? two : one));
    [b, atB] = inside.filter(([, value]) => value >= 0).reduce((one, two) => (two[0] < one[0] ? two : one));
    if (b - a <= 2e-16 * Math.max(Math.abs(a), Math.abs(b))) return b;
  }
  return found;
}
