// Schedules, layer-wise rates and frozen parameters in a run, from its options to its files.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../../lib/data/safetensors/safetensors.js';
import { Transformer } from '../../../lib/model/transformer.js';
import type { TrainOptions } from '../../../lib/options/index.js';
import { Trainer } from '../../../lib/training/trainer.js';
import {
  fitAll,
  makeReversalData,
  metricsOf,
  modelBytes,
  tinyOptions,
  trainAll,
  workplace,
} from '../tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(join(place.path, 'data'));
});
afterAll(() => place.remove());

const options = (name: string, changes: Partial<TrainOptions> = {}): TrainOptions => ({
  ...tinyOptions(join(place.path, 'data'), join(place.path, name)),
  precision: 'float32',
  logInterval: 1,
  ...changes,
  optimizer: {
    ...{ schedule: 'cosine', learningRate: 5e-3, warmupUpdates: 4, warmupInitLearningRate: 0 },
    ...{
      minimumLearningRate: 1e-3,
      clipNorm: 1,
      weightDecay: 0.1,
      weightDecayOn: 'matrices',
      layerDecay: 0.8,
    },
    ...{ freeze: ['embeddings', 'encoder.layers.0.self_attn'] },
    ...changes.optimizer,
  },
});

describe('a run', () => {
  it('follows its schedule, leaves frozen parameters as they were, and continues as if it had not been interrupted', async () => {
    const whole = options('whole', {
      maxUpdates: 12,
      validation: { interval: 6, metric: 'loss', beam: { beam: 1 } },
    });
    await trainAll(whole);
    const rates = (await metricsOf(whole.runDirectory))
      .filter(({ type }) => type === 'train')
      .map(({ learningRate }) => learningRate as number);
    const cosine = (done: number) => 1e-3 + 0.5 * (1 + Math.cos((Math.PI * (done - 4)) / 8)) * 4e-3;
    const expected = [0, 1, 2, 3]
      .map((done) => (5e-3 * done) / 4)
      .concat([4, 5, 6, 7, 8, 9, 10, 11].map(cosine));
    expect(rates.length).toBe(12);
    for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[i]!, 9);

    const path = join(whole.runDirectory, 'checkpoints', 'last', 'model.safetensors');
    const { tensors } = await readSafetensors(path);
    using fresh = await Transformer.create((await Transformer.load(path)).config, {
      seed: 3,
      device: 'cpu',
      precision: 'float32',
    });
    const before = await fresh.parameters();
    for (const [name, { data }] of tensors) {
      const frozen = name.includes('embed_tokens') || name.startsWith('encoder.layers.0.self_attn.');
      const same = Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(
        Buffer.from(before.get(name)!.data.buffer),
      );
      expect(same, name).toBe(frozen);
    }

    const parts = { ...whole, runDirectory: join(place.path, 'parts') };
    const first = await Trainer.create(parts);
    for await (const _ of first.fit({ pauseAt: 6 }));
    first.dispose();
    const rest = await Trainer.resume(parts.runDirectory);
    await fitAll(rest);
    rest.dispose();
    expect((await modelBytes(parts.runDirectory)).equals(await modelBytes(whole.runDirectory))).toBe(true);
  });

  it.each([
    [
      'freeze',
      { freeze: ['encoder.layers.7'] },
      {},
      'train.optimizer.freeze[0]: expected a name of a parameter',
    ],
    [
      'totalUpdates',
      {},
      { maxUpdates: 0, maxEpochs: 1 },
      'train.optimizer.totalUpdates: expected the updates',
    ],
  ])('whose %s does not fit is refused before anything is made', async (name, optimizer, limits, message) => {
    const given = options(`refused-${name}`, { ...limits, optimizer });
    await expect(Trainer.create(given)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(message),
    });
    expect(existsSync(given.runDirectory)).toBe(false);
    expect(readdirSync(place.path)).not.toContain(`refused-${name}`);
  });
});
