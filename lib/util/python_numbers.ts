/**
 * Python's `f'{value:.{digits}f}'`: rounds the exact value, and one exactly in the middle to the even digit, where
 * toFixed takes the larger.
 */
export function pythonFixed(value: number, digits: number): string {
  const rounded = value.toFixed(digits);
  const [whole = '', fraction = ''] = value.toFixed(100).split('.');
  if (!/^50*$/.test(fraction.slice(digits))) return rounded;
  const cut = digits === 0 ? whole : `${whole}.${fraction.slice(0, digits)}`;
  return Number(cut.at(-1)) % 2 === 0 ? cut : rounded;
}

/**
 * numpy's sum of a contiguous array: pairwise over blocks of at most 128 numbers, each in eight running sums, every
 * addition rounded to the precision of the array (numpy/_core/src/umath/loops_utils.h.src).
 */
export function numpySum(values: Float64Array | Float32Array): number {
  const round = values instanceof Float32Array ? Math.fround : (value: number) => value;
  const at = (index: number) => values[index] as number;
  const sum = (start: number, length: number): number => {
    if (length > 128) {
      const half = Math.floor(length / 2);
      const left = half - (half % 8);
      return round(sum(start, left) + sum(start + left, length - left));
    }
    let total = -0;
    let done = 0;
    if (length >= 8) {
      const lanes = Array.from({ length: 8 }, (_, lane) => at(start + lane));
      for (done = 8; done + 8 <= length; done += 8) {
        for (let lane = 0; lane < 8; lane++)
          lanes[lane] = round((lanes[lane] as number) + at(start + done + lane));
      }
      const pair = (lane: number) => round((lanes[lane] as number) + (lanes[lane + 1] as number));
      total = round(round(pair(0) + pair(2)) + round(pair(4) + pair(6)));
    }
    for (; done < length; done++) total = round(total + at(start + done));
    return total;
  };
  return sum(0, values.length);
}

/** numpy's mean of a contiguous array, in its precision. */
export function numpyMean(values: Float64Array | Float32Array): number {
  const mean = numpySum(values) / values.length;
  return values instanceof Float32Array ? Math.fround(mean) : mean;
}
