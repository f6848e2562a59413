// The recipes of examples/ do what they say.
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Trainer } from '../../lib/training/trainer.js';
import { scratchDirectory } from '../support/scratch.js';
import { makeReversalData } from '../training/tiny_run.js';

test('a classifier on logits of its own learns by the gradient of rdropLossSync', async () => {
  vi.spyOn(console, 'log').mockImplementation(() => {});
  const { losses, heldAccuracy } = await import('../../examples/classifier.js');
  // Before the first step every class is as likely, in both passes.
  expect(losses[0]).toBeCloseTo(2 * Math.log(3), 12);
  expect(losses.at(-1)!).toBeLessThan(0.75 * losses[0]!);
  expect(heldAccuracy).toBeGreaterThan(0.85);
});

test('a loop of loadCorpus, planBatches and step makes the updates that fit() makes', async () => {
  const directory = scratchDirectory();
  const data = join(directory, 'data');
  await makeReversalData(data);
  vi.spyOn(console, 'log').mockImplementation(() => {});
  const argv = process.argv;
  process.argv = [...argv.slice(0, 2), data, join(directory, 'custom')];
  let losses: number[];
  try {
    ({ losses } = await import('../../examples/custom_loop.js'));
  } finally {
    process.argv = argv;
  }
  expect(losses.length).toBeGreaterThan(4);
  const trainer = await Trainer.create({
    preset: 'tiny',
    ...{ data, runDirectory: join(directory, 'fit'), seed: 63, batches: { maxTokens: 256, multipleOf: 8 } },
    ...{ maxUpdates: losses.length, logInterval: 1 },
  });
  const expected: number[] = [];
  for await (const event of trainer.fit()) if (event.type === 'train') expected.push(event.loss);
  trainer.dispose();
  expect(losses).toEqual(expected);
});
