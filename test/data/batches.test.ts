import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/binding.js';
import { planBatches } from '../../lib/data/batches.js';

const iwslt = join(packageRoot, '..', 'shared', 'data', 'iwslt14');

async function lengthsOf(side: string): Promise<Int32Array> {
  const bytes = gunzipSync(await readFile(join(iwslt, `train.${side}.lengths.u16.gz`)));
  return Int32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
}

const sum = (values: Iterable<number>) => Array.from(values).reduce((a, b) => a + b, 0);

describe('planBatches', () => {
  it.each([1, 64])("cuts IWSLT'14 into the published 1,102 batches (seed %i)", async (seed) => {
    const source = await lengthsOf('source');
    const target = await lengthsOf('target');
    const batches = planBatches(source, target, { maxTokens: 4096, multipleOf: 8, seed, epoch: 1 });
    expect(batches.length).toBe(1102);
    expect(sum(target) / batches.length).toBeCloseTo(3583.588, 3);
    expect(source.length / batches.length).toBeCloseTo(145.407, 3);
    expect(sum(batches.map((batch) => batch.length))).toBe(160_239);
    expect(existsSync(iwslt)).toBe(true);
  });
});
