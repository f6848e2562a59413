import { NumpyRandom } from '../../util/random/numpy_random.js';

/**
 * Which of `count` examples are held out: round(fraction · count) of them, drawn by seed, in the same way on every machine.
 *
 * @returns 1 for each that is
 */
export function heldOut(count: number, fraction: number, seed: number): Uint8Array {
  return heldOutOfClasses(new Int32Array(count), 1, fraction, seed);
}

/**
 * The same so that every class gives the same part of its examples, by the largest remainders; at least one example of each class
 * stays.
 *
 * @param classes the class of each example, 0 to count-1
 */
export function heldOutOfClasses(
  classes: ArrayLike<number>,
  count: number,
  fraction: number,
  seed: number,
): Uint8Array {
  const members: number[][] = Array.from({ length: count }, () => []);
  for (let example = 0; example < classes.length; example++) members[classes[example]!]!.push(example);
  const taken = members.map((own) => Math.min(Math.floor(own.length * fraction), own.length - 1));
  const remainder = (at: number) => members[at]!.length * fraction - taken[at]!;
  const byRemainder = members
    .map((_, at) => at)
    .filter((at) => taken[at]! + 1 < members[at]!.length)
    .sort((a, b) => remainder(b) - remainder(a) || a - b);
  let missing = Math.round(classes.length * fraction) - taken.reduce((sum, own) => sum + own, 0);
  for (const at of byRemainder) {
    if (missing-- <= 0) break;
    taken[at]!++;
  }
  const random = new NumpyRandom(seed);
  const held = new Uint8Array(classes.length);
  members.forEach((own, at) => {
    const order = random.permutation(own.length);
    for (let k = 0; k < taken[at]!; k++) held[own[order[k]!]!] = 1;
  });
  return held;
}
