// What the format's own reader (the Rust crate behind Python's safetensors) takes and refuses.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Dtype, elementTypes, numbersOf } from '../../lib/data/safetensors/element_types.js';
import { headerLength, parseHeader } from '../../lib/data/safetensors/header.js';
import { decodeSafetensors, OpenSafetensors } from '../../lib/data/safetensors/safetensors.js';
import { RdropError } from '../../lib/util/errors.js';
import { scratchDirectory } from '../support/scratch.js';

const fixture = (name: string) =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../fixtures/data/${name}`, import.meta.url)), 'utf8'));

interface Verdict {
  name: string;
  file?: string;
  nested?: number;
  refused?: string;
  tensors?: Record<string, { dtype: string; shape: string[]; bytes: string }>;
  metadata?: Record<string, string>;
}
const verdicts: Verdict[] = fixture('headers.json').cases;

/** The one case that is too long to keep. */
function nestedFile(depth: number): Buffer {
  const header = `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":${'['.repeat(depth)}${']'.repeat(depth)}}}`;
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.from([0, 0, 0x80, 0x3f])]);
}

const bytesOf = ({ file, nested }: Verdict) =>
  file === undefined ? nestedFile(nested!) : Buffer.from(file, 'base64');

/** Of a file that is taken: the type, shape and bytes of each tensor, and the metadata. */
function ours(bytes: Buffer) {
  const length = headerLength(bytes.subarray(0, 8), bytes.length, 'x');
  const data = bytes.subarray(8 + length);
  const { extents, metadata } = parseHeader(bytes.subarray(8, 8 + length), data.length, 'x');
  const tensors = extents.map(({ name, dtype, shape, begin, end }) => [
    name,
    { dtype, shape: shape.map(String), bytes: data.subarray(begin, end).toString('base64') },
  ]);
  return { tensors: Object.fromEntries(tensors), metadata };
}

describe('headers as the Rust crate judges them', () => {
  it('there are many', () => {
    expect(verdicts.length).toBeGreaterThan(200);
  });

  it.each(verdicts.map((verdict) => [verdict.name, verdict] as const))('%s', async (_, verdict) => {
    const bytes = bytesOf(verdict);
    if (verdict.refused !== undefined) {
      expect(() => ours(bytes)).toThrow(RdropError);
      expect(() => ours(bytes)).toThrow(/^x: /);
      const path = join(scratchDirectory(), 'x.safetensors');
      await writeFile(path, bytes);
      await expect(OpenSafetensors.open(path)).rejects.toMatchObject({
        code: expect.stringMatching(/^(MALFORMED_FILE|CHECKPOINT_CORRUPT)$/),
        message: expect.stringContaining(path),
      });
      return;
    }
    const { tensors, metadata } = ours(bytes);
    // Compared as entries: __proto__ must be a member of its own.
    expect(Object.entries(metadata).sort()).toEqual(Object.entries(verdict.metadata!).sort());
    expect(Object.entries(tensors).sort()).toEqual(Object.entries(verdict.tensors!).sort());
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('numbers', () => {
  const { values } = fixture('small_types.json') as { values: Record<string, string[]> };

  it.each(Object.keys(values))('%s', (dtype) => {
    const bits = Array.from({ length: 256 }, (_, i) => i);
    const wide = elementTypes[dtype as Dtype].bits === 16;
    const bytes = new Uint8Array(
      (wide ? Uint16Array.from(bits, (i) => 257 * i) : Uint8Array.from(bits)).buffer,
    );
    const python = (text: string) => Number(text.replace('inf', 'Infinity').replace('nan', 'NaN'));
    expect([...(numbersOf(dtype as Dtype, bytes) as Float32Array)]).toEqual(
      values[dtype]!.map((text) => Math.fround(python(text))),
    );
  });

  it('of every type that an array holds, the others by name', () => {
    for (const verdict of verdicts.filter(({ name, refused }) => /^type: \w+$/.test(name) && !refused)) {
      const dtype = verdict.name.slice('type: '.length);
      if (/^(C64|F4|F6_)/.test(dtype)) {
        expect(() => decodeSafetensors(bytesOf(verdict), 'x')).toThrow(
          expect.objectContaining({
            code: 'MALFORMED_FILE',
            message: expect.stringContaining(`got ${dtype}`),
          }),
        );
        continue;
      }
      const { data } = decodeSafetensors(bytesOf(verdict), 'x').tensors.get('a')!;
      expect(data, dtype).toHaveLength(4);
      if (/^[IUB]/.test(dtype) && dtype !== 'BF16') {
        const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
        expect(bytes, dtype).toBe(verdict.tensors!['a']!.bytes);
      }
    }
  });
});
