// Options of the loss in the training step: on the CPU against the loss of the logits alone, and on a device, under the emulated
// grid, against the CPU. A recorded step is replayed with other batches: how many positions one has is no part of the recording.
import { beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../../lib/native/binding.js';
import type { NativeLossOptions, NativeOptimizerOptions } from '../../../lib/native/contract.js';
import { formulaOf, lossOf, networkNamed, randomBatchOf } from '../../support/compositions.js';
import { emulatedDevice, noEmulatedDevice } from '../../support/emulated_device.js';
import { relativeError } from '../../support/fixtures/fairseq_fixtures.js';

beforeAll(() => {
  expect(noEmulatedDevice).toBeNull();
  return native().setThreads(1);
});

const optimizer: NativeOptimizerOptions = {
  ...{ schedule: 'constant', learningRate: 1e-3, warmupUpdates: 0, warmupInitLearningRate: 0 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0, clipNorm: 0 },
};

const weights = (count: number) => Float64Array.from({ length: count }, (_, v) => 0.25 + (v % 3));

type More = (outputs: number) => Partial<NativeLossOptions>;
const cases: [string, string, More][] = [
  ['one pass', 'BERT', () => ({ passes: 1, alpha: 0 })],
  ['a summed KL', 'BERT', () => ({ klReduction: 'sum', direction: 'bi', alpha: 0.5 })],
  ['weights of classes', 'BERT', (outputs) => ({ classWeights: weights(outputs) })],
  ['one weighted pass', 'BERT', (outputs) => ({ passes: 1, alpha: 0, classWeights: weights(outputs) })],
  ['everything', 'BERT', (outputs) => ({ klReduction: 'sum', alpha: 0.3, classWeights: weights(outputs) })],
  ['one pass of a language model', 'GPT', () => ({ passes: 1, alpha: 0 })],
  ['a summed KL of a language model', 'GPT', () => ({ klReduction: 'sum', alpha: 0.1 })],
];

describe.each(cases)('%s', (_, name, more) => {
  const { config, options } = networkNamed(name);
  const outputs = config.outputs ?? config.vocabSize;
  const loss: NativeLossOptions = { ...lossOf(options), ...more(outputs) };
  const withDropout = { ...config, dropout: 0.2 };

  async function models() {
    const cpu = await native().Transformer.create(withDropout, {
      seed: 3,
      device: 'cpu',
      precision: 'float64',
    });
    const device = await native().Transformer.create(withDropout, {
      ...{ seed: 3, precision: 'float32' },
      device: emulatedDevice,
    });
    const single = new Map([...formulaOf(cpu)].map(([key, values]) => [key, Float32Array.from(values)]));
    await device.setParameters(single);
    await cpu.setParameters(new Map([...single].map(([key, values]) => [key, Float64Array.from(values)])));
    return { cpu, device };
  }

  test('is what the loss of the logits says', async () => {
    const { cpu, device } = await models();
    const batch = randomBatchOf(config, 5, 6);
    const off = { secondSource: null, training: false, update: 0 };
    const found = await cpu.lossAndGradients(batch, loss, off);
    const one = Array.from(await cpu.logits(batch));
    const logits = Float64Array.from(loss.passes === 1 ? one : [...one, ...one]);
    const truth = await native().rdropLoss(logits, outputs, batch.target.tokens, loss);
    for (const key of ['loss', 'crossEntropy', 'nll', 'tokens'] as const) {
      expect(relativeError([found[key]], [truth[key]]), key).toBeLessThan(1e-12);
    }
    cpu.dispose();
    device.dispose();
  });

  test('has a gradient by finite differences, its masks fixed', async () => {
    const { cpu, device } = await models();
    const batch = randomBatchOf(config, 6, 5);
    const on = { secondSource: null, training: true, update: 4 };
    const { gradients } = await cpu.lossAndGradients(batch, loss, on);
    const name = [...gradients.keys()].find((key) => key.endsWith('fc2.weight'))!;
    const parameter = (await cpu.parameters()).get(name)!;
    for (const place of [0, 7, parameter.length - 1]) {
      const at = async (offset: number) => {
        await cpu.write(name, place, place + 1, Float64Array.of(parameter[place]! + offset));
        return (await cpu.lossAndGradients(batch, loss, on)).loss;
      };
      const step = 1e-5;
      const slope = ((await at(step)) - (await at(-step))) / (2 * step);
      await at(0);
      expect(Math.abs(gradients.get(name)![place]! - slope)).toBeLessThan(1e-7 * (1 + Math.abs(slope)));
    }
    cpu.dispose();
    device.dispose();
  });

  test('trains on a device as on the CPU, batches of several sizes by one recording', async () => {
    const both = await models();
    const [cpu, device] = await Promise.all(
      [both.cpu, both.device].map((model) => native().Trainer.create(model, optimizer, loss)),
    );
    for (const batches of [
      [randomBatchOf(config, 1, 5)],
      [randomBatchOf(config, 2, 7)],
      [randomBatchOf(config, 3, 3)],
      [randomBatchOf(config, 4, 6), randomBatchOf(config, 5, 2)],
    ]) {
      const expected = (await cpu!.step(batches)).metrics!;
      await device!.step(batches);
      const metrics = await device!.metrics();
      for (const key of ['loss', 'crossEntropy', 'nll', 'gradientNorm', 'tokens'] as const) {
        expect(relativeError([metrics[key]], [expected[key]]), key).toBeLessThan(2e-5);
      }
      expect(Math.abs(metrics.kl - expected.kl) / expected.loss).toBeLessThan(1e-5);
      if (loss.passes === 1) expect(metrics.kl).toBe(0);
    }
    expect((await device!.metrics()).graphs).toBeGreaterThan(0);
    for (const each of [cpu!, device!, both.cpu, both.device]) each.dispose();
  });
});
