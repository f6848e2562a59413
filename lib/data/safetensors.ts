import { readFile } from 'node:fs/promises';
import { RdropError } from '../errors.js';
import { fileError } from '../files.js';

/**
 * The safetensors format (github.com/huggingface/safetensors): the header's length as u64, little-endian; a JSON header
 * {name: {dtype, shape, data_offsets}}; then the tensors without holes. What is written equals, byte for byte, what
 * Python's safetensors writes for the same tensors.
 */
export type TensorData = Float32Array | Float64Array | Int32Array | BigInt64Array;

export interface Tensor {
  shape: readonly number[];
  data: TensorData;
}

export interface SafetensorsFile {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/** In the order in which the Python writer sorts its tensors. */
const types = [
  { dtype: 'I64', array: BigInt64Array },
  { dtype: 'F64', array: Float64Array },
  { dtype: 'F32', array: Float32Array },
  { dtype: 'I32', array: Int32Array },
] as const;

const largestHeader = 100_000_000;
const utf8 = new TextEncoder();

const product = (shape: readonly number[]) => shape.reduce((size, extent) => size * extent, 1);

/**
 * The file as pieces, the header first; the pieces of the tensors are views, not copies.
 *
 * @throws RdropError INVALID_ARGUMENT when a shape does not fit its data
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Record<string, string> = {},
): Uint8Array[] {
  const rank = (tensor: Tensor) => types.findIndex(({ array }) => tensor.data instanceof array);
  const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const sorted = [...tensors].sort(([a, x], [b, y]) => rank(x) - rank(y) || compare(a, b));
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push(['__metadata__', metadata]);
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const [name, tensor] of sorted) {
    const type = types[rank(tensor)];
    if (type === undefined || product(tensor.shape) !== tensor.data.length) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `tensor ${name}: expected ${product(tensor.shape)} numbers for shape [${tensor.shape}], got ${tensor.data.length}`,
      );
    }
    const { buffer, byteOffset, byteLength } = tensor.data;
    entries.push([
      name,
      { dtype: type.dtype, shape: tensor.shape, data_offsets: [offset, offset + byteLength] },
    ]);
    pieces.push(new Uint8Array(buffer, byteOffset, byteLength));
    offset += byteLength;
  }
  // Joined by hand: an object would move names that look like numbers to the front.
  const json = utf8.encode(
    `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)}}`,
  );
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return [header, ...pieces];
}

/** @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE (another format), CHECKPOINT_CORRUPT (does not add up) */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  return decodeSafetensors(bytes, path);
}

/** `name` is what an error calls the file. The tensors are views into `bytes` wherever the alignment allows. */
export function decodeSafetensors(bytes: Uint8Array, name: string): SafetensorsFile {
  const corrupt = (why: string) => new RdropError('CHECKPOINT_CORRUPT', `${name}: ${why}`);
  if (bytes.length < 8) throw corrupt(`expected a safetensors file, got only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > largestHeader) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${name}: not a safetensors file: expected a header of at most ${largestHeader} bytes, got ${headerLength}`,
    );
  }
  if (8 + headerLength > bytes.length) {
    throw corrupt(`truncated: its header needs ${8 + headerLength} bytes, the file has ${bytes.length}`);
  }
  const header = parseHeader(bytes.subarray(8, 8 + headerLength), name);
  const data = bytes.subarray(8 + headerLength);
  const { metadata, entries } = header;
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors = new Map<string, Tensor>();
  let expected = 0;
  for (const { key, type, shape, begin, end } of entries) {
    if (begin !== expected) {
      throw corrupt(
        `tensor ${key}: expected its data to begin at byte ${expected}, got ${begin} (overlap or hole)`,
      );
    }
    if (end - begin !== product(shape) * type.array.BYTES_PER_ELEMENT) {
      throw corrupt(
        `tensor ${key}: shape [${shape}] of ${type.dtype} does not fit the ${end - begin} bytes of its data`,
      );
    }
    if (end > data.length) {
      throw corrupt(`truncated: tensor ${key} ends at byte ${end} of the data, the file has ${data.length}`);
    }
    tensors.set(key, { shape, data: numbers(data.subarray(begin, end), type.array) });
    expected = end;
  }
  if (expected !== data.length) {
    throw corrupt(`expected ${expected} bytes of tensors, the file has ${data.length}`);
  }
  return { tensors, metadata };
}

function numbers(bytes: Uint8Array, array: (typeof types)[number]['array']): TensorData {
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new array(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.byteLength / array.BYTES_PER_ELEMENT,
  );
}

interface Entry {
  key: string;
  type: (typeof types)[number];
  shape: number[];
  begin: number;
  end: number;
}

function parseHeader(
  bytes: Uint8Array,
  name: string,
): { metadata: Record<string, string>; entries: Entry[] } {
  const malformed = (why: string, cause?: unknown) =>
    new RdropError('MALFORMED_FILE', `${name}: not a safetensors file: ${why}`, { cause });
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed('its header is not JSON', error);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw malformed('its header is not an object');
  }
  const metadata: Record<string, string> = {};
  const entries: Entry[] = [];
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') {
      for (const [field, text] of Object.entries((value ?? {}) as object)) metadata[field] = String(text);
      continue;
    }
    const { dtype, shape, data_offsets } = (value ?? {}) as Record<string, unknown>;
    const type = types.find((candidate) => candidate.dtype === dtype);
    if (type === undefined) {
      throw malformed(
        `tensor ${key}: expected one of ${types.map((t) => t.dtype)}, got ${JSON.stringify(dtype)}`,
      );
    }
    if (!isCounts(shape)) throw malformed(`tensor ${key}: its shape is not a list of sizes`);
    if (!isCounts(data_offsets) || data_offsets.length !== 2) {
      throw malformed(`tensor ${key}: its data_offsets are not two positions`);
    }
    entries.push({ key, type, shape, begin: data_offsets[0]!, end: data_offsets[1]! });
  }
  return { metadata, entries };
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
