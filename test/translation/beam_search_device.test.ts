// Beam search on a device, under the emulated grid: against the original's translations, and against the CPU's search on
// models and options that those do not cover. Everything but the kernels' home is the code that runs on a GPU.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type {
  NativeBeamOptions,
  NativeModelConfig,
  NativeRuntime,
  NativeTransformer,
} from '../../lib/native/contract.js';
import {
  emulatedDevice,
  noEmulatedDevice,
  scarceDevice,
  unrecordableDevice,
  unrecordedDevice,
} from '../support/emulated_device.js';
import { fixture, fixtureModel, fixturePath, floats, pack } from '../support/fixtures/fairseq_fixtures.js';

beforeAll(() => {
  expect(noEmulatedDevice).toBeNull();
  return native().setThreads(1);
});

const options: NativeBeamOptions = {
  beam: 5,
  lengthPenalty: 1,
  maxLenA: 1.2,
  maxLenB: 10,
  minLen: 1,
  nBest: 5,
};

const onDevice = (config: NativeModelConfig, precision: NativeRuntime['precision'] = 'float32') =>
  native().Transformer.create(config, { seed: 7, device: emulatedDevice, precision });

/** The search on a device, its steps recorded. */
async function translate(model: NativeTransformer, sources: Int32Array[], beam: NativeBeamOptions) {
  const { hypotheses, graphFallbackReason } = await model.translate(pack(sources), beam);
  expect(graphFallbackReason).toBe('');
  return hypotheses;
}

interface Recorded {
  source: number[][];
  beam: Record<string, { id: number; hyps: { tokens: number[]; score: number; pos: number[] }[] }[]>;
}

test('translations of a trained model are the original’s', async () => {
  const recorded = (
    JSON.parse(readFileSync(fixturePath('trained_beam.json')!, 'utf8')) as { splits: { valid: Recorded } }
  ).splits.valid;
  const weights = fixture('trained_weights')!;
  const model = await onDevice({ ...fixtureModel, maxPositions: 256 });
  await model.setParameters(
    new Map(model.parameterShapes.map(([name]) => [name, floats(weights, name) as Float32Array])),
  );
  const chosen = [0, 3, 7, 12];
  const results = await translate(
    model,
    chosen.map((i) => Int32Array.from(recorded.source[i]!)),
    options,
  );
  for (const [at, i] of chosen.entries()) {
    const { hyps } = recorded.beam['beam5_valid_len']!.find(({ id }) => id === i)!;
    expect(results[at]!.map(({ tokens }) => [...tokens])).toEqual(hyps.map(({ tokens }) => tokens));
    hyps.forEach(({ score, pos }, k) => {
      expect(Math.abs(results[at]![k]!.score - score)).toBeLessThan(1e-4);
      pos.forEach((logProbability, p) => {
        expect(Math.abs(results[at]![k]!.logProbabilities[p]! - logProbability)).toBeLessThan(1e-4);
      });
    });
  }
});

const small: NativeModelConfig = {
  vocabSize: 31,
  embedDim: 16,
  ffnDim: 24,
  heads: 2,
  encoderLayers: 1,
  decoderLayers: 2,
  dropout: 0.3,
  attentionDropout: 0.1,
  activationDropout: 0,
  norm: 'pre',
  activation: 'gelu',
  shareEmbeddings: 'none',
  maxPositions: 64,
};

/** Sources of 1 to `longest` tokens, eos included. */
const sourcesOf = (count: number, longest: number) =>
  Array.from({ length: count }, (_, i) =>
    Int32Array.from([...Array.from({ length: (i * 5) % longest }, (_, k) => 3 + ((i * 7 + k * k) % 28)), 2]),
  );

test.each([
  ['steps cannot be recorded', unrecordedDevice, [3], /cannot record/],
  ['the memory does not suffice for a recording', unrecordableDevice, [3], /for want of memory.*no memory/],
  // So many searches that it does so at least once.
  ['memory runs out in the middle', scarceDevice, [1, 2, 3, 4, 5], /^$/],
] as const)('where %s the translations are the same, and it says so', async (_, where, counts, reason) => {
  const recorded = await onDevice(small);
  const other = await native().Transformer.create(small, { seed: 7, device: where, precision: 'float32' });
  for (const count of counts) {
    const sources = sourcesOf(count, 7);
    const beam = { ...options, beam: 2, nBest: 2, maxLenA: 0, maxLenB: 4 };
    const expected = await translate(recorded, sources, beam);
    const actual = await other.translate(pack(sources), beam);
    expect(actual.hypotheses).toEqual(expected);
    expect(actual.graphFallbackReason).toMatch(reason);
  }
});

describe('a search on a device finds what the CPU finds', () => {
  test.each([
    ['pre-norm, gelu, other lengths', {}, { beam: 3, nBest: 2, maxLenA: 0.5, maxLenB: 6 }],
    [
      'post-norm, one head of odd width',
      { norm: 'post', embedDim: 14, heads: 1 },
      { beam: 4, minLen: 5, maxLenB: 5 },
    ],
    ['greedy, one decoder layer', { decoderLayers: 1 }, { beam: 1, nBest: 1, maxLenB: 12 }],
    [
      'lengthPenalty, nothing but eos',
      {},
      { beam: 2, nBest: 2, lengthPenalty: 0.6, minLen: 1, maxLenA: 0, maxLenB: 1 },
    ],
  ] as [string, Partial<NativeModelConfig>, Partial<NativeBeamOptions>][])('%s', async (_, config, beam) => {
    const model = { ...small, ...config };
    const device = await onDevice(model);
    const cpu = await native().Transformer.create(model, { seed: 1, device: 'cpu', precision: 'float32' });
    await cpu.setParameters(await device.parameters());
    const sources = sourcesOf(5, 9);
    const wanted = { ...options, ...beam };
    const expected = (await cpu.translate(pack(sources), wanted)).hypotheses;
    const actual = await translate(device, sources, wanted);
    expect(actual.map((all) => all.map(({ tokens }) => [...tokens]))).toEqual(
      expected.map((all) => all.map(({ tokens }) => [...tokens])),
    );
    expected.flat().forEach(({ score, logProbabilities }, i) => {
      const other = actual.flat()[i]!;
      expect(other.score).toBeCloseTo(score, 4);
      logProbabilities.forEach((logProbability, k) => {
        expect(other.logProbabilities[k]!).toBeCloseTo(logProbability, 4);
      });
    });
  });

  test('in more than one group, in the order of the sources', async () => {
    const model = { ...small, embedDim: 8, ffnDim: 8, heads: 1, decoderLayers: 1 };
    const device = await onDevice(model);
    const distinct = sourcesOf(4, 3);
    const beam = { ...options, beam: 1, nBest: 1, maxLenA: 0, maxLenB: 2 };
    const alone = (await translate(device, distinct, beam)).map(([best]) => [...best!.tokens]);
    const many = await translate(
      device,
      Array.from({ length: 770 }, (_, i) => distinct[i % 4]!),
      beam,
    );
    expect(new Set(alone.map(String)).size).toBeGreaterThan(1);
    many.forEach(([best], i) => {
      expect([...best!.tokens]).toEqual(alone[i % 4]);
    });
  });

  test.each(['bfloat16', 'float16'] as const)(
    '%s: scores are those of the whole sequence',
    async (precision) => {
      const device = await onDevice(small, precision);
      const sources = sourcesOf(3, 6);
      const found = await translate(device, sources, { ...options, beam: 2, nBest: 1, maxLenB: 4 });
      for (const [i, [best]] of found.entries()) {
        const { nll } = await device.evaluate(
          { source: pack([sources[i]!]), target: pack([best!.tokens]) },
          { direction: 'uni', alpha: 0, labelSmoothing: 0, ignoreIndex: 1, passReduction: 'sum' },
        );
        expect(Math.abs(best!.score + nll / best!.tokens.length)).toBeLessThan(0.03);
      }
    },
  );
});

test('what cannot be searched is refused, and the model stays usable', async () => {
  const model = await onDevice(small);
  const sources = sourcesOf(3, 6);
  const short = { ...options, beam: 2, nBest: 1, maxLenA: 0, maxLenB: 4 };
  expect(await translate(model, [], short)).toEqual([]);
  await expect(model.translate(pack(sources), { ...short, minLen: 5 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(model.translate(pack(sources), { ...short, beam: 2000 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  const good = await model.parameters();
  const before = await translate(model, sources, short);
  const name = 'decoder.layers.1.fc1.weight';
  await model.setParameters(new Map(good).set(name, good.get(name)!.map(() => Number.NaN) as Float32Array));
  await expect(model.translate(pack(sources), short)).rejects.toMatchObject({
    code: 'NON_FINITE',
    message: expect.stringContaining('position 0'),
  });
  await model.setParameters(good);
  expect(await translate(model, sources, short)).toEqual(before);
});
