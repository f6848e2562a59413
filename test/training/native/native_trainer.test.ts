// The native training step: accumulation, clipping, and what a failed step leaves behind.

import { beforeAll, expect, test } from 'vitest';
import { native } from '../../../lib/native/binding.js';
import type { NativeOptimizerOptions, NativeTransformer } from '../../../lib/native/contract.js';
import {
  fixture,
  fixtureBatch,
  fixtureModel,
  floats,
  pack,
  relativeError,
} from '../../support/fixtures/fairseq_fixtures.js';
import { setTrainerState, trainerState } from '../../support/trainer_state.js';

// These models are too small to share.
beforeAll(() => native().setThreads(1));

const optimizer: NativeOptimizerOptions = {
  schedule: 'constant',
  learningRate: 1e-3,
  warmupUpdates: 0,
  warmupInitLearningRate: 0,
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-8,
  weightDecay: 1e-4,
  clipNorm: 0,
};
const loss = {
  direction: 'bi',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: 1,
  passReduction: 'sum',
} as const;
const batches = fixture('batch')!;
const weights = fixture('model_weights_pert')!;

async function modelOf(dropout = 0): Promise<NativeTransformer> {
  const model = await native().Transformer.create(
    { ...fixtureModel, dropout },
    { seed: 1, device: 'cpu', precision: 'float64' },
  );
  await model.setParameters(
    new Map(model.parameterShapes.map(([name]) => [name, Float64Array.from(floats(weights, name))])),
  );
  return model;
}

async function flat(model: NativeTransformer): Promise<Float64Array> {
  const parameters = [...(await model.parameters()).values()];
  return Float64Array.from(parameters.flatMap((values) => Array.from(values)));
}

test('two batches accumulated are one batch of both', async () => {
  const [b0, b1] = [fixtureBatch(batches, 'b0'), fixtureBatch(batches, 'b1')];
  const unpack = ({ tokens, offsets }: { tokens: Int32Array; offsets: Int32Array }) =>
    Array.from({ length: offsets.length - 1 }, (_, i) => tokens.slice(offsets[i], offsets[i + 1]));
  const both = {
    source: pack([...unpack(b0.source), ...unpack(b1.source)]),
    target: pack([...unpack(b0.target), ...unpack(b1.target)]),
  };
  const results = [];
  for (const step of [[b0, b1], [both]]) {
    const model = await modelOf();
    const trainer = await native().Trainer.create(model, optimizer, loss);
    const { metrics: reported, ...counts } = await trainer.step(step);
    const metrics = { ...counts, ...reported! };
    results.push({ metrics, parameters: await flat(model) });
  }
  const [accumulated, whole] = results as [(typeof results)[0], (typeof results)[0]];
  expect(accumulated.metrics.tokens).toBe(whole.metrics.tokens);
  expect(accumulated.metrics.pairs).toBe(8);
  expect(accumulated.metrics.loss).toBeCloseTo(whole.metrics.loss, 9);
  expect(accumulated.metrics.gradientNorm).toBeCloseTo(whole.metrics.gradientNorm, 9);
  expect(relativeError(accumulated.parameters, whole.parameters)).toBeLessThan(1e-9);
});

test('clipping scales the gradient to the norm and reports the norm before', async () => {
  const firstMoments = [];
  const norms = [];
  for (const clipNorm of [0, 0.5]) {
    const model = await modelOf();
    const trainer = await native().Trainer.create(model, { ...optimizer, clipNorm }, loss);
    norms.push((await trainer.step([fixtureBatch(batches, 'b0')])).metrics!.gradientNorm);
    const { first } = (await trainerState(trainer, model)).moments;
    firstMoments.push(Math.hypot(...[...first.values()].flatMap((values) => Array.from(values))));
  }
  expect(norms[1]).toBe(norms[0]);
  expect(norms[0]!).toBeGreaterThan(0.5);
  // m = (1 - β1)·g after the first step.
  expect(firstMoments[0]! / 0.1).toBeCloseTo(norms[0]!, 9);
  expect(firstMoments[1]! / 0.1).toBeCloseTo(0.5, 5);
});

test('a step whose gradient is not finite changes nothing', async () => {
  const model = await modelOf();
  const parameters = await model.parameters();
  const name = 'decoder.layers.0.fc1.weight';
  const broken = new Map(parameters).set(
    name,
    Float64Array.from(parameters.get(name)!, () => Number.POSITIVE_INFINITY),
  );
  await model.setParameters(broken);
  const trainer = await native().Trainer.create(model, optimizer, loss);
  await expect(trainer.step([fixtureBatch(batches, 'b0')])).rejects.toMatchObject({ code: 'NON_FINITE' });
  expect(trainer.update).toBe(0);
  expect([...(await model.parameters()).get(name)!]).toEqual([...broken.get(name)!]);
  await model.setParameters(parameters);
  const after = await trainer.step([fixtureBatch(batches, 'b0')]);
  const fresh = await native().Trainer.create(await modelOf(), optimizer, loss);
  expect(after.metrics!.gradientNorm).toBe(
    (await fresh.step([fixtureBatch(batches, 'b0')])).metrics!.gradientNorm,
  );
});

test('a state put back continues bit for bit', async () => {
  const batch = fixtureBatch(batches, 'b0');
  const model = await modelOf(0.3);
  const trainer = await native().Trainer.create(model, optimizer, loss);
  await trainer.step([batch]);
  await trainer.step([batch]);
  const [state, parameters] = [await trainerState(trainer, model), await model.parameters()];
  await trainer.step([batch]);
  const other = await modelOf(0.3);
  await other.setParameters(parameters);
  const resumed = await native().Trainer.create(other, optimizer, loss);
  await setTrainerState(resumed, state);
  expect((await resumed.step([batch])).update).toBe(3);
  expect([...(await flat(other))]).toEqual([...(await flat(model))]);
});

test('info gives the number of threads that the work uses', async () => {
  for (const threads of [2, 1]) {
    await native().setThreads(threads);
    expect(native().info().threads).toBe(threads);
  }
});
