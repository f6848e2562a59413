// The numbers recorded from the original implementation. A part of them lies in test/fixtures/fairseq (recorded by
// nobody here: copied, see its README); all of them in ../shared/fixtures/fairseq, where that directory is there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Packed, PackedBatch } from '../../lib/native/contract.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const copies = join(root, 'test/fixtures/fairseq');
const originals = join(root, '../shared/fixtures/fairseq');

export type FixtureArray = Float32Array | Float64Array | BigInt64Array;

export interface FixtureTensor {
  shape: number[];
  data: FixtureArray;
}

const arrays = { F32: Float32Array, F64: Float64Array, I64: BigInt64Array } as const;

/** The original where it is, else the copy, else null. */
export function fixturePath(name: string): string | null {
  const found = [originals, copies]
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
  return found ?? null;
}

/** All tensors of a fixture by name; null when neither the original nor a copy is there. */
export function fixture(name: string): Map<string, FixtureTensor> | null {
  const path = fixturePath(`${name}.safetensors`);
  if (path === null) return null;
  const bytes = readFileSync(path);
  const headerSize = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerSize)) as Record<
    string,
    { dtype: keyof typeof arrays; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, FixtureTensor>();
  for (const [key, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const [begin, end] = data_offsets.map((offset) => 8 + headerSize + offset) as [number, number];
    const copy = bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + end);
    tensors.set(key, { shape, data: new arrays[dtype](copy as ArrayBuffer) });
  }
  return tensors;
}

/** The floats of a tensor under a name that must be there. */
export function floats(tensors: Map<string, FixtureTensor>, name: string): Float32Array | Float64Array {
  const tensor = tensors.get(name);
  if (tensor === undefined || tensor.data instanceof BigInt64Array)
    throw new Error(`no floats named ${name}`);
  return tensor.data;
}

export const scalar = (tensors: Map<string, FixtureTensor>, name: string): number =>
  floats(tensors, name)[0]!;

const padding = 1;

/** Rows of a padded [B,L] tensor without their padding. */
export function ragged(tensor: FixtureTensor): Int32Array[] {
  const [rows, length] = tensor.shape as [number, number];
  const values = Array.from(tensor.data, Number);
  return Array.from({ length: rows }, (_, row) =>
    Int32Array.from(values.slice(row * length, (row + 1) * length).filter((token) => token !== padding)),
  );
}

export function pack(sequences: readonly Int32Array[]): Packed {
  const offsets = new Int32Array(sequences.length + 1);
  sequences.forEach((sequence, i) => {
    offsets[i + 1] = offsets[i]! + sequence.length;
  });
  const tokens = new Int32Array(offsets.at(-1)!);
  sequences.forEach((sequence, i) => {
    tokens.set(sequence, offsets[i]!);
  });
  return { tokens, offsets };
}

/** Batch b0, b1 or b2, packed. */
export function fixtureBatch(batches: Map<string, FixtureTensor>, name: string): PackedBatch {
  const of = (key: string) => pack(ragged(batches.get(`${name}/${key}`)!));
  return { source: of('src_tokens'), target: of('target') };
}

/** The rows of a padded [B,T,V] tensor at which the padded [B,T] target is real. */
export function realRows(padded: FixtureTensor, target: FixtureTensor): Float64Array {
  const classes = padded.shape.at(-1)!;
  const rows = Array.from(target.data, Number).flatMap((token, row) => (token === padding ? [] : [row]));
  const values = new Float64Array(rows.length * classes);
  rows.forEach((row, i) => {
    values.set(Array.from(padded.data.slice(row * classes, (row + 1) * classes), Number), i * classes);
  });
  return values;
}

/** Largest difference relative to the largest magnitude of the truth. */
export function relativeError(actual: ArrayLike<number>, truth: ArrayLike<number>): number {
  if (actual.length !== truth.length) throw new Error(`${actual.length} values against ${truth.length}`);
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < truth.length; i++) {
    const d = Math.abs(actual[i]! - truth[i]!);
    if (!(d <= difference)) difference = d;
    magnitude = Math.max(magnitude, Math.abs(truth[i]!));
  }
  return magnitude > 0 ? difference / magnitude : difference;
}

/** The configuration of every model of the fixtures. */
export const fixtureModel = {
  vocabSize: 40,
  embedDim: 32,
  ffnDim: 64,
  heads: 4,
  encoderLayers: 2,
  decoderLayers: 2,
  dropout: 0,
  attentionDropout: 0,
  activationDropout: 0,
  norm: 'post',
  activation: 'relu',
  shareEmbeddings: 'all',
  maxPositions: 64,
} as const;
