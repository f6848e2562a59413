// The batches of IWSLT'14 for benchmarks: real lengths (batches.txt), random tokens. peers/iwslt14.py makes the same.
import { readFileSync } from 'node:fs';

export const vocabSize = 10_152;

/** [{source, target}]: the lengths of each batch's pairs, in the order of an epoch. */
export function readBatches(file = new URL('batches.txt', import.meta.url)) {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const batch = { source: [], target: [] };
      for (const entry of line.split(' ')) {
        const [source, target, pairs] = entry.split(':').map(Number);
        for (let i = 0; i < pairs; i++) {
          batch.source.push(source);
          batch.target.push(target);
        }
      }
      return batch;
    });
}

export const sum = (values) => values.reduce((total, value) => total + value, 0);
export const tokensOf = (batch) => sum(batch.source) + sum(batch.target);

/** Every k-th batch by size, `count` of them: a sample with the sizes of the whole epoch. */
export function stratified(batches, count) {
  const sorted = batches.toSorted((a, b) => tokensOf(a) - tokensOf(b));
  const step = sorted.length / count;
  return Array.from(
    { length: Math.min(count, sorted.length) },
    (_, i) => sorted[Math.floor((i + 0.5) * Math.max(step, 1))],
  );
}

/** The batches that step times are measured on: stratified(), mixed so that neighbours differ in size. */
export function sampleBatches(batches, count) {
  const sorted = stratified(batches, count);
  // 37 shares no divisor with the counts in use, so that every batch comes once.
  return sorted.map((_, i) => sorted[(37 * i) % sorted.length]);
}

/**
 * Source lengths of a validation set of the published size: the published split takes every 23rd pair of the same
 * corpus, so every 22nd of the training pairs by length stands for it.
 */
export function validationLengths(batches, sentences = 7283) {
  const lengths = batches.flatMap(({ source }) => source).sort((a, b) => a - b);
  return Array.from(
    { length: sentences },
    (_, i) => lengths[Math.floor(((i + 0.5) * lengths.length) / sentences)],
  );
}

/** Random tokens from a linear congruential generator; every sentence ends in eos (2). */
export function tokenSource(seed, types = vocabSize) {
  let state = seed >>> 0;
  return (lengths) => {
    const offsets = new Int32Array(lengths.length + 1);
    for (let i = 0; i < lengths.length; i++) offsets[i + 1] = offsets[i] + lengths[i];
    const tokens = new Int32Array(offsets[lengths.length]);
    for (let i = 0; i < lengths.length; i++) {
      for (let k = offsets[i]; k < offsets[i + 1] - 1; k++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        tokens[k] = 4 + ((state >>> 8) % (types - 4));
      }
      tokens[offsets[i + 1] - 1] = 2;
    }
    return { tokens, offsets };
  };
}
