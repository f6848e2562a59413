// Beam search against the original's SequenceGenerator on a trained model, token for token.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { NativeBeamOptions, NativeTransformer, Packed } from '../../lib/native/contract.js';
import { fixture, fixtureModel, fixturePath, floats, pack } from '../support/fixtures/fairseq_fixtures.js';

interface Recorded {
  source: number[][];
  beam: Record<string, { id: number; hyps: { tokens: number[]; score: number; pos: number[] }[] }[]>;
}

const recorded = (
  JSON.parse(readFileSync(fixturePath('trained_beam.json')!, 'utf8')) as { splits: { valid: Recorded } }
).splits.valid;
const sources = recorded.source.map((tokens) => Int32Array.from(tokens));
const defaults: NativeBeamOptions = {
  beam: 5,
  lengthPenalty: 1,
  maxLenA: 0,
  maxLenB: 200,
  minLen: 1,
  nBest: 5,
};
// The model of the fixtures has 64 positions, which the original does not count when it decodes.
const modelConfig = { ...fixtureModel, maxPositions: 256 };

let model: NativeTransformer;
beforeAll(async () => {
  const weights = fixture('trained_weights')!;
  model = await native().Transformer.create(modelConfig, { seed: 1, device: 'cpu', precision: 'float32' });
  await model.setParameters(
    new Map(model.parameterShapes.map(([name]) => [name, floats(weights, name) as Float32Array])),
  );
});
afterAll(() => model.dispose());

const translate = async (packed: Packed, options: NativeBeamOptions, by = model) =>
  (await by.translate(packed, options)).hypotheses;

describe('as recorded', () => {
  test.each([
    ['beam5_default_len', defaults],
    ['beam5_valid_len', { ...defaults, maxLenA: 1.2, maxLenB: 10 }],
    ['beam1', { ...defaults, beam: 1, nBest: 1 }],
    ['beam5_lenpen0.6', { ...defaults, lengthPenalty: 0.6 }],
  ] as const)('%s', async (name, options) => {
    const results = await translate(pack(sources), options);
    expect(results.length).toBe(40);
    for (const { id, hyps } of recorded.beam[name]!) {
      const ours = results[id]!;
      expect(ours.map(({ tokens }) => [...tokens])).toEqual(hyps.map(({ tokens }) => tokens));
      hyps.forEach(({ score, pos }, i) => {
        expect(Math.abs(ours[i]!.score - score)).toBeLessThan(1e-4);
        pos.forEach((logProbability, k) => {
          expect(Math.abs(ours[i]!.logProbabilities[k]! - logProbability)).toBeLessThan(1e-4);
        });
      });
    }
  });
});

test('the result of a sentence does not depend on its neighbors', async () => {
  const together = await translate(pack(sources), { ...defaults, nBest: 2 });
  for (const i of [0, 7, 39]) {
    const [alone] = await translate(pack([sources[i]!]), { ...defaults, nBest: 2 });
    expect(alone!.map(({ tokens }) => [...tokens])).toEqual(together[i]!.map(({ tokens }) => [...tokens]));
    expect(alone![0]!.score).toBeCloseTo(together[i]![0]!.score, 5);
  }
});

test('scores are those of the whole sequence at once', async () => {
  const [hypotheses] = await translate(pack([sources[1]!]), defaults);
  for (const { tokens, logProbabilities, score } of hypotheses!) {
    const logits = await model.logits({ source: pack([sources[1]!]), target: pack([tokens]) });
    let sum = 0;
    tokens.forEach((token, position) => {
      const row = Float64Array.from(logits.subarray(position * 40, (position + 1) * 40));
      const largest = Math.max(...row);
      const logSum = largest + Math.log(row.reduce((total, z) => total + Math.exp(z - largest), 0));
      sum += row[token]! - logSum;
      expect(logProbabilities[position]!).toBeCloseTo(row[token]! - logSum, 4);
    });
    expect(score).toBeCloseTo(sum / tokens.length, 4);
  }
});

test('several groups of sentences, each longer than the cache is at first', async () => {
  const other = await native().Transformer.create(
    { ...modelConfig, shareEmbeddings: 'none' },
    { seed: 3, device: 'cpu', precision: 'float64' },
  );
  const many = Array.from({ length: 150 }, (_, i) => sources[i % 40]!);
  const options = { ...defaults, beam: 3, nBest: 1, minLen: 36, maxLenB: 70 };
  const together = await translate(pack(many), options, other);
  for (const i of [0, 39, 80, 149]) {
    const { tokens, score } = together[i]![0]!;
    const [alone] = await translate(pack([many[i]!]), options, other);
    expect([...alone![0]!.tokens]).toEqual([...tokens]);
    expect(tokens.length).toBeGreaterThan(36);
    const { nll } = await other.evaluate(
      { source: pack([many[i]!]), target: pack([tokens]) },
      { direction: 'uni', alpha: 0, labelSmoothing: 0, ignoreIndex: 1, passReduction: 'sum' },
    );
    expect(score).toBeCloseTo(-nll / tokens.length, 9);
  }
  other.dispose();
});

test('logits that are not finite are refused', async () => {
  const other = await native().Transformer.create(modelConfig, {
    seed: 3,
    device: 'cpu',
    precision: 'float32',
  });
  const weights = fixture('trained_weights')!;
  const parameters = new Map(
    other.parameterShapes.map(([name]) => [name, Float32Array.from(floats(weights, name))]),
  );
  parameters.get('decoder.layers.0.fc2.bias')![0] = Number.NaN;
  await other.setParameters(parameters);
  await expect(translate(pack([sources[0]!]), defaults, other)).rejects.toMatchObject({ code: 'NON_FINITE' });
  other.dispose();
});

test('lengths stay within minLen and the longest length', async () => {
  const short = await translate(pack(sources), { ...defaults, maxLenB: 3, nBest: 5 });
  for (const { tokens } of short.flat()) {
    expect(tokens.length).toBeLessThanOrEqual(4);
    expect(tokens.at(-1)).toBe(2);
  }
  const long = await translate(pack(sources), { ...defaults, minLen: 15, nBest: 1 });
  for (const { tokens } of long.flat()) expect(tokens.length).toBeGreaterThanOrEqual(16);
  await expect(translate(pack(sources), { ...defaults, minLen: 5, maxLenB: 4 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});

test('a pre-norm model with gelu decodes what it scores', async () => {
  const other = await native().Transformer.create(
    { ...modelConfig, norm: 'pre', activation: 'gelu', shareEmbeddings: 'none' },
    { seed: 5, device: 'cpu', precision: 'float64' },
  );
  const [hypotheses] = await translate(pack([sources[3]!]), { ...defaults, maxLenB: 40 }, other);
  expect(hypotheses!.length).toBe(5);
  for (const { tokens, score } of hypotheses!) {
    const { nll } = await other.evaluate(
      { source: pack([sources[3]!]), target: pack([tokens]) },
      { direction: 'uni', alpha: 0, labelSmoothing: 0, ignoreIndex: 1, passReduction: 'sum' },
    );
    expect(score).toBeCloseTo(-nll / tokens.length, 9);
  }
  other.dispose();
});

test('nothing to translate, and tokens outside the dictionary', async () => {
  expect(await translate(pack([]), defaults)).toEqual([]);
  await expect(translate(pack([Int32Array.of(5, 40, 2)]), defaults)).rejects.toMatchObject({
    code: 'TOKEN_OUT_OF_RANGE',
  });
});
