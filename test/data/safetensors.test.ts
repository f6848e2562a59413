import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type Tensor,
} from '../../lib/data/safetensors/safetensors.js';

const fixture = fileURLToPath(new URL('../fixtures/data/python.safetensors', import.meta.url));
const python = readFileSync(fixture);
/** What test/fixtures/data/record.py wrote. */
const tensors = new Map<string, Tensor>([
  ['z.weight', { shape: [2, 3], data: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25) }],
  ['ä', { shape: [2], data: Float64Array.of(1e-300, -2.5) }],
  ['ids', { shape: [3, 1], data: Int32Array.of(1, -2, 3) }],
  ['10', { shape: [], data: Float32Array.of(7.5) }],
  ['9', { shape: [0, 4], data: new Float32Array(0) }],
  ['big', { shape: [1], data: BigInt64Array.of(2n ** 53n + 1n) }],
]);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rdrop-safetensors-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A file with this header and so many bytes of data. */
function file(header: unknown, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = Buffer.alloc(8 + json.length + dataBytes);
  bytes.writeBigUInt64LE(BigInt(json.length));
  json.copy(bytes, 8);
  return bytes;
}

describe('safetensors', () => {
  it("reads Python's file", async () => {
    const read = await readSafetensors(fixture);
    expect(read.metadata).toEqual({ format: 'pt' });
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
  });

  it("writes Python's file, byte for byte", () => {
    const written = Buffer.concat(encodeSafetensors(tensors, { format: 'pt' }));
    expect(written.equals(python)).toBe(true);
  });

  it('reads from an odd place in memory', () => {
    const shifted = new Uint8Array(python.length + 1);
    shifted.set(python, 1);
    expect(decodeSafetensors(shifted.subarray(1), 'x').tensors.get('z.weight')).toEqual(
      tensors.get('z.weight'),
    );
  });

  it('refuses a shape that does not fit', () => {
    const wrong = new Map([['a', { shape: [2], data: new Float32Array(3) }]]);
    expect(() => encodeSafetensors(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('refuses every truncation of a file', () => {
    for (let length = 0; length < python.length; length++) {
      expect(() => decodeSafetensors(python.subarray(0, length), 'cut')).toThrow(
        expect.objectContaining({ code: 'CHECKPOINT_CORRUPT', message: expect.stringMatching(/^cut: /) }),
      );
    }
  });

  const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  it.each([
    ['two tensors that overlap', file({ a: f32(0, 8), b: f32(4, 12) }, 12), 'CHECKPOINT_CORRUPT', /overlap/],
    ['a hole', file({ a: f32(0, 8), b: f32(12, 16) }, 16), 'CHECKPOINT_CORRUPT', /hole/],
    ['bytes behind the last tensor', file({ a: f32(0, 8) }, 9), 'CHECKPOINT_CORRUPT', /expected 8 bytes/],
    ['a shape of another size', file({ a: f32(0, 8, [3]) }, 8), 'CHECKPOINT_CORRUPT', /shape \[3\]/],
    ['a huge header', Buffer.from('ffffffffffffff7f00', 'hex'), 'MALFORMED_FILE', /header/],
    ['a header that is not JSON', file('{"a":', 0), 'MALFORMED_FILE', /not JSON/],
    ['a header that is a list', file('[1]', 0), 'MALFORMED_FILE', /not an object/],
    ['an unknown type', file({ a: { ...f32(0, 4), dtype: 'F8' } }, 4), 'MALFORMED_FILE', /tensor a.*"F8"/],
    ['a negative size', file({ a: f32(0, 4, [-1]) }, 4), 'MALFORMED_FILE', /shape/],
    ['one offset', file({ a: { ...f32(0, 4), data_offsets: [0] } }, 4), 'MALFORMED_FILE', /data_offsets/],
  ])('refuses %s', async (_, bytes, code, message) => {
    const path = join(directory, 'bad.safetensors');
    await writeFile(path, bytes);
    await expect(readSafetensors(path)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    await expect(readSafetensors(path)).rejects.toThrow(path);
  });

  it('says that a file is not there', async () => {
    await expect(readSafetensors(join(directory, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
