// Languages with dictionaries of their own: against transformers' FSMT, recorded on small random models whose two
// vocabularies differ in size (test/fixtures/two_dictionaries), and gradients against central differences.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { readSafetensors } from '../../lib/data/safetensors/safetensors.js';
import { Transformer } from '../../lib/model/transformer.js';
import { native } from '../../lib/native/binding.js';
import type {
  NativeLossOptions,
  NativeModelConfig,
  NativeRuntime,
  NativeTransformer,
} from '../../lib/native/contract.js';
import { emulatedDevice, noEmulatedDevice } from '../support/emulated_device.js';
import { pack, relativeError } from '../support/fixtures/fairseq_fixtures.js';

beforeAll(() => {
  expect(noEmulatedDevice).toBeNull();
  return native().setThreads(1);
});

const path = (name: string) =>
  fileURLToPath(new URL(`../fixtures/two_dictionaries/${name}`, import.meta.url));
interface Recorded {
  source: number[][];
  target: number[][];
  logits: number[];
  hypotheses: { tokens: number[]; score: number }[];
}
const recorded = JSON.parse(readFileSync(path('fsmt.json'), 'utf8')) as Record<'decoder' | 'none', Recorded>;

const config: NativeModelConfig = {
  vocabSize: 37,
  sourceVocabSize: 23,
  embedDim: 16,
  ffnDim: 24,
  heads: 2,
  encoderLayers: 2,
  decoderLayers: 2,
  dropout: 0,
  attentionDropout: 0,
  activationDropout: 0,
  norm: 'post',
  activation: 'relu',
  shareEmbeddings: 'decoder',
  maxPositions: 64,
};
const arrays = (lists: number[][]) => lists.map((list) => Int32Array.from(list));
const loss: NativeLossOptions = {
  direction: 'uni',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: -100,
  passReduction: 'sum',
};

const devices: [string, NativeRuntime['device']][] = [
  ['CPU', 'cpu'],
  ['emulated device', emulatedDevice],
];

async function recordedModel(
  shareEmbeddings: 'decoder' | 'none',
  device: NativeRuntime['device'],
): Promise<NativeTransformer> {
  const runtime = { seed: 1, device, precision: 'float32' } as const;
  const model = await native().Transformer.create({ ...config, shareEmbeddings }, runtime);
  const { tensors } = await readSafetensors(path(`${shareEmbeddings}.safetensors`));
  await model.setParameters(
    new Map(model.parameterShapes.map(([name]) => [name, tensors.get(name)!.data as Float32Array])),
  );
  return model;
}

describe.each(devices)('two vocabularies as FSMT has them, %s', (_, device) => {
  test.each(['decoder', 'none'] as const)('share %s: logits and 4 beams', async (share) => {
    const { source, target, logits, hypotheses } = recorded[share];
    const model = await recordedModel(share, device);
    const batch = { source: pack(arrays(source)), target: pack(arrays(target)) };
    expect(relativeError(await model.logits(batch), logits)).toBeLessThan(1e-5);
    // The emulated grid takes its time.
    const searched = device === 'cpu' ? source : source.slice(0, 3);
    const found = await model.translate(pack(arrays(searched)), {
      ...{ beam: 4, lengthPenalty: 1, maxLenA: 0, maxLenB: 12, minLen: 1, nBest: 1 },
    });
    found.hypotheses.forEach(([best], i) => {
      const { tokens, score } = hypotheses[i]!;
      // transformers takes the eos of a hypothesis that is cut at the longest length for certain.
      if (tokens.length === 13) return;
      expect([...best!.tokens], `${i}`).toEqual(tokens);
      expect(best!.score).toBeCloseTo(score, 4);
    });
    model.dispose();
  });
});

test('the recorded searches end by themselves, nearly all', () => {
  for (const share of ['decoder', 'none'] as const) {
    const whole = recorded[share].hypotheses.filter(({ tokens }) => tokens.length < 13);
    expect(whole.length).toBeGreaterThanOrEqual(4);
  }
});

describe.each([
  ['larger source dictionary', { sourceVocabSize: 29, vocabSize: 11 }],
  ['larger target dictionary', { sourceVocabSize: 11, vocabSize: 29 }],
])('%s', (_, sizes) => {
  const small = { ...config, ...sizes, embedDim: 8, ffnDim: 12, encoderLayers: 1, decoderLayers: 1 };
  // The last id of each side lies beyond the other's dictionary or before its end.
  const batch = {
    source: pack(arrays([[sizes.sourceVocabSize - 1, 5, 2], [7, 4, 7, 2], [2]])),
    target: pack(arrays([[6, sizes.vocabSize - 1, 2], [2], [9, 9, 8, 2]])),
  };
  const training = { secondSource: null, training: true, update: 3 };

  test.each(['decoder', 'none'] as const)(
    'every row of the embeddings has its gradient: %s',
    async (share) => {
      const masked = { ...small, shareEmbeddings: share, dropout: 0.2 };
      const runtime = { seed: 7, device: 'cpu', precision: 'float64' } as const;
      const model = await native().Transformer.create(masked, runtime);
      const parameters = await model.parameters();
      const { gradients } = await model.lossAndGradients(batch, loss, training);
      const step = 1e-5;
      for (const [name, values] of parameters) {
        if (!/embed_tokens|output_projection/.test(name)) continue;
        expect(values.length).toBe(
          8 * (name.startsWith('encoder') ? sizes.sourceVocabSize : sizes.vocabSize),
        );
        for (let i = 3; i < values.length; i += 8) {
          // The padding row stays what it is.
          if (i === 11 && name.includes('embed_tokens')) continue;
          const original = values[i]!;
          const lossAt = async (value: number) => {
            values[i] = value;
            await model.setParameters(parameters);
            return (await model.lossAndGradients(batch, loss, training)).loss;
          };
          const numeric = ((await lossAt(original + step)) - (await lossAt(original - step))) / (2 * step);
          values[i] = original;
          expect(Math.abs(gradients.get(name)![i]! - numeric), `${name}[${i}]`).toBeLessThan(
            2e-6 * Math.max(1, Math.abs(numeric)),
          );
        }
      }
      model.dispose();
    },
  );

  it('on the emulated device the same gradients as on the CPU', async () => {
    const [host, device] = await Promise.all(
      (['cpu', emulatedDevice] as const).map((place) =>
        native().Transformer.create(
          { ...small, dropout: 0.3 },
          { seed: 7, device: place, precision: 'float32' },
        ),
      ),
    );
    const expected = await host!.lossAndGradients(batch, loss, training);
    const found = await device!.lossAndGradients(batch, loss, training);
    expect(found.loss / expected.loss).toBeCloseTo(1, 5);
    let largest = 0;
    for (const values of expected.gradients.values())
      for (const value of values) largest = Math.max(largest, Math.abs(value));
    for (const [name, values] of expected.gradients) {
      values.forEach((value, i) => {
        expect(Math.abs(found.gradients.get(name)![i]! - value), name).toBeLessThan(2e-5 * largest);
      });
    }
    for (const model of [host!, device!]) model.dispose();
  });

  it('an id of the larger one is out of range in the other', async () => {
    const model = await native().Transformer.create(small, { seed: 1, device: 'cpu', precision: 'float32' });
    const outside = pack([Int32Array.of(20, 2)]);
    const inside = pack([Int32Array.of(6, 2)]);
    const sides = { source: outside, target: outside };
    const [wrong, right] =
      sizes.sourceVocabSize < sizes.vocabSize
        ? (['source', 'target'] as const)
        : (['target', 'source'] as const);
    await expect(
      model.logits({ source: inside, target: inside, [wrong]: sides[wrong] }),
    ).rejects.toMatchObject({
      code: 'TOKEN_OUT_OF_RANGE',
      message: `${wrong} of pair 0, position 0: expected a token id from 0 to 10, got 20`,
    });
    await model.logits({ source: inside, target: inside, [right]: sides[right] });
    model.dispose();
  });
});

describe('Transformer', () => {
  const options = { ...config, vocabSize: 37, sourceVocabSize: 23 };

  it('of two dictionaries is saved and loaded as such', async () => {
    const { tensors } = await readSafetensors(path('none.safetensors'));
    const sizes = [...tensors].filter(([name]) => name.includes('embed')).map(([, { shape }]) => shape[0]);
    expect(new Set(sizes)).toEqual(new Set([23, 37]));
    using model = await Transformer.load(path('none.safetensors'), { ...options, shareEmbeddings: 'none' });
    expect(model.config).toMatchObject({ vocabSize: 37, sourceVocabSize: 23 });
  });

  it('cannot share one matrix between two sizes', async () => {
    await expect(Transformer.create({ ...options, shareEmbeddings: 'all' })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/model\.shareEmbeddings: expected "decoder" or "none" .*, got "all"/),
    });
    using equal = await Transformer.create({ ...options, sourceVocabSize: 37, shareEmbeddings: 'all' });
    expect(equal.parameterCount).toBeGreaterThan(0);
  });
});
