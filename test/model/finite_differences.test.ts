// Gradients of the whole network against central differences in float64, with every kind of dropout switched on: masks
// are a function of (seed, update), so that the loss of a training step is a function of the parameters alone.
import { beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { NativeLossOptions, NativeModelConfig, NativeTransformer } from '../../lib/native/contract.js';
import { pack, relativeError } from '../support/fixtures/fairseq_fixtures.js';

// These models are too small to share.
beforeAll(() => native().setThreads(1));

const config: NativeModelConfig = {
  vocabSize: 23,
  embedDim: 12,
  ffnDim: 20,
  heads: 3,
  encoderLayers: 2,
  decoderLayers: 2,
  dropout: 0.2,
  attentionDropout: 0.15,
  activationDropout: 0.1,
  norm: 'post',
  activation: 'relu',
  shareEmbeddings: 'all',
  maxPositions: 32,
};
const batch = {
  source: pack([Int32Array.of(4, 9, 22, 5, 2), Int32Array.of(2), Int32Array.of(7, 7, 2)]),
  target: pack([Int32Array.of(11, 6, 2), Int32Array.of(20, 4, 5, 19, 2), Int32Array.of(2)]),
};
const loss: NativeLossOptions = {
  direction: 'uni',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: 1,
  passReduction: 'sum',
};
const training = { secondSource: null, training: true, update: 3 } as const;

const create = (
  changes: Partial<NativeModelConfig>,
  precision: 'float32' | 'float64' = 'float64',
  seed = 7,
) => native().Transformer.create({ ...config, ...changes }, { seed, device: 'cpu', precision });

/** Central differences at a few elements of each parameter. */
async function compare(model: NativeTransformer, options: NativeLossOptions): Promise<number> {
  const parameters = await model.parameters();
  const { gradients } = await model.lossAndGradients(batch, options, training);
  const step = 1e-5;
  let compared = 0;
  for (const [name, values] of parameters) {
    const gradient = gradients.get(name)!;
    for (const share of [0.1, 0.73]) {
      const i = Math.floor(share * values.length);
      const original = values[i]!;
      const lossAt = async (value: number) => {
        values[i] = value;
        await model.setParameters(parameters);
        return (await model.lossAndGradients(batch, options, training)).loss;
      };
      const numeric = ((await lossAt(original + step)) - (await lossAt(original - step))) / (2 * step);
      values[i] = original;
      const scale = Math.max(1, Math.abs(numeric));
      expect(Math.abs(gradient[i]! - numeric) / scale, `${name}[${i}]`).toBeLessThan(2e-6);
      compared++;
    }
  }
  await model.setParameters(parameters);
  return compared;
}

describe('gradients under dropout', () => {
  test.each<[string, Partial<NativeModelConfig>, Partial<NativeLossOptions>]>([
    ['post-norm, relu', {}, {}],
    [
      'post-norm, gelu, embeddings apart',
      { activation: 'gelu', shareEmbeddings: 'none' },
      { direction: 'bi' },
    ],
    ['pre-norm, gelu', { norm: 'pre', activation: 'gelu' }, { direction: 'uni-reverse' }],
    [
      'pre-norm, relu, decoder shared',
      { norm: 'pre', shareEmbeddings: 'decoder' },
      { passReduction: 'mean' },
    ],
    ['one layer each, no KL', { encoderLayers: 1, decoderLayers: 1, norm: 'pre' }, { alpha: 0 }],
  ])('%s', async (_, changes, options) => {
    const model = await create(changes);
    expect(await compare(model, { ...loss, ...options })).toBeGreaterThan(40);
    model.dispose();
  });
});

describe('dropout', () => {
  test('is the same for the same seed and update, and another for another', async () => {
    const [a, b] = [await create({}), await create({})];
    const at = async (model: NativeTransformer, update: number) =>
      (await model.lossAndGradients(batch, loss, { ...training, update })).loss;
    expect(await at(a, 3)).toBe(await at(b, 3));
    expect(await at(a, 3)).not.toBe(await at(a, 4));
    const other = await create({}, 'float64', 8);
    await other.setParameters(await a.parameters());
    expect(await at(other, 3)).not.toBe(await at(a, 3));
    for (const model of [a, b, other]) model.dispose();
  });

  test('makes the two passes differ, and keeps expectations', async () => {
    const model = await create({ dropout: 0.1, attentionDropout: 0, activationDropout: 0 });
    const clean = await model.lossAndGradients(batch, loss, { ...training, training: false });
    expect(Math.abs(clean.kl)).toBeLessThan(1e-12);
    const draws = [];
    for (let update = 0; update < 300; update++) {
      const { kl, nll } = await model.lossAndGradients(batch, loss, { ...training, update });
      expect(kl).toBeGreaterThan(0);
      draws.push(nll);
    }
    const mean = draws.reduce((sum, nll) => sum + nll, 0) / draws.length;
    // Masks are scaled by 1/(1-p): the loss moves a little (it is not linear), by no factor of 0.9.
    expect(mean / clean.nll).toBeGreaterThan(0.97);
    expect(mean / clean.nll).toBeLessThan(1.08);
    model.dispose();
  });
});

test('every instruction set of this machine gives the same gradients', async () => {
  const chosen = native().info().instructionSet;
  const all = { scalar: 0, avx2: 1, avx512: 2 } as const;
  const usable = (Object.keys(all) as (keyof typeof all)[]).filter((name) => all[name] <= all[chosen]);
  expect(usable).toContain('scalar');
  for (const precision of ['float32', 'float64'] as const) {
    // Widths that are no multiple of any vector, and sequences longer than one.
    const model = await create({ embedDim: 44, ffnDim: 37, heads: 2, vocabSize: 131 }, precision);
    const long = (length: number, first: number) =>
      Int32Array.from({ length }, (_, i) => (i + 1 < length ? 4 + ((first + i * 17) % 127) : 2));
    const wide = { source: pack([long(21, 3), long(6, 40)]), target: pack([long(19, 9), long(8, 77)]) };
    const results = [];
    for (const name of usable) {
      native().setInstructionSet(name);
      results.push(await model.lossAndGradients(wide, loss, training));
    }
    for (const result of results.slice(1)) {
      expect(Math.abs(result.loss / results[0]!.loss - 1)).toBeLessThan(
        precision === 'float32' ? 1e-5 : 1e-12,
      );
      for (const [name, gradient] of result.gradients) {
        if (name.endsWith('k_proj.bias')) continue;
        const error = relativeError(gradient, results[0]!.gradients.get(name)!);
        expect(error, name).toBeLessThan(precision === 'float32' ? 1e-4 : 1e-11);
      }
    }
    model.dispose();
  }
  native().setInstructionSet(chosen);
});
