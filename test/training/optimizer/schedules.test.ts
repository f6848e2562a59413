// The learning rates against those of transformers, torch, fairseq and nanoGPT (test/fixtures/training/record_schedules.py).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { native } from '../../../lib/native/binding.js';
import type { NativeOptimizerOptions } from '../../../lib/native/contract.js';
import { parseConfig, trainSchema } from '../../../lib/options/index.js';
import { optimizerSchema } from '../../../lib/options/optimizer.js';
import { fingerprint } from '../../../lib/training/fingerprint.js';
import { nativeOptimizerOptions } from '../../../lib/training/optimizer/optimizer_options.js';

interface Case {
  name: string;
  options: Partial<NativeOptimizerOptions>;
  /** The first update that is compared: fairseq's very first has the rate of its second. */
  first: number;
  rates: number[];
}
const { cases } = JSON.parse(
  readFileSync(new URL('../../fixtures/training/schedules.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

const model = { parameterShapes: [] };
const train = { data: 'd', runDirectory: 'r' };

test.each(cases)('$name', ({ options, first, rates }) => {
  const optimizer = parseConfig(optimizerSchema, options, 'optimizer');
  const complete = nativeOptimizerOptions({ optimizer, maxUpdates: 7 }, model);
  expect(rates.length).toBeGreaterThan(100);
  for (const [done, rate] of rates.entries()) {
    if (done < first) continue;
    const own = native().learningRate(complete, done);
    // What is left at the end is the cancellation of 1 + cos π.
    expect(Math.abs(own - rate), `after ${done} updates: ${own} for ${rate}`).toBeLessThan(
      1e-12 * options.learningRate!,
    );
  }
});

test('totalUpdates 0 is maxUpdates of the run, and something must end a decay', () => {
  const optimizer = parseConfig(optimizerSchema, { schedule: 'linear', warmupUpdates: 0 }, 'optimizer');
  const at = (maxUpdates: number) =>
    native().learningRate(nativeOptimizerOptions({ optimizer, maxUpdates }, model), 50);
  expect(at(100)).toBeCloseTo(2.5e-4, 12);
  expect(at(200)).toBeCloseTo(3.75e-4, 12);
  expect(() => at(0)).toThrow('train.optimizer.totalUpdates: expected');
});

test.each([
  [{ schedule: 'constant', minimumLearningRate: 1e-5 }, 'minimumLearningRate'],
  [{ totalUpdates: 100 }, 'totalUpdates'],
  [{ schedule: 'linear', power: 2 }, 'power'],
  [{ schedule: 'linear', minimumLearningRate: 1 }, 'minimumLearningRate'],
  [{ schedule: 'cosine', totalUpdates: 100, warmupUpdates: 101 }, 'totalUpdates'],
  [{ layerDecay: 0 }, 'layerDecay'],
  [{ layerDecay: 1.1 }, 'layerDecay'],
])('%j is refused', (optimizer, name) => {
  expect(() => parseConfig(trainSchema, { ...train, optimizer }, 'train')).toThrow(
    `train.optimizer.${name}: `,
  );
});

test('a run whose new options are at their defaults has the fingerprint of one before them', () => {
  const config = parseConfig(trainSchema, train, 'train');
  const { minimumLearningRate, totalUpdates, power, weightDecayOn, layerDecay, freeze, ...before } =
    config.optimizer;
  const old = { ...config, optimizer: before } as typeof config;
  expect(fingerprint(config)).toBe(fingerprint(old));
  for (const changed of [{ power: 2 }, { freeze: ['embeddings'] }, { weightDecayOn: 'matrices' as const }])
    expect(fingerprint({ ...config, optimizer: { ...config.optimizer, ...changed } })).not.toBe(
      fingerprint(old),
    );
  expect([minimumLearningRate, totalUpdates, power, weightDecayOn, layerDecay, freeze]).toEqual([
    ...[0, 0, 1, 'all', 1, []],
  ]);
});
