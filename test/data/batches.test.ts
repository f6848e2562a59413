import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupPairs, planBatches, shuffleBatches } from '../../lib/data/batches.js';
import { packageRoot } from '../../lib/native/binding.js';

const iwslt = join(packageRoot, '..', 'shared', 'data', 'iwslt14');

async function lengthsOf(side: string): Promise<Int32Array> {
  const bytes = gunzipSync(await readFile(join(iwslt, `train.${side}.lengths.u16.gz`)));
  return Int32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
}

const sum = (values: Iterable<number>) => Array.from(values).reduce((a, b) => a + b, 0);
const lists = (batches: Int32Array[]) => batches.map((batch) => [...batch]);
const lengths = (...values: number[]) => Int32Array.from(values);

describe("planBatches on IWSLT'14", () => {
  it.for([1, 64])('cuts it into the published 1,102 batches (seed %i)', async (seed, context) => {
    if (!existsSync(iwslt)) context.skip('../shared/data/iwslt14 is not there');
    const [source, target] = [await lengthsOf('source'), await lengthsOf('target')];
    const batches = planBatches(source, target, { maxTokens: 4096, multipleOf: 8, seed, epoch: 1 });
    expect(batches.length).toBe(1102);
    expect(sum(target) / batches.length).toBeCloseTo(3583.588, 3);
    expect(source.length / batches.length).toBeCloseTo(145.407, 3);
    expect(new Set(batches.flatMap((batch) => [...batch])).size).toBe(160_239);
  });

  it('orders them as the published logs did', async (context) => {
    const windows = join(iwslt, 'published_windows.csv.gz');
    if (!existsSync(windows)) context.skip('../shared/data/iwslt14 is not there');
    const [source, target] = [await lengthsOf('source'), await lengthsOf('target')];
    const [, ...rows] = gunzipSync(await readFile(windows))
      .toString()
      .trim()
      .split('\n');
    const bySeed = new Map<number, Int32Array[]>();
    for (const seed of [63, 64, 65]) {
      bySeed.set(seed, groupPairs(source, target, { maxTokens: 4096, multipleOf: 8, seed }));
    }
    const tokensOf = new Map<Int32Array, number>();
    for (const batch of [...bySeed.values()].flat()) {
      tokensOf.set(batch, sum(Array.from(batch, (pair) => target[pair]!)));
    }
    const wrong: string[] = [];
    let order: Int32Array[] = [];
    let ordered = '';
    for (const row of rows) {
      const [, seed, epoch, first, end, tokens, pairs] = row.split(',').map(Number) as number[];
      if (ordered !== `${seed}/${epoch}`) order = shuffleBatches(bySeed.get(seed!)!, seed!, epoch!);
      ordered = `${seed}/${epoch}`;
      const window = order.slice(first, end);
      const means = [window.map((batch) => tokensOf.get(batch)!), window.map((batch) => batch.length)].map(
        (values) => sum(values) / window.length,
      );
      // Printed with one decimal.
      const fits = [tokens!, pairs!].every((printed, i) => Math.abs(printed - means[i]!) <= 0.0501);
      if (!fits) wrong.push(`${row}: ${means}`);
    }
    expect(rows.length).toBe(16_320);
    expect(wrong).toEqual([]);
  });
});

interface Recorded {
  cases: {
    source: number[];
    target: number[];
    maxTokens: number;
    multipleOf: number;
    seed: number;
    epochs: Record<string, number[][]>;
  }[];
  /** Seed, epoch, SHA-256 of the batches. */
  iwslt14: Record<string, Record<string, string>>;
}
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/data/batches.json', import.meta.url), 'utf8'),
) as Recorded;

describe("against the batches of dropreg's fairseq", () => {
  it.each(recorded.cases)('pair by pair: seed $seed, $maxTokens tokens', (expected) => {
    const { source, target, maxTokens, multipleOf, seed, epochs } = expected;
    for (const [epoch, batches] of Object.entries(epochs)) {
      const options = { maxTokens, multipleOf, seed, epoch: Number(epoch), order: 'fairseq' } as const;
      expect(lists(planBatches(Int32Array.from(source), Int32Array.from(target), options))).toEqual(batches);
    }
  });

  it.for(Object.entries(recorded.iwslt14))(
    "IWSLT'14, seed %s: every pair of three epochs",
    async ([seed, epochs], context) => {
      if (!existsSync(iwslt)) context.skip('../shared/data/iwslt14 is not there');
      const [source, target] = [await lengthsOf('source'), await lengthsOf('target')];
      for (const [epoch, hash] of Object.entries(epochs)) {
        const options = { maxTokens: 4096, multipleOf: 8, seed: Number(seed), epoch: Number(epoch) };
        const text = lists(planBatches(source, target, options)).join('\n');
        expect(createHash('sha256').update(text).digest('hex'), `epoch ${epoch}`).toBe(hash);
      }
    },
  );
});

describe('planBatches', () => {
  const plan = { maxTokens: 12, multipleOf: 2, seed: 1, epoch: 1, order: 'sorted' } as const;

  it('cuts by hand', () => {
    // Sorted by source, then target: 1 4 0 3 2 5; measures 2 3 3 4 6 12.
    const source = lengths(3, 1, 5, 3, 2, 12);
    const target = lengths(2, 2, 6, 4, 3, 1);
    // [1 4] and [1 4 0] with 3 pairs is no multiple of 2, so 0 is the tail; with 3 it would be 4·4 > 12: [1 4] is
    // closed and [0 3] (8 tokens) opens the next; with 2 it would be 3·6 > 12, and 5 alone is full.
    expect(lists(planBatches(source, target, plan))).toEqual([[1, 4], [0, 3], [2], [5]]);
  });

  it('closes a tail that alone exceeds the limit', () => {
    // multipleOf 4: [0 1 2] is admissible (fewer than 4), [0 1 2 3] too; 4 and 5 are a tail of measure 3, and with 6,
    // of measure 5, both batch and tail (3·5 > 12) overflow: [0..3], [4 5], then 6 opens the next.
    const side = lengths(1, 1, 1, 1, 1, 1, 5, 5);
    expect(lists(planBatches(side, side, { ...plan, multipleOf: 4 }))).toEqual([
      [0, 1, 2, 3],
      [4, 5],
      [6, 7],
    ]);
  });

  it('keeps every pair once, within the limit, for any lengths', () => {
    const pair = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }));
    fc.assert(
      fc.property(
        fc.array(pair, { maxLength: 200 }),
        fc.integer({ min: 30, max: 200 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 1000 }),
        (pairs, maxTokens, multipleOf, seed) => {
          const source = Int32Array.from(pairs, ([s]) => s);
          const target = Int32Array.from(pairs, ([, t]) => t);
          const batches = planBatches(source, target, { maxTokens, multipleOf, seed, epoch: 2 });
          expect(batches.flatMap((batch) => [...batch]).sort((a, b) => a - b)).toEqual(
            pairs.map((_, i) => i),
          );
          for (const batch of batches) {
            const longest = Math.max(...Array.from(batch, (i) => Math.max(source[i]!, target[i]!)));
            expect(batch.length * longest).toBeLessThanOrEqual(maxTokens);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps to a number of pairs: batches of just so many, whatever multipleOf is', () => {
    const side = Int32Array.from({ length: 41 }, (_, i) => 1 + (i % 3));
    const plan = { maxTokens: 1000, multipleOf: 8, seed: null };
    const sizes = (maxSentences: number) =>
      groupPairs(side, side, { ...plan, maxSentences }).map((batch) => batch.length);
    expect(sizes(12)).toEqual([12, 12, 12, 5]);
    expect(sizes(0)).toEqual([40, 1]);
    const short = groupPairs(side, side, { ...plan, maxTokens: 9, maxSentences: 4 });
    for (const batch of short) {
      expect(batch.length).toBeLessThanOrEqual(4);
      expect(batch.length * Math.max(...Array.from(batch, (i) => side[i]!))).toBeLessThanOrEqual(9);
    }
    expect(short.flatMap((batch) => [...batch]).sort((a, b) => a - b)).toEqual([...side.keys()]);
  });

  it('depends on seed and epoch as fairseq does', () => {
    const side = Int32Array.from({ length: 300 }, (_, i) => 1 + (i % 7));
    const cut = (seed: number, epoch: number) =>
      lists(planBatches(side, side, { maxTokens: 40, multipleOf: 4, seed, epoch }));
    expect(cut(5, 1)).toEqual(cut(5, 1));
    expect(cut(5, 2)).not.toEqual(cut(5, 1));
    expect(cut(5, 2).sort()).toEqual(cut(5, 1).sort());
    expect(cut(6, 1).sort()).not.toEqual(cut(5, 1).sort());
  });

  it.each([
    ['a pair longer than a batch', lengths(3, 13), lengths(3, 3), plan, /pair 1: .*12 tokens.*got 13/],
    ['unequal counts', lengths(3), lengths(3, 3), plan, /got 2 and 1/],
    ['an unknown option', lengths(3), lengths(3), { ...plan, maxSentences: 3 }, /maxSentences/],
    ['a limit of 0', lengths(3), lengths(3), { ...plan, maxTokens: 0 }, /batches.maxTokens.*got 0/],
  ])('refuses %s', (_, source, target, options, message) => {
    expect(() => planBatches(source, target, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
