// A whole run on a device, under the emulated grid: what the training loop does with steps that it does not wait for.
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { native } from '../../lib/native/binding.js';
import { Trainer } from '../../lib/training/trainer.js';
import { emulatedDevice, noEmulatedDevice } from '../support/emulated_device.js';
import {
  fitAll,
  makeReversalData,
  metricsOf,
  modelBytes,
  tinyOptions,
  trainAll,
  workplace,
} from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
beforeAll(async () => {
  expect(noEmulatedDevice).toBeNull();
  place = await workplace();
  data = join(place.path, 'data');
  await makeReversalData(data, { train: 40, valid: 4, test: 4 });
});
afterAll(() => place.remove());

/** Where models are made from now on; whoever makes them believes in the CPU. */
let device: 'cpu' | typeof emulatedDevice = 'cpu';
const create = native().Transformer.create;
beforeEach(() => {
  vi.spyOn(native().Transformer, 'create').mockImplementation((config, runtime) =>
    create(config, { ...runtime, device }),
  );
});
afterEach(() => {
  vi.restoreAllMocks();
  device = 'cpu';
});

const options = (name: string) => ({
  ...tinyOptions(data, join(place.path, name)),
  model: { embedDim: 8, ffnDim: 16, heads: 1, encoderLayers: 1, decoderLayers: 1, dropout: 0.1 },
  batches: { maxTokens: 64 },
  maxUpdates: 5,
  logInterval: 2,
  validation: { interval: 4, metric: 'loss' as const },
  test: { beam: { beam: 2, maxLenB: 4 } },
});

test('gives the metrics that the CPU gives, reading them when a line is due', async () => {
  await trainAll(options('cpu'));
  device = emulatedDevice;
  const reads = vi.fn();
  const createTrainer = native().Trainer.create;
  vi.spyOn(native().Trainer, 'create').mockImplementation(async (...given) => {
    const trainer = await createTrainer(...given);
    const metrics = trainer.metrics.bind(trainer);
    trainer.metrics = () => {
      reads();
      return metrics();
    };
    return trainer;
  });
  await trainAll(options('device'));
  const timeless = (lines: Record<string, unknown>[]) =>
    lines.map((line) => Object.entries(line).filter(([key]) => !/econd/.test(key)));
  const [actual, expected] = [
    timeless(await metricsOf(join(place.path, 'device'))),
    timeless(await metricsOf(join(place.path, 'cpu'))),
  ];
  expect(actual.length).toBe(expected.length);
  for (const [i, line] of expected.entries()) {
    for (const [j, [key, value]] of line.entries()) {
      const told = actual[i]![j]!;
      expect(told[0]).toBe(key);
      if (typeof value === 'number') expect(told[1], `line ${i}, ${key}`).toBeCloseTo(value, 4);
      else expect(told[1]).toBe(value);
    }
  }
  // After updates 2 and 4 for their lines, after 5 for the last one; a checkpoint finds nothing unread.
  expect(reads).toHaveBeenCalledTimes(3);
});

test('goes on from a checkpoint bit for bit', async () => {
  device = emulatedDevice;
  await trainAll(options('whole'));
  const stopped = options('stopped');
  await trainAll({ ...stopped, maxUpdates: 3 });
  using trainer = await Trainer.resume(stopped.runDirectory, { maxUpdates: 5 });
  await fitAll(trainer);
  expect(await modelBytes(stopped.runDirectory)).toEqual(await modelBytes(join(place.path, 'whole')));
});

test('step() waits for its own metrics', async () => {
  device = emulatedDevice;
  using trainer = await Trainer.create(options('steps'));
  const batch = { source: [Int32Array.of(4, 5, 2)], target: [Int32Array.of(6, 2)] };
  const step = await trainer.step(batch);
  expect(step).toMatchObject({ update: 1, tokens: 2, pairs: 1, sourceTokens: 3, skipped: false });
  expect(step.loss).toBeGreaterThan(0);
  expect(step.gradientNorm).toBeGreaterThan(0);
});
