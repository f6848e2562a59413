import { expect, it } from 'vitest';
import { SentenceStore } from '../../lib/data/sentence_store.js';
import { BatchSource } from '../../lib/tasks/translation/batch_source.js';

it('batches of a SentenceStore are those of arrays, to the bit, in every epoch', () => {
  const sentences = (seed: number) =>
    Array.from({ length: 500 }, (_, i) =>
      Int32Array.from({ length: 1 + ((i * seed) % 37) }, (__, k) => 4 + ((i + k * seed) % 91)),
    );
  const arrays = { source: sentences(7919), target: sentences(104729) };
  const stores = { source: new SentenceStore(), target: new SentenceStore() };
  for (const side of ['source', 'target'] as const) for (const each of arrays[side]) stores[side].push(each);
  const plan = { maxTokens: 256, multipleOf: 8, accumulate: 2, seed: 63 };
  const [plain, packed] = [new BatchSource(arrays, plan), new BatchSource(stores, plan)];
  expect(packed.batchesPerEpoch).toBe(plain.batchesPerEpoch);
  for (const epoch of [1, 2]) {
    for (let first = 0; first < plain.batchesPerEpoch; first += plain.batchesPerUpdate) {
      expect(packed.at(epoch, first)).toEqual(plain.at(epoch, first));
    }
  }
});
