/** The batches of IWSLT'14 for benchmarks: real lengths (benchmarks/iwslt14/batches.txt), random tokens. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../native/binding.js';
import type { Packed } from '../native/contract.js';

export const vocabSize = 10_152;

/** The lengths in tokens, eos included, of a batch's pairs. */
export interface BatchLengths {
  source: number[];
  target: number[];
}

/** In the order of an epoch. */
export function readBatches(
  file: string | URL = join(packageRoot, 'benchmarks/iwslt14/batches.txt'),
): BatchLengths[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const batch: BatchLengths = { source: [], target: [] };
      for (const entry of line.split(' ')) {
        const [source, target, pairs] = entry.split(':').map(Number) as [number, number, number];
        for (let i = 0; i < pairs; i++) {
          batch.source.push(source);
          batch.target.push(target);
        }
      }
      return batch;
    });
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
export const tokensOf = (batch: BatchLengths): number => sum(batch.source) + sum(batch.target);

/** Every k-th batch by size, `count` of them: a sample with the sizes of the whole epoch. */
export function stratified<T extends BatchLengths>(batches: readonly T[], count: number): T[] {
  const sorted = batches.toSorted((a, b) => tokensOf(a) - tokensOf(b));
  const step = sorted.length / count;
  return Array.from(
    { length: Math.min(count, sorted.length) },
    (_, i) => sorted[Math.floor((i + 0.5) * Math.max(step, 1))]!,
  );
}

/** The batches that step times are measured on: stratified(), mixed so that neighbors differ in size. */
export function sampleBatches<T extends BatchLengths>(batches: readonly T[], count: number): T[] {
  const sorted = stratified(batches, count);
  const step = mixingStep(sorted.length);
  return sorted.map((_, i) => sorted[(step * i) % sorted.length]!);
}

/** Somewhat over half of n, without a common divisor: i·step mod n visits every place once, neighbors far apart. */
function mixingStep(n: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = Math.round(0.58 * n);
  while (divisor(step, n) !== 1) step++;
  return step;
}

/**
 * Source lengths of a validation set of the published size: the published split takes every 23rd pair of the same
 * corpus, so every 22nd of the training pairs by length stands for it.
 */
export function validationLengths(batches: readonly BatchLengths[], sentences = 7283): number[] {
  const lengths = batches.flatMap(({ source }) => source).sort((a, b) => a - b);
  return Array.from(
    { length: sentences },
    (_, i) => lengths[Math.floor(((i + 0.5) * lengths.length) / sentences)]!,
  );
}

/** Random tokens from a linear congruential generator; every sentence ends in eos (2). */
export function tokenSource(seed: number, types = vocabSize): (lengths: readonly number[]) => Packed {
  let state = seed >>> 0;
  return (lengths) => {
    const offsets = new Int32Array(lengths.length + 1);
    for (let i = 0; i < lengths.length; i++) offsets[i + 1] = offsets[i]! + lengths[i]!;
    const tokens = new Int32Array(offsets[lengths.length]!);
    for (let i = 0; i < lengths.length; i++) {
      for (let k = offsets[i]!; k < offsets[i + 1]! - 1; k++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        tokens[k] = 4 + ((state >>> 8) % (types - 4));
      }
      tokens[offsets[i + 1]! - 1] = 2;
    }
    return { tokens, offsets };
  };
}
