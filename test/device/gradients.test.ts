// The network on a GPU against the original implementation's recorded numbers and against the CPU.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FloatArray, NativeModelConfig, NativeRuntime } from '../../lib/native/contract.js';
import { largestDifference, modelOn, noCuda, randomPairs } from '../support/cuda_device.js';
import {
  fixture,
  fixtureBatch,
  floats,
  realRows,
  relativeError,
  scalar,
} from '../support/fixtures/fairseq_fixtures.js';
import { withoutKinks } from '../support/relu_units.js';

const reason = noCuda();
beforeEach((context) => {
  if (reason !== null) context.skip(reason);
});
const batches = fixture('batch')!;
const outputs = fixture('outputs')!;
const weights = { init: fixture('model_weights')!, pert: fixture('model_weights_pert')! };
const grads = fixture('grads');
const loss = {
  direction: 'bi',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: 1,
  passReduction: 'sum',
} as const;
const plain = { secondSource: null, training: false, update: 0 } as const;

async function recordedModel(name: 'init' | 'pert') {
  const model = await modelOn('cuda', 'float32');
  await model.setParameters(
    new Map(model.parameterShapes.map(([key]) => [key, Float32Array.from(floats(weights[name], key))])),
  );
  return model;
}

describe.each(['init', 'pert'] as const)('float32, recorded parameters %s', (name) => {
  test.each(['b0', 'b1', 'b2'])('logits and losses of %s', async (batchName) => {
    const model = await recordedModel(name);
    const batch = fixtureBatch(batches, batchName);
    const at = `${name}/${batchName}/f64`;
    const truth = realRows(outputs.get(`${at}/logits`)!, batches.get(`${batchName}/target`)!);
    expect(relativeError(await model.logits(batch), truth)).toBeLessThan(1e-4);
    const both = await model.lossAndGradients(batch, loss, plain);
    expect(both.loss / scalar(outputs, `${at}/reg_loss`)).toBeCloseTo(1, 4);
    expect(both.nll / scalar(outputs, `${at}/reg_nll_loss`)).toBeCloseTo(1, 4);
    model.dispose();
  });

  test('gradients of b0, b1, b2', async (context) => {
    if (grads === null) return context.skip('../shared/fixtures/fairseq is absent');
    const model = await recordedModel(name);
    for (const batchName of ['b0', 'b1', 'b2']) {
      const { gradients } = await model.lossAndGradients(fixtureBatch(batches, batchName), loss, plain);
      const prefix = `${name}/${batchName}/f64/`;
      const truth = new Map(
        [...grads.keys()]
          .filter((key) => key.startsWith(prefix))
          .map((key) => [key.slice(prefix.length), floats(grads, key)]),
      );
      expect(truth.size).toBeGreaterThan(80);
      expect(largestDifference(gradients, truth), batchName).toBeLessThan(1e-4);
    }
    model.dispose();
  });
});

// Heads of 128 as in the paper's model, and of 8; with dropout the masks must be the CPU's.
const shapes = [
  ['heads of 8', {}],
  ['heads of 128', { embedDim: 256, ffnDim: 512, heads: 2 }],
  ['pre-norm, gelu, three embeddings', { norm: 'pre', activation: 'gelu', shareEmbeddings: 'none' }],
  ['every dropout', { dropout: 0.3, attentionDropout: 0.1, activationDropout: 0.2 }],
] as const;
// What rounding to 8 or 11 bits in every layer may cost a gradient, relative to the largest of its tensor.
const roundings = [
  ['tf32', 2e-2],
  ['bfloat16', 1e-1],
  ['float16', 2e-2],
] as const;

/** The same batch on both devices, with the same parameters. */
async function compare(
  precision: NativeRuntime['precision'],
  config: Partial<NativeModelConfig>,
  tolerance: number,
  prepare = (parameters: Map<string, FloatArray>) => parameters,
) {
  const batch = randomPairs(17, 23, 40, 5);
  const results = [];
  for (const model of [await modelOn('cpu', 'float32', config), await modelOn('cuda', precision, config)]) {
    await model.setParameters(prepare(await model.parameters()));
    results.push(
      await model.lossAndGradients(batch, loss, { secondSource: null, training: true, update: 7 }),
    );
    model.dispose();
  }
  const [cpu, cuda] = results as [(typeof results)[0], (typeof results)[0]];
  expect(Math.abs(cuda.loss / cpu.loss - 1)).toBeLessThan(tolerance / 10);
  expect(cuda.tokens).toBe(cpu.tokens);
  expect(largestDifference(cuda.gradients, cpu.gradients)).toBeLessThan(tolerance);
}

describe.each(shapes)('against the CPU: %s', (_, config) => {
  test('float32', () => compare('float32', config, 1e-4));

  // With relu a rounding may switch a unit on or off; gelu is smooth.
  test.each(roundings)('%s, gelu', (precision, tolerance) =>
    compare(precision, { ...config, activation: 'gelu' }, tolerance),
  );
});

// Heads of 16: the kernels for short sequences.
test.each(roundings)('against the CPU: %s, relu without kinks', (precision, tolerance) =>
  compare(precision, { heads: 2, activationDropout: 0.2 }, tolerance, withoutKinks),
);
