// Every composition of the network on a device, under the emulated grid, against the CPU: outputs, losses and gradients of a
// padded batch, and steps that are recorded once and replayed with other batches.
import { beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../../lib/native/binding.js';
import type {
  NativeModelConfig,
  NativeOptimizerOptions,
  NativeRuntime,
} from '../../../lib/native/contract.js';
import {
  batchOf,
  formulaOf,
  lossOf,
  networkNamed,
  networks,
  randomBatchOf,
  withDropouts,
} from '../../support/compositions.js';
import { emulatedDevice, noEmulatedDevice } from '../../support/emulated_device.js';
import { relativeError } from '../../support/fixtures/fairseq_fixtures.js';

beforeAll(() => {
  expect(noEmulatedDevice).toBeNull();
  return native().setThreads(1);
});

const optimizer: NativeOptimizerOptions = {
  ...{ schedule: 'inverse_sqrt', learningRate: 1e-3, warmupUpdates: 3, warmupInitLearningRate: 1e-4 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0.7 },
};

/** The network in float64 on the CPU and in another precision on the device, with the parameters of the formula. */
async function pairOf(config: NativeModelConfig, precision: NativeRuntime['precision'] = 'float32') {
  const make = (device: NativeRuntime['device'], type: NativeRuntime['precision']) =>
    native().Transformer.create(config, { seed: 3, device, precision: type });
  const [cpu, device] = [await make('cpu', 'float64'), await make(emulatedDevice, precision)];
  const single = new Map([...formulaOf(cpu)].map(([name, values]) => [name, Float32Array.from(values)]));
  await device.setParameters(single);
  await cpu.setParameters(new Map([...single].map(([name, values]) => [name, Float64Array.from(values)])));
  return { cpu, device };
}

function expectAlike(
  actual: Map<string, ArrayLike<number>>,
  expected: Map<string, ArrayLike<number>>,
  tolerance: number,
): void {
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  let largest = 0;
  for (const values of expected.values()) {
    for (const value of Array.from(values)) largest = Math.max(largest, Math.abs(value));
  }
  for (const [name, values] of expected) {
    const worst = Array.from(values).reduce(
      (most, x, i) => Math.max(most, Math.abs(x - actual.get(name)![i]!)),
      0,
    );
    expect(worst / largest, name).toBeLessThan(tolerance);
  }
}

describe.each(networks)('%s', (_, { config, options, batch }) => {
  const loss = lossOf(options);

  test('has the CPU’s outputs, losses and gradients', async () => {
    const models = await pairOf(withDropouts(config));
    const packed = batchOf(batch);
    expect(relativeError(await models.device.logits(packed), await models.cpu.logits(packed))).toBeLessThan(
      1e-5,
    );
    expect(relativeError(await models.device.hidden(packed), await models.cpu.hidden(packed))).toBeLessThan(
      1e-5,
    );
    const [valid, validTruth] = [
      await models.device.evaluate(packed, loss),
      await models.cpu.evaluate(packed, loss),
    ];
    expect(relativeError([valid.loss, valid.nll], [validTruth.loss, validTruth.nll])).toBeLessThan(1e-5);
    expect(valid.tokens).toBe(validTruth.tokens);
    const extra = { secondSource: null, training: true, update: 70_001 };
    for (const direction of ['uni', 'bi'] as const) {
      const actual = await models.device.lossAndGradients(packed, { ...loss, direction }, extra);
      const expected = await models.cpu.lossAndGradients(packed, { ...loss, direction }, extra);
      for (const key of ['loss', 'crossEntropy', 'nll', 'kl', 'tokens'] as const) {
        expect(Math.abs(actual[key] - expected[key]) / expected.loss, key).toBeLessThan(1e-5);
      }
      expectAlike(actual.gradients, expected.gradients, 2e-5);
    }
    models.cpu.dispose();
    models.device.dispose();
  });

  test('trains as on the CPU, by recorded steps of one shape for several batches', async () => {
    const models = await pairOf(withDropouts(config));
    const [cpu, device] = await Promise.all(
      [models.cpu, models.device].map((model) => native().Trainer.create(model, optimizer, loss)),
    );
    for (const batches of [
      [randomBatchOf(config, 1, 5)],
      [randomBatchOf(config, 2, 7), randomBatchOf(config, 3, 2)],
      [randomBatchOf(config, 4, 4)],
    ]) {
      const expected = await cpu!.step(batches);
      const step = await device!.step(batches);
      const metrics = await device!.metrics();
      expect([step.pairs, step.sourceTokens, step.tokens]).toEqual([
        expected.pairs,
        expected.sourceTokens,
        expected.tokens,
      ]);
      for (const key of ['loss', 'crossEntropy', 'nll', 'gradientNorm', 'learningRate', 'tokens'] as const) {
        expect(relativeError([metrics[key]], [expected.metrics![key]]), key).toBeLessThan(2e-5);
      }
      expect(Math.abs(metrics.kl - expected.metrics!.kl) / expected.metrics!.loss).toBeLessThan(1e-5);
    }
    // One shape: the first micro-batch of an update, the others, and the update itself.
    expect((await device!.metrics()).graphs).toBeLessThanOrEqual(4);
    const [actual, truth] = [await models.device.parameters(), await models.cpu.parameters()];
    // Their gradient is zero up to rounding, of which Adam makes a step.
    for (const name of actual.keys()) {
      if (!name.endsWith('k_proj.bias')) continue;
      actual.delete(name);
      truth.delete(name);
    }
    expectAlike(actual, truth, 2e-5);
    for (const each of [cpu!, device!, models.cpu, models.device]) each.dispose();
  });
});

test.each(['bfloat16', 'float16'] as const)('a classifier trains in %s', async (precision) => {
  const { config, options } = networkNamed('BERT');
  const models = await pairOf(withDropouts(config), precision);
  const [cpu, device] = await Promise.all(
    [models.cpu, models.device].map((model) => native().Trainer.create(model, optimizer, lossOf(options))),
  );
  const batch = randomBatchOf(config, 5, 6);
  const expected = await cpu!.step([batch]);
  await device!.step([batch]);
  const metrics = await device!.metrics();
  expect(metrics.tokens).toBe(6);
  expect(relativeError([metrics.nll], [expected.metrics!.nll])).toBeLessThan(0.03);
  for (const each of [cpu!, device!, models.cpu, models.device]) each.dispose();
});
