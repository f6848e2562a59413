// Whole runs of each task on a device, under the emulated grid, against the CPU: training with dropout, evaluation, predictions, texts
// and resumption. As test/training/device_run.test.ts, which has translation.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Generator } from '../../lib/generation/generator.js';
import { native } from '../../lib/native/binding.js';
import { evaluateRun } from '../../lib/prediction/evaluate_run.js';
import { Predictor } from '../../lib/prediction/predictor.js';
import { Trainer } from '../../lib/training/trainer.js';
import { emulatedDevice, noEmulatedDevice } from '../support/emulated_device.js';
import { fitAll, metricsOf, modelBytes, trainAll, workplace } from '../training/tiny_run.js';
import { makeTaskData, type TinyTask, taskOptions, tinyTasks } from './tiny_tasks.js';

let place: Awaited<ReturnType<typeof workplace>>;
beforeAll(async () => {
  expect(noEmulatedDevice).toBeNull();
  await native().setThreads(1);
  place = await workplace();
});
afterAll(() => place.remove());

/** Where models are made from now on; whoever makes them believes in the CPU. */
let device: 'cpu' | typeof emulatedDevice = 'cpu';
let made = 0;
const create = native().Transformer.create;
beforeEach(() => {
  vi.spyOn(native().Transformer, 'create').mockImplementation((config, runtime) => {
    if (device !== 'cpu') made++;
    return create(config, { ...runtime, device });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  device = 'cpu';
});

/** The same on the CPU and on the device. */
async function onBoth<T>(work: (where: 'cpu' | 'device') => Promise<T>): Promise<{ cpu: T; device: T }> {
  device = 'cpu';
  const cpu = await work('cpu');
  device = emulatedDevice;
  const before = made;
  const found = await work('device');
  expect(made, 'models on the device').toBeGreaterThan(before);
  return { cpu, device: found };
}

/** Everything that is no number is the same, and every number nearly, but for times. */
function expectClose(actual: unknown, expected: unknown, where: string): void {
  if (typeof expected === 'number') {
    expect(actual, where).toBeCloseTo(expected, 4);
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(actual as object), where).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected))
      if (!/econd/.test(key)) expectClose((actual as Record<string, unknown>)[key], value, `${where}.${key}`);
  } else {
    expect(actual, where).toEqual(expected);
  }
}

const texts = ['red apple stone', 'a bird river green house', 'blue'];

describe.each(tinyTasks)('%s', (task: TinyTask) => {
  let data: string;
  const run = (name: string) => join(place.path, task, name);
  const options = (name: string) => {
    const usual = taskOptions(task, data, run(name));
    const dropouts = { dropout: 0.2, attentionDropout: 0.1, activationDropout: 0.1 };
    const small = { embedDim: 8, ffnDim: 16, heads: 1, maxPositions: 32, initialization: 'fairseq' as const };
    const layers = task === 'language-model' ? { decoderLayers: 1 } : { encoderLayers: 1, headDropout: 0.2 };
    return {
      ...usual,
      // Where all predictions are nearly the same, as with BERT's small first weights, a correlation is that of rounding.
      model: { ...usual.model, ...small, ...dropouts, ...layers },
      batches: { ...usual.batches, maxTokens: 64 },
      maxUpdates: 5,
      logInterval: 2,
      validation: { interval: 4 },
    };
  };
  beforeAll(async () => {
    data = await makeTaskData(run('made'), task, { train: 40, valid: 8, test: 8 });
  });

  test('training has the metrics and the result of the CPU', async () => {
    const found = await onBoth(async (where) => {
      await trainAll(options(where));
      const result = JSON.parse(readFileSync(join(run(where), 'result.json'), 'utf8'));
      return { metrics: await metricsOf(run(where)), scores: result.scores, best: result.validScore };
    });
    expect(found.cpu.metrics.filter(({ type }) => type === 'validation').length).toBe(2);
    expectClose(found.device, found.cpu, task);
  });

  test('evaluation has its figures', async () => {
    for (const split of ['test', 'valid'] as const) {
      const found = await onBoth(
        async () => (await evaluateRun(run('device'), { threads: 1, split })).scores,
      );
      expect(found.cpu.length).toBeGreaterThan(2);
      expectClose(found.device, found.cpu, split);
    }
  });

  if (task === 'language-model')
    test('greedy texts are the same, drawn ones and those of beam search too', async () => {
      for (const way of [{ greedy: true }, { temperature: 0.8, topK: 5 }, { beam: 3 }]) {
        const found = await onBoth(async () => {
          await using generator = await Generator.load(run('device'), { threads: 1 });
          return await generator.generate(['', ...texts], { ...way, maxTokens: 12 });
        });
        expect(found.device.map(({ text }) => text)).toEqual(found.cpu.map(({ text }) => text));
        expectClose(
          found.device.map(({ logProbabilities }) => [...logProbabilities]),
          found.cpu.map(({ logProbabilities }) => [...logProbabilities]),
          'log-probabilities',
        );
      }
    });
  else
    test('predictions are the same', async () => {
      const found = await onBoth(async () => {
        await using predictor = await Predictor.load(run('device'), { threads: 1 });
        return await predictor.predict(texts);
      });
      expect(found.cpu.length).toBe(texts.length);
      expectClose(found.device, found.cpu, 'predictions');
    });

  test('goes on from a checkpoint bit for bit', async () => {
    device = emulatedDevice;
    const stopped = options('stopped');
    await trainAll({ ...stopped, maxUpdates: 3 });
    using trainer = await Trainer.resume(stopped.runDirectory, { maxUpdates: 5 });
    await fitAll(trainer);
    expect((await modelBytes(run('stopped'))).equals(await modelBytes(run('device')))).toBe(true);
  });
});
