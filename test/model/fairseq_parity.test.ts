// The network against the original implementation: logits, losses, gradients, optimizer, schedule.
import { describe, expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { FloatArray, NativeTransformer } from '../../lib/native/contract.js';
import {
  type FixtureTensor,
  fixture,
  fixtureBatch,
  fixtureModel,
  floats,
  pack,
  ragged,
  realRows,
  relativeError,
  scalar,
} from '../support/fixtures/fairseq_fixtures.js';

const precisions = [
  { precision: 'float32', key: 'f32', tolerance: 1e-5 },
  { precision: 'float64', key: 'f64', tolerance: 1e-9 },
] as const;
const batches = fixture('batch')!;
const outputs = fixture('outputs')!;
const weights = { init: fixture('model_weights')!, pert: fixture('model_weights_pert')! };
const grads = fixture('grads');
const absent = '../shared/fixtures/fairseq is absent; only the copies in test/fixtures were compared';
const loss = { alpha: 5, labelSmoothing: 0.1, ignoreIndex: 1, passReduction: 'sum' } as const;
const twoPass = { bi: 'bi', uni_pq: 'uni', uni_qp: 'uni-reverse' } as const;

async function modelOf(
  tensors: Map<string, FixtureTensor>,
  precision: 'float32' | 'float64',
): Promise<NativeTransformer> {
  const model = await native().Transformer.create(fixtureModel, { seed: 1, device: 'cpu', precision });
  const type = precision === 'float32' ? Float32Array : Float64Array;
  await model.setParameters(
    new Map(model.parameterShapes.map(([name]) => [name, type.from(floats(tensors, name))])),
  );
  return model;
}

/** Each gradient relative to its own largest magnitude; those of key biases are zero up to rounding. */
function expectGradients(
  actual: Map<string, FloatArray>,
  prefix: string,
  truth: Map<string, FixtureTensor>,
  tolerance: number,
) {
  const names = [...truth.keys()].filter((key) => key.startsWith(`${prefix}/`));
  expect(names.length).toBeGreaterThan(80);
  let largest = 0;
  for (const name of names)
    for (const value of floats(truth, name)) largest = Math.max(largest, Math.abs(value));
  for (const name of names) {
    const gradient = actual.get(name.slice(prefix.length + 1));
    expect(gradient, name).toBeDefined();
    if (name.endsWith('k_proj.bias')) {
      for (const value of gradient!) expect(Math.abs(value), name).toBeLessThan(tolerance * largest);
    } else {
      expect(relativeError(gradient!, floats(truth, name)), name).toBeLessThan(tolerance);
    }
  }
}

describe.each(precisions)('model in $precision', ({ precision, key, tolerance }) => {
  test.each(['init', 'pert'] as const)('logits and losses of %s', async (name) => {
    const tensors = weights[name];
    const model = await modelOf(tensors, precision);
    expect(model.parameterCount).toBe(44_032);
    for (const batchName of ['b0', 'b1', 'b2']) {
      const batch = fixtureBatch(batches, batchName);
      const at = `${name}/${batchName}/${key}`;
      const truth = realRows(outputs.get(`${at}/logits`)!, batches.get(`${batchName}/target`)!);
      expect(relativeError(await model.logits(batch), truth), at).toBeLessThan(tolerance);
      const valid = await model.evaluate(batch, { direction: 'uni', ...loss });
      expect(valid.crossEntropy / scalar(outputs, `${at}/valid_loss`)).toBeCloseTo(
        1,
        precision === 'float32' ? 5 : 9,
      );
      expect(valid.nll / scalar(outputs, `${at}/valid_nll_loss`)).toBeCloseTo(
        1,
        precision === 'float32' ? 5 : 9,
      );
      const both = await model.lossAndGradients(
        batch,
        { direction: 'bi', ...loss },
        { secondSource: null, training: false, update: 0 },
      );
      expect(relativeError([both.loss], [scalar(outputs, `${at}/reg_loss`)])).toBeLessThan(tolerance);
      expect(relativeError([both.nll], [scalar(outputs, `${at}/reg_nll_loss`)])).toBeLessThan(tolerance);
      expect(Math.abs(both.kl)).toBeLessThan(1e-5);
    }
    model.dispose();
  });

  test('gradients of b0, b1, b2', async (context) => {
    if (grads === null) return context.skip(absent);
    for (const name of ['init', 'pert'] as const) {
      const model = await modelOf(weights[name], precision);
      for (const batchName of ['b0', 'b1', 'b2']) {
        const { gradients } = await model.lossAndGradients(
          fixtureBatch(batches, batchName),
          { direction: 'bi', ...loss },
          { secondSource: null, training: false, update: 0 },
        );
        expectGradients(gradients, `${name}/${batchName}/f64`, grads, tolerance);
      }
      model.dispose();
    }
  });

  test.each(Object.entries(twoPass))('two passes over different sources: %s', async (name, direction) => {
    const truth = grads ?? fixture(`grads_twopass_${name}`);
    const model = await modelOf(weights.pert, precision);
    const result = await model.lossAndGradients(
      fixtureBatch(batches, 'b0'),
      { direction, ...loss },
      { secondSource: pack(ragged(batches.get('b0/src_tokens_second')!)), training: false, update: 0 },
    );
    for (const [figure, recorded] of [
      ['loss', 'reg_loss'],
      ['nll', 'reg_nll_loss'],
      ['kl', 'reg_kl_loss'],
    ] as const) {
      const expected = scalar(outputs, `twopass/${name}/${key}/${recorded}`);
      expect(relativeError([result[figure]], [expected]), figure).toBeLessThan(tolerance);
    }
    if (truth !== null) expectGradients(result.gradients, `twopass/${name}/f64`, truth, tolerance);
    model.dispose();
  });

  test('five steps of Adam', async (context) => {
    const truth = fixture('adam');
    if (truth === null) return context.skip(absent);
    const model = await modelOf(weights.pert, precision);
    const trainer = await native().Trainer.create(
      model,
      {
        schedule: 'constant',
        learningRate: 5e-4,
        warmupUpdates: 0,
        warmupInitLearningRate: 0,
        beta1: 0.9,
        beta2: 0.98,
        epsilon: 1e-8,
        weightDecay: 1e-4,
        clipNorm: 0,
      },
      { direction: 'bi', ...loss },
    );
    const batch = {
      ...fixtureBatch(batches, 'b0'),
      secondSource: pack(ragged(batches.get('b0/src_tokens_second')!)),
    };
    for (let step = 1; step <= 5; step++) {
      const { metrics: reported, update } = await trainer.step([batch]);
      const metrics = reported!;
      const at = `${key}/step${step}`;
      expect(update).toBe(step);
      expect(relativeError([metrics.loss], [scalar(truth, `${at}/loss`)]), at).toBeLessThan(tolerance);
      expect(relativeError([metrics.kl], [scalar(truth, `${at}/kl_loss`)]), at).toBeLessThan(tolerance);
      expect(relativeError([metrics.gradientNorm], [scalar(truth, `${at}/gnorm`)]), at).toBeLessThan(
        tolerance,
      );
      if (![1, 2, 5].includes(step)) continue;
      // Adam's first steps have the size of the rate whatever the gradient: where the truth is rounding noise (key
      // biases, whose gradient is zero), so is the step.
      for (const [name, values] of await model.parameters()) {
        if (name.endsWith('k_proj.bias')) continue;
        expect(relativeError(values, floats(truth, `${at}/w/${name}`)), `${at} ${name}`).toBeLessThan(
          tolerance,
        );
      }
    }
    trainer.dispose();
    model.dispose();
  });
});

test('the rate of updates 1 to 12,000', (context) => {
  const truth = fixture('adam');
  if (truth === null) return context.skip(absent);
  const rates = floats(truth, 'lr_after_num_updates');
  const optimizer = {
    schedule: 'inverse_sqrt',
    learningRate: 5e-4,
    warmupUpdates: 4000,
    warmupInitLearningRate: 1e-7,
    beta1: 0.9,
    beta2: 0.98,
    epsilon: 1e-8,
    weightDecay: 0,
    clipNorm: 0,
  } as const;
  for (let updates = 0; updates <= 12_000; updates++) {
    expect(Math.abs(native().learningRate(optimizer, updates) / rates[updates]! - 1)).toBeLessThan(1e-6);
  }
});

test('transformer_iwslt_de_en has 36,741,120 parameters', async () => {
  const model = await native().Transformer.create(
    {
      ...fixtureModel,
      vocabSize: 10_152,
      embedDim: 512,
      ffnDim: 1024,
      encoderLayers: 6,
      decoderLayers: 6,
      maxPositions: 1024,
    },
    { seed: 1, device: 'cpu', precision: 'float32' },
  );
  expect(model.parameterCount).toBe(36_741_120);
  model.dispose();
});
