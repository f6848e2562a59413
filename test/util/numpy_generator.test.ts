import { describe, expect, it } from 'vitest';
import { numpyMean, pythonFixed } from '../../lib/util/python_numbers.js';
import { NumpyGenerator } from '../../lib/util/random/numpy_generator.js';
import { evaluationFixture } from '../support/fixtures/sacrebleu_fixtures.js';

interface Drawn {
  words: number[];
  draws: Record<string, [number[], number, number[]]>;
  bits: string;
  'behind bits': number[];
}

const { generator, means } = evaluationFixture<{
  generator: Record<string, Drawn>;
  means: Record<string, [number, number, number]>;
}>('significance.json');

describe("numpy's default generator", () => {
  it.each(Object.entries(generator))('draws what numpy draws from seed %s', (seed, truth) => {
    const fresh = () => new NumpyGenerator(Number(seed));
    const words = fresh();
    expect(truth.words.map(() => words.next())).toEqual(truth.words);
    for (const [count, [first, sum, last]] of Object.entries(truth.draws)) {
      const drawn = new Int32Array(2000);
      fresh().fillBelow(Number(count), drawn);
      expect([...drawn.subarray(0, 12)], count).toEqual(first);
      expect(drawn.reduce((a, b) => a + b, 0)).toBe(sum);
      expect([...drawn.subarray(-3)]).toEqual(last);
    }
    const mixed = fresh();
    const bit = mixed.booleans();
    expect(Array.from(truth.bits, () => (bit() ? '1' : '0')).join('')).toBe(truth.bits);
    const behind = new Int32Array(5);
    mixed.fillBelow(1000, behind);
    expect([...behind]).toEqual(truth['behind bits']);
  });

  it('is averaged as numpy averages, in both precisions', () => {
    const draws = new NumpyGenerator(1);
    for (const [count, [double, single, sum]] of Object.entries(means)) {
      const drawn = new Int32Array(Number(count));
      draws.fillBelow(10 ** 6, drawn);
      expect(drawn.reduce((a, b) => a + b, 0)).toBe(sum);
      const values = Float64Array.from(drawn, (value) => value / 997);
      expect(numpyMean(values)).toBe(double);
      expect(numpyMean(Float32Array.from(values))).toBe(single);
    }
  });
});

describe('pythonFixed', () => {
  it('rounds exact ties to the even digit and everything else to the nearest', () => {
    const rounded = (value: number, digits: number) => pythonFixed(value, digits);
    expect(
      [0.125, 0.375, 6.25, 6.35, 2.5, 3.5, 0.5, 0, 100, 1.005, 99.995].map((x) => rounded(x, 2)),
    ).toEqual(['0.12', '0.38', '6.25', '6.35', '2.50', '3.50', '0.50', '0.00', '100.00', '1.00', '100.00']);
    expect([6.25, 6.35, 93.75, 31.25, 0.05].map((x) => rounded(x, 1))).toEqual([
      '6.2',
      '6.3',
      '93.8',
      '31.2',
      '0.1',
    ]);
    expect([0.5, 1.5, 2.5, 10.5].map((x) => rounded(x, 0))).toEqual(['0', '2', '2', '10']);
  });
});
