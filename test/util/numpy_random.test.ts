import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { NumpyRandom } from '../../lib/util/random/numpy_random.js';

interface Drawn {
  permutation: number[];
  shuffled: number[];
  words: number[];
}
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/data/numpy_random.json', import.meta.url), 'utf8'),
) as { numpy: string; seeds: Record<string, Drawn> };

describe(`the generator against numpy ${recorded.numpy}`, () => {
  it.each(Object.entries(recorded.seeds))('seed %s', (seed, expected) => {
    const permutation = new NumpyRandom(Number(seed)).permutation(1000);
    expect([...permutation.slice(0, 20), ...permutation.slice(-20)]).toEqual(expected.permutation);
    const items = Array.from({ length: 50 }, (_, i) => i);
    new NumpyRandom(Number(seed)).shuffle(items);
    expect(items).toEqual(expected.shuffled);
    const random = new NumpyRandom(Number(seed));
    const words = Array.from({ length: 700 }, () => random.next());
    expect([...words.slice(0, 3), ...words.slice(-3)]).toEqual(expected.words);
  });
});
