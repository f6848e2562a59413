// Training on a GPU: the step and the curve against the CPU's, the same run twice, every precision.
import { beforeEach, expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { NativeMetrics, NativeOptimizerOptions, NativeRuntime } from '../../lib/native/contract.js';
import { largestDifference, modelOn, noCuda, randomPairs } from '../support/cuda_device.js';

const reason = noCuda();
beforeEach((context) => {
  if (reason !== null) context.skip(reason);
});
const optimizer: NativeOptimizerOptions = {
  schedule: 'inverse_sqrt',
  learningRate: 2e-3,
  warmupUpdates: 50,
  warmupInitLearningRate: 1e-7,
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-8,
  weightDecay: 1e-4,
  clipNorm: 1,
};
const loss = {
  direction: 'bi',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: 1,
  passReduction: 'sum',
} as const;

/** Trains and returns the metrics of every `every` updates, and what the parameters became. */
async function trained(
  device: NativeRuntime['device'],
  precision: NativeRuntime['precision'],
  updates: number,
  every: number,
) {
  const model = await modelOn(device, precision, { dropout: 0.3, embedDim: 64, ffnDim: 128 });
  const trainer = await native().Trainer.create(model, optimizer, loss);
  const metrics: NativeMetrics[] = [];
  let open: NativeMetrics[] = [];
  for (let update = 0; update < updates; update++) {
    const step = await trainer.step([randomPairs(12, 10, 40, update % 8)]);
    if (step.metrics !== null) open.push(step.metrics);
    if ((update + 1) % every > 0) continue;
    metrics.push(step.metrics === null ? await trainer.metrics() : sumOf(open));
    open = [];
  }
  const parameters = await model.parameters();
  trainer.dispose();
  model.dispose();
  return { metrics, parameters };
}

/** What metrics() tells of several steps. */
function sumOf(steps: NativeMetrics[]): NativeMetrics {
  const sum = { ...steps.at(-1)! };
  for (const name of ['loss', 'crossEntropy', 'nll', 'kl', 'tokens', 'steps', 'skipped'] as const)
    sum[name] = steps.reduce((total, step) => total + step[name], 0);
  return sum;
}

const lossPerToken = ({ loss, tokens }: NativeMetrics) => loss / tokens;

test("one update with dropout is the CPU's to 1e-4", async () => {
  const cpu = await trained('cpu', 'float32', 1, 1);
  const cuda = await trained('cuda', 'float32', 1, 1);
  expect(Math.abs(cuda.metrics[0]!.loss / cpu.metrics[0]!.loss - 1)).toBeLessThan(1e-4);
  expect(Math.abs(cuda.metrics[0]!.gradientNorm / cpu.metrics[0]!.gradientNorm - 1)).toBeLessThan(1e-4);
  expect(largestDifference(cuda.parameters, cpu.parameters)).toBeLessThan(1e-4);
});

test("200 updates follow the CPU's curve", async () => {
  const cpu = await trained('cpu', 'float32', 200, 20);
  const cuda = await trained('cuda', 'float32', 200, 20);
  expect(cuda.metrics.length).toBe(10);
  cpu.metrics.forEach((expected, i) => {
    expect(
      Math.abs(lossPerToken(cuda.metrics[i]!) / lossPerToken(expected) - 1),
      `interval ${i}`,
    ).toBeLessThan(0.01);
  });
  expect(lossPerToken(cuda.metrics.at(-1)!)).toBeLessThan(0.8 * lossPerToken(cuda.metrics[0]!));
});

test.each(['tf32', 'bfloat16', 'float16'] as const)('%s trains as float32 does', async (precision) => {
  const single = await trained('cuda', 'float32', 200, 40);
  const other = await trained('cuda', precision, 200, 40);
  single.metrics.forEach((expected, i) => {
    expect(
      Math.abs(lossPerToken(other.metrics[i]!) / lossPerToken(expected) - 1),
      `interval ${i}`,
    ).toBeLessThan(0.05);
  });
});

test.each(['float32', 'bfloat16', 'float16'] as const)(
  'two runs in %s are the same bit by bit',
  async (precision) => {
    const [first, second] = [
      await trained('cuda', precision, 40, 10),
      await trained('cuda', precision, 40, 10),
    ];
    expect(second.metrics.map(({ loss, gradientNorm }) => [loss, gradientNorm])).toEqual(
      first.metrics.map(({ loss, gradientNorm }) => [loss, gradientNorm]),
    );
    for (const [name, values] of first.parameters) {
      expect(Buffer.from(values.buffer).equals(Buffer.from(second.parameters.get(name)!.buffer)), name).toBe(
        true,
      );
    }
  },
);
