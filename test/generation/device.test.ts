// Generation on a device, under the emulated grid: its cached keys and values give the CPU's tokens.
import { beforeAll, describe, expect, test } from 'vitest';
import { nativeTransformer, type Transformer } from '../../lib/model/transformer.js';
import { native } from '../../lib/native/binding.js';
import type { NativeRuntime, NativeTransformer } from '../../lib/native/contract.js';
import type { ModelOptions } from '../../lib/options/model.js';
import {
  emulatedDevice,
  noEmulatedDevice,
  scarceDevice,
  unrecordableDevice,
  unrecordedDevice,
} from '../support/emulated_device.js';
import { pack } from '../support/fixtures/fairseq_fixtures.js';
import { asArrays, modelOf, prompts } from './models.js';

beforeAll(() => {
  expect(noEmulatedDevice).toBeNull();
  return native().setThreads(1);
});

/** The same network on a device. */
async function onDevice(
  cpu: Transformer,
  device: NativeRuntime['device'] = emulatedDevice,
  precision: NativeRuntime['precision'] = 'float32',
): Promise<NativeTransformer> {
  const { output: _, outputs: __, ...config } = cpu.config;
  const model = await native().Transformer.create(config as never, { seed: 5, device, precision });
  await model.setParameters(await nativeTransformer(cpu).parameters());
  return model;
}

const usual = {
  ...{ maxTokens: 8, untilEos: false, greedy: false, beam: 0, seed: 1, first: 0 },
  ...{ temperature: 1, topK: 0, topP: 1, types: 0 },
};
const ways = { greedy: { greedy: true }, drawn: {}, 'beam search': { beam: 3 } };

/** Both go on with the prompts, in each way, with the same tokens. */
async function expectSame(
  cpu: Transformer,
  device: NativeTransformer,
  options: Partial<typeof usual> = {},
  texts: readonly (readonly number[])[] = prompts,
) {
  for (const [name, way] of Object.entries(ways)) {
    const given = { ...usual, ...options, ...way };
    const expected = await cpu.generate(asArrays(texts), given);
    const found = await device.generate(pack(asArrays(texts)), given);
    expect(
      found.map(({ tokens }) => [...tokens]),
      name,
    ).toEqual(expected.map(({ tokens }) => [...tokens]));
    for (const [i, { logProbabilities }] of found.entries())
      for (const [at, value] of logProbabilities.entries())
        expect(value).toBeCloseTo(expected[i]!.logProbabilities[at]!, 3);
  }
}

describe('the tokens of the CPU', () => {
  test.each([
    ['pre-norm, learned positions', {}],
    [
      'post-norm, sinusoids, one head',
      { norm: 'post', positions: 'sinusoidal', activation: 'relu', heads: 1 },
    ],
    ['without biases, tied', { bias: false, initialization: 'gpt2', scaleEmbeddings: false }],
    ['a norm of embeddings, one layer', { embeddingNorm: true, decoderLayers: 1 }],
  ] as [string, Partial<ModelOptions>][])('%s', async (_, options) => {
    const cpu = await modelOf({ maxPositions: 24, ...options }, { precision: 'float32' });
    const device = await onDevice(cpu);
    await expectSame(cpu, device);
    device.dispose();
  });

  test('prompts as long as the network can see and longer, and texts that become so', async () => {
    const cpu = await modelOf({ maxPositions: 6 }, { precision: 'float32' });
    const device = await onDevice(cpu);
    const lengths = [1, 5, 6, 7, 20];
    const texts = lengths.map((length) => Array.from({ length }, (_, i) => 4 + ((7 * i + length) % 19)));
    await expectSame(cpu, device, { maxTokens: 9 }, texts);
    await expectSame(cpu, device, { maxTokens: 1 }, texts);
    device.dispose();
  });

  test('texts that end at different times, in more than one group', async () => {
    const cpu = await modelOf({ decoderLayers: 1 }, { precision: 'float32' });
    const device = await onDevice(cpu);
    const many = Array.from({ length: 70 }, (_, i) => prompts[i % 3]!);
    for (const way of [{ greedy: true }, { temperature: 2 }]) {
      const options = { ...usual, ...way, untilEos: true };
      const expected = await cpu.generate(asArrays(many), options);
      const found = await device.generate(pack(asArrays(many)), options);
      expect(found.map(({ tokens }) => [...tokens])).toEqual(expected.map(({ tokens }) => [...tokens]));
      if (!('greedy' in way))
        expect(new Set(found.map(({ tokens }) => tokens.length)).size).toBeGreaterThan(3);
    }
    device.dispose();
  });

  test.each([
    ['without a means to record', unrecordedDevice],
    ['without memory to record', unrecordableDevice],
    ['where memory runs out in the middle', scarceDevice],
  ])('%s', async (_, index) => {
    const cpu = await modelOf({}, { precision: 'float32' });
    const device = await onDevice(cpu, index);
    await expectSame(cpu, device, { maxTokens: 5 });
    device.dispose();
  });

  test.each(['bfloat16', 'float16'] as const)(
    '%s: log-probabilities of its own whole text',
    async (precision) => {
      const cpu = await modelOf({}, { precision: 'float32' }, 2);
      const device = await onDevice(cpu, emulatedDevice, precision);
      const found = await device.generate(pack(asArrays(prompts)), { ...usual, maxTokens: 6 });
      for (const [i, { tokens, logProbabilities }] of found.entries()) {
        const text = Int32Array.from([...prompts[i]!, ...tokens].slice(0, 12));
        const logits = await device.logits({ source: pack([text]), target: pack([text]) });
        const classes = cpu.config.vocabSize;
        for (const [at, token] of tokens.entries()) {
          const row = prompts[i]!.length + at - 1;
          if (row >= text.length) continue;
          const values = Array.from(logits.slice(row * classes, (row + 1) * classes));
          const highest = Math.max(...values);
          const logSum = highest + Math.log(values.reduce((sum, x) => sum + Math.exp(x - highest), 0));
          expect(Math.abs(logProbabilities[at]! - (values[token]! - logSum))).toBeLessThan(
            precision === 'bfloat16' ? 0.1 : 0.02,
          );
        }
      }
      device.dispose();
    },
  );
});

test('logits that are not finite are refused, and the model stays usable', async () => {
  const cpu = await modelOf({}, { precision: 'float32' });
  const device = await onDevice(cpu);
  const parameters = await device.parameters();
  const broken = new Map(parameters);
  broken.set('decoder.layer_norm.weight', new Float32Array(16).fill(Number.POSITIVE_INFINITY));
  await device.setParameters(broken);
  for (const way of [{}, { beam: 2 }])
    await expect(device.generate(pack(asArrays([[2]])), { ...usual, ...way })).rejects.toMatchObject({
      code: 'NON_FINITE',
    });
  await device.setParameters(parameters);
  await expectSame(cpu, device, { maxTokens: 3 });
  device.dispose();
});
