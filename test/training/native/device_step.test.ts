// The whole training step on a device, under the emulated grid, against the same step on the CPU: same masks, same
// losses, same gradients, same parameters afterwards; recorded steps replayed with other batches; what overflows and what
// fails. Everything but the kernels' home is the code that runs on a GPU.

import { beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../../lib/native/binding.js';
import type {
  NativeLossOptions,
  NativeMetrics,
  NativeModelConfig,
  NativeOptimizerOptions,
  NativeRuntime,
  NativeTransformer,
  PackedBatch,
} from '../../../lib/native/contract.js';
import {
  emulatedDevice,
  noEmulatedDevice,
  scarceDevice,
  unrecordableDevice,
  unrecordedDevice,
} from '../../support/emulated_device.js';
import { pack, relativeError } from '../../support/fixtures/fairseq_fixtures.js';
import { withoutKinks } from '../../support/relu_units.js';
import { setTrainerState, trainerState } from '../../support/trainer_state.js';

beforeAll(() => {
  expect(noEmulatedDevice).toBeNull();
  return native().setThreads(1);
});

const base: NativeModelConfig = {
  vocabSize: 37,
  embedDim: 16,
  ffnDim: 24,
  heads: 2,
  encoderLayers: 2,
  decoderLayers: 2,
  dropout: 0.3,
  attentionDropout: 0,
  activationDropout: 0,
  norm: 'post',
  activation: 'relu',
  shareEmbeddings: 'all',
  maxPositions: 64,
};
const loss: NativeLossOptions = {
  direction: 'uni',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: -100,
  passReduction: 'sum',
};
const optimizer: NativeOptimizerOptions = {
  schedule: 'inverse_sqrt',
  learningRate: 1e-3,
  warmupUpdates: 3,
  warmupInitLearningRate: 1e-4,
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-8,
  weightDecay: 1e-4,
  clipNorm: 0.7,
};

/** Pairs of random lengths; the same for the same seed. */
function randomBatch(seed: number, pairs: number, longest = 9): PackedBatch {
  let state = seed * 2654435761 + 1;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const sentences = () =>
    pack(
      Array.from({ length: pairs }, () =>
        Int32Array.from([...Array.from({ length: next(longest - 1) }, () => 4 + next(33)), 2]),
      ),
    );
  return { source: sentences(), target: sentences() };
}

const cpu = (config: Partial<NativeModelConfig> = {}, precision: NativeRuntime['precision'] = 'float64') =>
  native().Transformer.create({ ...base, ...config }, { seed: 3, device: 'cpu', precision });
const device = (
  config: Partial<NativeModelConfig> = {},
  precision: NativeRuntime['precision'] = 'float32',
  where = emulatedDevice,
) => native().Transformer.create({ ...base, ...config }, { seed: 3, device: where, precision });

/** The device's model with the parameters of the CPU's, which are drawn in float64 and rounded. */
async function pair(config: Partial<NativeModelConfig>, precision: NativeRuntime['precision'] = 'float32') {
  const models = { cpu: await cpu(config), device: await device(config, precision) };
  const parameters = await models.device.parameters();
  await models.cpu.setParameters(
    new Map([...parameters].map(([name, values]) => [name, Float64Array.from(values)])),
  );
  return models;
}

const flat = (values: Map<string, ArrayLike<number>>) =>
  Float64Array.from([...values.values()].flatMap((array) => Array.from(array)));
const norm = (values: Iterable<number>) => Math.hypot(...values);
const parametersOf = async (model: NativeTransformer) => flat(await model.parameters());

describe('losses and gradients on a device are the CPU’s', () => {
  const extra = { secondSource: null, training: true, update: 70_001 };
  test.each([
    ['post-norm, relu', {}],
    ['dropout of attention and activation', { attentionDropout: 0.2, activationDropout: 0.1 }],
    ['pre-norm, gelu, embeddings apart', { norm: 'pre', activation: 'gelu', shareEmbeddings: 'none' }],
    ['odd sizes', { embedDim: 14, ffnDim: 23, heads: 1, vocabSize: 41, shareEmbeddings: 'decoder' }],
  ] as [string, Partial<NativeModelConfig>][])('%s', async (_, config) => {
    const models = await pair(config);
    for (const direction of ['uni', 'bi'] as const) {
      const batch = randomBatch(1, 5);
      const expected = await models.cpu.lossAndGradients(batch, { ...loss, direction }, extra);
      const actual = await models.device.lossAndGradients(batch, { ...loss, direction }, extra);
      for (const key of ['loss', 'crossEntropy', 'nll', 'kl', 'tokens'] as const) {
        expect(relativeError([actual[key]], [expected[key]]), key).toBeLessThan(1e-5);
      }
      // The gradient of a key's bias is rounding noise (softmax does not see it): small ones are measured by all of them.
      const whole = norm(flat(expected.gradients));
      for (const [name, gradient] of expected.gradients) {
        const difference = actual.gradients.get(name)!.map((value, i) => value - gradient[i]!);
        expect(norm(difference) / Math.max(norm(gradient), 1e-3 * whole), name).toBeLessThan(1e-4);
      }
    }
  });

  const roundings = [
    ['bfloat16', 0.06],
    ['float16', 0.01],
  ] as const;
  const compare = async (models: Awaited<ReturnType<typeof pair>>, tolerance: number) => {
    const batch = randomBatch(2, 6);
    const expected = await models.cpu.lossAndGradients(batch, loss, extra);
    const actual = await models.device.lossAndGradients(batch, loss, extra);
    expect(relativeError([actual.loss], [expected.loss])).toBeLessThan(tolerance);
    expect(relativeError(flat(actual.gradients), flat(expected.gradients))).toBeLessThan(tolerance);
  };

  // Heads of 16 columns take the path of attention for short sequences, the others the plain one; with gelu, since a
  // rounding may bring a relu to its other side.
  describe.each(roundings)('%s to its roundings', (precision, tolerance) => {
    test.each([
      [8, {}],
      [12, { embedDim: 24 }],
      [40, { embedDim: 40, heads: 1 }],
      [16, { heads: 1 }],
      [16, { embedDim: 32, attentionDropout: 0.2 }],
    ])('heads of %d: %o', async (_, config) => {
      await compare(await pair({ ...config, activation: 'gelu' }, precision), tolerance);
    });

    test('relu without kinks', async () => {
      const models = await pair({ activationDropout: 0.2 }, precision);
      for (const model of [models.cpu, models.device])
        await model.setParameters(withoutKinks(await model.parameters()));
      await compare(models, tolerance);
    });
  });

  test('logits, validation loss and other sources in pass 2', async () => {
    const models = await pair({});
    const batch = randomBatch(3, 4);
    expect(relativeError(await models.device.logits(batch), await models.cpu.logits(batch))).toBeLessThan(
      1e-5,
    );
    const [actual, expected] = [
      await models.device.evaluate(batch, loss),
      await models.cpu.evaluate(batch, loss),
    ];
    expect(relativeError([actual.loss, actual.nll], [expected.loss, expected.nll])).toBeLessThan(1e-5);
    const other = { ...extra, training: false, secondSource: randomBatch(4, 4).source };
    const [apart, reference] = [
      await models.device.lossAndGradients(batch, loss, other),
      await models.cpu.lossAndGradients(batch, loss, other),
    ];
    expect(reference.kl).toBeGreaterThan(1e-3);
    expect(relativeError([apart.kl], [reference.kl])).toBeLessThan(1e-4);
  });
});

/** The first two batches are run as they are and recorded; from the third on recordings are replayed. */
const updates = [
  [randomBatch(11, 5)],
  [randomBatch(12, 6)],
  [randomBatch(13, 4)],
  [randomBatch(14, 7)],
  [randomBatch(15, 3), randomBatch(16, 5)],
  [randomBatch(17, 2), randomBatch(18, 6)],
];

/** What a training of some updates leaves. */
async function trained(where: typeof emulatedDevice, batches = updates.slice(0, 3)) {
  const model = await device({}, 'float32', where);
  const trainer = await native().Trainer.create(model, optimizer, loss);
  for (const update of batches) await trainer.step(update);
  return { metrics: await trainer.metrics(), parameters: await parametersOf(model) };
}

describe('a training on a device', () => {
  test('leaves the parameters that the CPU leaves, and gives the same metrics', async () => {
    const models = await pair({});
    const trainers = {
      cpu: await native().Trainer.create(models.cpu, optimizer, loss),
      device: await native().Trainer.create(models.device, optimizer, loss),
    };
    const sums = { loss: 0, kl: 0, tokens: 0, gradientNorm: 0, learningRate: 0 };
    for (const batches of updates) {
      const expected = await trainers.cpu.step(batches);
      const actual = await trainers.device.step(batches);
      expect(actual.metrics).toBeNull();
      expect(actual).toMatchObject({
        update: expected.update,
        tokens: expected.tokens,
        pairs: expected.pairs,
      });
      for (const key of ['loss', 'kl', 'tokens', 'gradientNorm'] as const)
        sums[key] += expected.metrics![key];
      sums.learningRate = expected.metrics!.learningRate;
    }
    const metrics = await trainers.device.metrics();
    for (const [key, value] of Object.entries(sums)) {
      expect(relativeError([metrics[key as 'loss']], [value]), key).toBeLessThan(1e-4);
    }
    expect(metrics).toMatchObject({ steps: updates.length, skipped: 0, graphFallbackReason: '' });
    expect(metrics.graphs).toBeGreaterThan(1);
    expect(relativeError(await parametersOf(models.device), await parametersOf(models.cpu))).toBeLessThan(
      1e-4,
    );
    expect((await trainers.device.metrics()).steps).toBe(0);
  });

  test('writes every gradient anew, also of rows of embeddings that no token has', async () => {
    const models = await pair({ shareEmbeddings: 'none', norm: 'pre', activation: 'gelu' });
    const trainers = {
      cpu: await native().Trainer.create(models.cpu, optimizer, loss),
      device: await native().Trainer.create(models.device, optimizer, loss),
    };
    for (const batches of [
      [randomBatch(51, 3)],
      [randomBatch(52, 2), randomBatch(53, 2)],
      [randomBatch(54, 3)],
    ]) {
      await trainers.cpu.step(batches);
      await trainers.device.step(batches);
    }
    expect(relativeError(await parametersOf(models.device), await parametersOf(models.cpu))).toBeLessThan(
      1e-4,
    );
    // What the training left in the gradients is no part of what somebody asks for afterwards.
    const batch = randomBatch(55, 3);
    const extra = { secondSource: null, training: true, update: 3 };
    const expected = await models.cpu.lossAndGradients(batch, loss, extra);
    const actual = await models.device.lossAndGradients(batch, loss, extra);
    expect(relativeError(flat(actual.gradients), flat(expected.gradients))).toBeLessThan(1e-4);
  });

  test('is the same to the last bit when it is run again, or stopped and taken up', async () => {
    const heads = 1; // of 16 columns, for the attention of short sequences
    const run = async (pause: number) => {
      let model = await device({ heads }, 'bfloat16');
      let trainer = await native().Trainer.create(model, optimizer, loss);
      for (const [i, batches] of updates.slice(0, 4).entries()) {
        if (i === pause) {
          const [parameters, state] = [await model.parameters(), await trainerState(trainer, model)];
          model = await device({ heads }, 'bfloat16');
          await model.setParameters(parameters);
          trainer = await native().Trainer.create(model, optimizer, loss);
          await setTrainerState(trainer, state);
        }
        await trainer.step(batches);
      }
      return parametersOf(model);
    };
    const first = await run(-1);
    expect(await run(-1)).toEqual(first);
    expect(await run(2)).toEqual(first);
  });

  test('gives the same where steps cannot be recorded, and says so', async () => {
    const recorded = await trained(emulatedDevice);
    const unrecorded = await trained(unrecordedDevice);
    expect(unrecorded.parameters).toEqual(recorded.parameters);
    expect(recorded.metrics).toMatchObject({ shapesWithoutGraph: 0, steps: 3 });
    expect(unrecorded.metrics).toMatchObject({ graphs: 0, steps: 3 });
    expect(unrecorded.metrics.shapesWithoutGraph).toBeGreaterThan(0);
    expect(unrecorded.metrics.graphFallbackReason).toContain('cannot record');
  });

  test('gives the same without memory for graphs, and says so', async () => {
    const recorded = await trained(emulatedDevice);
    const plain = await trained(unrecordableDevice);
    expect(plain.parameters).toEqual(recorded.parameters);
    expect(plain.metrics).toMatchObject({ graphs: 0, steps: 3 });
    expect(plain.metrics.shapesWithoutGraph).toBe(recorded.metrics.graphs);
    expect(plain.metrics.graphFallbackReason).toMatch(/for want of memory.*no memory to record/);
  });

  test('gives the same where memory runs out in the middle of a step and of a recording', async () => {
    const expected = await trained(emulatedDevice, updates);
    const scarce = await trained(scarceDevice, updates);
    expect(scarce.parameters).toEqual(expected.parameters);
    expect(scarce.metrics.steps).toBe(updates.length);
  });

  test('is disposed of beside another one that goes on', async () => {
    const [first, second] = [await device(), await device()];
    const disposed = await native().Trainer.create(first, optimizer, loss);
    const other = await native().Trainer.create(second, optimizer, loss);
    for (const batches of updates.slice(0, 3)) await disposed.step(batches);
    expect((await disposed.metrics()).graphs).toBeGreaterThan(0);
    const step = other.step(updates[0]!);
    disposed.dispose();
    first.dispose();
    await step;
    for (const batches of updates.slice(1, 3)) await other.step(batches);
    expect((await other.metrics()).steps).toBe(3);
    other.dispose();
    expect((await second.parameters()).size).toBeGreaterThan(0);
  });

  test('float16 leaves out a step that overflows and halves the loss scale', async () => {
    const models = await pair({}, 'float16');
    const trainer = await native().Trainer.create(models.device, optimizer, loss);
    const fresh = await trainer.counters();
    expect(fresh).toMatchObject({ update: 0, applied: 0, lossScale: 128, lastOverflow: -1 });
    await trainer.setCounters({ ...fresh, lossScale: 2 ** 20 });
    const before = await parametersOf(models.device);
    await trainer.step([randomBatch(21, 5)]);
    expect(await trainer.metrics()).toMatchObject({ steps: 0, skipped: 1, lossScale: 2 ** 19 });
    expect(await parametersOf(models.device)).toEqual(before);
    expect(await trainer.counters()).toMatchObject({ update: 1, applied: 0, lastOverflow: 0 });
    let told: NativeMetrics;
    do {
      await trainer.step([randomBatch(21, 5)]);
      told = await trainer.metrics();
    } while (told.steps === 0);
    expect(told.lossScale).toBeLessThan(2 ** 19);
    const reference = await native().Trainer.create(models.cpu, optimizer, loss);
    const { update } = await trainer.counters();
    await reference.setCounters({ ...(await reference.counters()), update: update - 1, applied: update - 1 });
    const expected = (await reference.step([randomBatch(21, 5)])).metrics!;
    expect(relativeError([told.gradientNorm], [expected.gradientNorm])).toBeLessThan(0.01);
    expect(await parametersOf(models.device)).not.toEqual(before);
  });

  test('a gradient that is not finite stops it where it was', async () => {
    const model = await device();
    const trainer = await native().Trainer.create(model, optimizer, loss);
    await trainer.step([randomBatch(31, 5)]);
    const good = await model.parameters();
    const name = 'decoder.layers.0.fc1.weight';
    const broken = new Map(good).set(name, good.get(name)!.map(() => Number.NaN) as Float32Array);
    await model.setParameters(broken);
    await trainer.step([randomBatch(32, 5)]);
    await trainer.step([randomBatch(33, 5)]);
    await expect(trainer.metrics()).rejects.toMatchObject({
      code: 'NON_FINITE',
      message: expect.stringContaining('update 2'),
    });
    expect(trainer.update).toBe(1);
    expect(flat(await model.parameters())).toEqual(flat(broken));
    await model.setParameters(good);
    await trainer.step([randomBatch(32, 5)]);
    // The first step was not read before the failure.
    expect(await trainer.metrics()).toMatchObject({ steps: 2 });
  });
});
