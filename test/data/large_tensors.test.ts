// Files and tensors around the limits of 2^31 and 2^32 bytes, where what reads or holds a file whole ends.
import { constants } from 'node:buffer';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { headerFor } from '../../lib/data/safetensors/header.js';
import {
  OpenSafetensors,
  readSafetensors,
  streamSafetensors,
} from '../../lib/data/safetensors/safetensors.js';
import { blocksOf, type StoredTensor } from '../../lib/data/safetensors/stored_tensor.js';
import { readJsonFile } from '../../lib/util/files/files.js';
import { sparseFile } from '../support/files/sparse_file.js';
import { scratchDirectory } from '../support/scratch.js';

const four = (value: number) => new Uint8Array(Float32Array.of(value).buffer);

/** A file whose first tensor has so many numbers, and behind it one of two. */
async function fileOf(size: number) {
  const path = join(scratchDirectory(), 'large.safetensors');
  const { header } = headerFor(
    new Map([
      ['a', { dtype: 'F32', shape: [size] }],
      ['z', { dtype: 'F32', shape: [2] }],
    ]),
    {},
  );
  const places = [0, 2 ** 29 - 2, 2 ** 29 - 1, 2 ** 29, 2 ** 30 - 1, 2 ** 30, size - 1, size, size + 1];
  const written = [...new Set(places.filter((at) => at < size + 2))];
  await sparseFile(path, header.length + 4 * size + 8, [
    [0, header],
    ...written.map((at) => [header.length + 4 * at, four(at % 1000)] as const),
  ]);
  return { path, written };
}

describe.each([
  ['just under 2^31 bytes', 2 ** 29 - 30],
  ['just over 2^31 bytes', 2 ** 29 + 3],
  ['just under 2^32 bytes', 2 ** 30 - 30],
  ['just over 2^32 bytes', 2 ** 30 + 3],
  ['2^33 bytes', 2 ** 31],
])('a safetensors file of %s', (_, size) => {
  it('is read by ranges, on both sides of every limit', async () => {
    const { path, written } = await fileOf(size);
    try {
      await using file = await OpenSafetensors.open(path);
      const a = file.tensors.get('a')!;
      expect(a).toMatchObject({ dtype: 'F32', shape: [size] });
      for (const at of written.filter((place) => place < size)) {
        const [begin, end] = [Math.max(0, at - 2), Math.min(size, at + 3)];
        const values = await a.read(begin, end);
        for (let place = begin; place < end; place++) {
          expect(values[place - begin], String(place)).toBe(written.includes(place) ? place % 1000 : 0);
        }
      }
      expect(await file.tensors.get('z')!.read(0, 2)).toEqual(
        Float32Array.of(size % 1000, (size + 1) % 1000),
      );
    } finally {
      await rm(path);
    }
  });
});

test('blocks cover a tensor of any size once, and none is larger than an array can be', () => {
  for (const size of [0, 1, 2 ** 22, 2 ** 22 + 1, 2 ** 31 + 5]) {
    let expected = 0;
    for (const [begin, end] of blocksOf(size)) {
      expect(begin).toBe(expected);
      expect(end - begin).toBeLessThanOrEqual(2 ** 22);
      expected = end;
    }
    expect(expected).toBe(size);
  }
});

test('what is written asks for one block after another', async () => {
  const asked: string[] = [];
  const huge = (name: string): StoredTensor => ({
    dtype: 'F32',
    shape: [2 ** 20, 2 ** 12],
    read: async (begin, end) => {
      asked.push(`${name} ${begin}`);
      return new Float32Array(end - begin);
    },
  });
  const pieces = streamSafetensors(
    new Map([
      ['b', huge('b')],
      ['a', huge('a')],
    ]),
  );
  const header = (await pieces.next()).value!;
  expect(JSON.parse(Buffer.from(header).subarray(8).toString())).toEqual({
    a: { dtype: 'F32', shape: [2 ** 20, 2 ** 12], data_offsets: [0, 2 ** 34] },
    b: { dtype: 'F32', shape: [2 ** 20, 2 ** 12], data_offsets: [2 ** 34, 2 ** 35] },
  });
  expect(asked).toEqual([]);
  for (let i = 0; i < 3; i++) expect((await pieces.next()).value).toHaveLength(2 ** 24);
  expect(asked).toEqual(['a 0', `a ${2 ** 22}`, `a ${2 ** 23}`]);
});

// A Node.js whose arrays may be longer would take the memory.
test.skipIf(constants.MAX_LENGTH > 2 ** 32)(
  'a tensor that no array can hold is reported, where a whole one is asked for',
  async () => {
    const path = join(scratchDirectory(), 'bytes.safetensors');
    const size = 2 ** 32 + 1;
    const { header } = headerFor(new Map([['a', { dtype: 'U8', shape: [size] }]]), {});
    await sparseFile(path, header.length + size, [[0, header]]);
    await expect(readSafetensors(path)).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringContaining('tensor a'),
    });
    await rm(path);
  },
);

test('files that are read whole are refused beyond the size that any of them has', async () => {
  const path = join(scratchDirectory(), 'config.json');
  await sparseFile(path, 2 ** 32, []);
  const expected = { code: 'TOO_LARGE', message: `${path}: expected at most 67108864 bytes, got 4294967296` };
  await expect(readJsonFile(path)).rejects.toMatchObject(expected);
  await rm(path);
});
