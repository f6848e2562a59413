import { describe, expect, it } from 'vitest';
import { heldOut, heldOutOfClasses } from '../../../lib/data/tasks/held_out.js';

const indices = (held: Uint8Array) => [...held.keys()].filter((at) => held[at] === 1);

describe('what is held out', () => {
  it('of classes is by largest remainders, drawn from numpy RandomState(seed).permutation', () => {
    // Classes of 8, 4, 2 and 1; recorded from numpy 2.4.6.
    const classes = [0, 1, 2, 0, 0, 1, 0, 2, 0, 1, 0, 0, 3, 0, 1];
    expect(indices(heldOutOfClasses(classes, 4, 0.3, 7))).toEqual([0, 4, 7, 10, 14]);
  });

  it('is the same part of every class, and never all of one', () => {
    const classes = Int32Array.from({ length: 1000 }, (_, at) =>
      at < 900 ? 0 : at < 998 ? 1 : at === 998 ? 2 : 3,
    );
    const held = indices(heldOutOfClasses(classes, 4, 0.5, 3));
    const counts = [0, 1, 2, 3].map((label) => held.filter((at) => classes[at] === label).length);
    expect(counts).toEqual([451, 49, 0, 0]);
    expect(indices(heldOutOfClasses([0, 1], 2, 0.999, 1))).toEqual([]);
  });

  it('without classes is round(fraction · n), another part for another seed', () => {
    const [one, two] = [indices(heldOut(5452, 0.09, 1)), indices(heldOut(5452, 0.09, 2))];
    expect(one.length).toBe(491);
    expect(two.length).toBe(491);
    expect(one).not.toEqual(two);
    expect(one).toEqual(indices(heldOut(5452, 0.09, 1)));
    // From all over the file.
    const thirds = [0, 1, 2].map((third) => one.filter((at) => Math.floor((3 * at) / 5452) === third).length);
    for (const count of thirds) expect(Math.abs(count - 491 / 3)).toBeLessThan(45);
  });
});
