import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors } from '../../lib/data/safetensors/safetensors.js';
import { Transformer } from '../../lib/model/transformer.js';

const config = { vocabSize: 20, embedDim: 8, ffnDim: 16, heads: 2, encoderLayers: 1, decoderLayers: 1 };
const batch = {
  source: [Int32Array.of(4, 5, 2), Int32Array.of(6, 2)],
  target: [Int32Array.of(7, 2), Int32Array.of(8, 9, 10, 2)],
};
const loss = { direction: 'uni', alpha: 5, labelSmoothing: 0.1 } as const;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rdrop-transformer-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
const at = (name: string) => join(directory, name);

describe('Transformer', () => {
  it.each(['float32', 'float64'] as const)('comes back from a file as it was (%s)', async (precision) => {
    const model = await Transformer.create(config, { seed: 5, precision });
    await model.save(at(`${precision}.safetensors`));
    const loaded = await Transformer.load(at(`${precision}.safetensors`));
    expect(loaded.config).toEqual(model.config);
    expect(loaded.parameterCount).toBe(model.parameterCount);
    expect(await loaded.logits(batch)).toEqual(await model.logits(batch));
    const { tensors } = await readSafetensors(at(`${precision}.safetensors`));
    expect([...tensors.keys()]).toContain('encoder.layers.0.self_attn.q_proj.weight');
    expect(tensors.get('encoder.embed_tokens.weight')?.shape).toEqual([20, 8]);
    loaded.dispose();
    model.dispose();
  });

  it('gives logits of the packed targets and the gradient of every parameter', async () => {
    using model = await Transformer.create(config, { seed: 5 });
    expect((await model.logits(batch)).length).toBe(6 * 20);
    const { gradients, tokens, kl } = await model.lossAndGradients(batch, loss);
    const parameters = await model.parameters();
    expect(tokens).toBe(6);
    expect(kl).toBeCloseTo(0, 6);
    expect([...gradients.keys()].sort()).toEqual([...parameters.keys()].sort());
    for (const [name, { shape, data }] of parameters) {
      expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      expect(gradients.get(name)?.length).toBe(data.length);
    }
    const second = await model.lossAndGradients(batch, loss, {
      secondSource: [batch.source[1]!, batch.source[0]!],
    });
    expect(second.kl).toBeGreaterThan(0);
    const dropped = await model.lossAndGradients(batch, loss, { training: true, update: 3 });
    expect(dropped.kl).toBeGreaterThan(0);
    const one = await model.evaluate(batch, loss);
    const { crossEntropy } = await model.lossAndGradients(batch, loss);
    expect(2 * one.crossEntropy).toBeCloseTo(crossEntropy, 4);
  });

  it('translates into hypotheses that end in eos', async () => {
    using model = await Transformer.create(config, { seed: 5 });
    const found = await model.translate(batch.source, { beam: 3, nBest: 2, maxLenB: 5 });
    expect(found.map((list) => list.length)).toEqual([2, 2]);
    for (const { tokens, score, logProbabilities } of found.flat()) {
      expect(tokens.at(-1)).toBe(2);
      expect(tokens.length).toBeLessThanOrEqual(6);
      const sum = logProbabilities.reduce((a, b) => a + b, 0);
      expect(score).toBeCloseTo(sum / tokens.length, 4);
    }
  });

  it('is the same for the same seed, another for another', async () => {
    const logits = await Promise.all(
      [5, 5, 6].map(async (seed) => {
        using model = await Transformer.create(config, { seed });
        return await model.logits(batch);
      }),
    );
    expect(logits[1]).toEqual(logits[0]);
    expect(logits[2]).not.toEqual(logits[0]);
  });
});

describe('misuse of a Transformer', () => {
  const calls: Record<string, (model: Transformer) => Promise<unknown>> = {
    parameters: (model) => model.parameters(),
    save: (model) => model.save(at('never.safetensors')),
    logits: (model) => model.logits(batch),
    hidden: (model) => model.hidden(batch),
    lossAndGradients: (model) => model.lossAndGradients(batch, loss),
    evaluate: (model) => model.evaluate(batch, loss),
    translate: (model) => model.translate(batch.source),
    generate: (model) => model.generate(batch.source, { maxTokens: 3 }),
  };
  const methods = Object.entries(calls);

  it('is exhaustive', () => {
    const own = Object.entries(Object.getOwnPropertyDescriptors(Transformer.prototype));
    const names = own.filter(([, { value }]) => typeof value === 'function').map(([name]) => name);
    expect(names.sort()).toEqual([...Object.keys(calls), 'constructor', 'dispose'].sort());
  });

  it.each(methods)('%s: ready, disposed, disposed while it works, foreign', async (name, call) => {
    const model = await Transformer.create({
      ...config,
      architecture: name === 'generate' ? 'decoder' : 'encoder-decoder',
    });
    await call(model);
    const underWay = call(model);
    model.dispose();
    model.dispose();
    await underWay;
    await expect(call(model)).rejects.toMatchObject({ code: 'DISPOSED' });
    const method = Transformer.prototype[name as 'logits'];
    for (const foreign of [{}, null, undefined, new Map()]) {
      await expect(method.call(foreign as never, batch)).rejects.toBeInstanceOf(TypeError);
    }
  });

  it('dispose and the getters refuse a foreign receiver', () => {
    expect(() => Transformer.prototype.dispose.call({} as never)).toThrow(TypeError);
    expect(() => Reflect.get(Transformer.prototype, 'parameterCount', {})).toThrow(TypeError);
  });
});

describe('bad input to a Transformer', () => {
  const tokens = (...ids: number[]) => Int32Array.from(ids);
  it.each([
    [
      'a token of 20 among 20',
      { ...batch, target: [tokens(7, 2), tokens(8, 20, 2)] },
      'TOKEN_OUT_OF_RANGE',
      /target.*pair 1.*position 1.*19.*20/,
    ],
    [
      'a negative token',
      { ...batch, source: [tokens(-1, 2), tokens(2)] },
      'TOKEN_OUT_OF_RANGE',
      /source.*-1/,
    ],
    [
      'an empty sentence',
      { ...batch, source: [tokens(), tokens(2)] },
      'INVALID_ARGUMENT',
      /source of pair 0.*Int32Array\(0\)/,
    ],
    [
      'another array type',
      { ...batch, source: [[4, 2], tokens(2)] },
      'INVALID_ARGUMENT',
      /source of pair 0.*array of 2/,
    ],
    ['more sources than targets', { ...batch, target: [tokens(2)] }, 'INVALID_ARGUMENT', /2 and 1/],
    ['no pair', { source: [], target: [] }, 'INVALID_ARGUMENT', /at least one/],
    ['nothing', undefined, 'INVALID_ARGUMENT', /got nothing/],
    [
      'too long a sentence',
      { ...batch, source: [new Int32Array(9).fill(4), tokens(2)] },
      'INVALID_ARGUMENT',
      /maxPositions.*9/,
    ],
  ])('%s', async (_, bad, code, message) => {
    using model = await Transformer.create({ ...config, maxPositions: 8 });
    for (const call of [
      () => model.logits(bad as never),
      () => model.evaluate(bad as never, loss),
      () => model.lossAndGradients(bad as never, loss),
    ]) {
      await expect(call()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    }
    // The model is none the worse for it.
    expect((await model.logits(batch)).length).toBe(120);
  });

  it.each([
    ['an unknown option', { ...config, layers: 3 }, /layers/],
    ['heads that do not divide', { ...config, heads: 3 }, /heads/],
    ['a vocabulary of 4', { ...config, vocabSize: 4 }, /vocabSize.*got 4/],
  ])('configuration with %s', async (_, bad, message) => {
    await expect(Transformer.create(bad)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(message),
    });
  });

  it('files: other shapes, missing and unknown parameters, no configuration', async () => {
    using model = await Transformer.create(config);
    await model.save(at('model.safetensors'));
    const { tensors, metadata } = await readSafetensors(at('model.safetensors'));
    const name = 'encoder.layers.0.fc1.bias';
    const { shape, data } = tensors.get(name)!;
    const variants: [string, Map<string, typeof tensors extends Map<string, infer T> ? T : never>][] = [
      ['shape', new Map([...tensors, [name, { shape: [4, shape[0]! / 4], data }]])],
      ['missing', new Map([...tensors].filter(([key]) => key !== name))],
      ['unknown', new Map([...tensors, ['extra', { shape: [1], data: new Float32Array(1) }]])],
    ];
    for (const [variant, changed] of variants) {
      await writeFile(at('bad.safetensors'), Buffer.concat(encodeSafetensors(changed, metadata)));
      await expect(Transformer.load(at('bad.safetensors')), variant).rejects.toMatchObject({
        code: 'CHECKPOINT_MISMATCH',
        message: expect.stringContaining('bad.safetensors'),
      });
    }
    await writeFile(at('bare.safetensors'), Buffer.concat(encodeSafetensors(tensors)));
    await expect(Transformer.load(at('bare.safetensors'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    using loaded = await Transformer.load(at('bare.safetensors'), config);
    expect(await loaded.logits(batch)).toEqual(await model.logits(batch));
    await writeFile(at('cut.safetensors'), (await readFile(at('model.safetensors'))).subarray(0, -5));
    await expect(Transformer.load(at('cut.safetensors'))).rejects.toMatchObject({
      code: 'CHECKPOINT_CORRUPT',
    });
  });
});
