import type { TensorData } from '../data/safetensors.js';

/** How the bytes of a storage become numbers. */
export interface StorageType {
  bytes: number;
  /** The bytes must begin at the beginning of their buffer. */
  read(bytes: Uint8Array<ArrayBuffer>): TensorData;
}

/** By the name of torch's storage class. Types without a use for a model are left out. */
export const storageTypes: Readonly<Record<string, StorageType | undefined>> = {
  FloatStorage: { bytes: 4, read: ({ buffer }) => new Float32Array(buffer) },
  DoubleStorage: { bytes: 8, read: ({ buffer }) => new Float64Array(buffer) },
  HalfStorage: { bytes: 2, read: ({ buffer }) => widenHalves(new Uint16Array(buffer)) },
  BFloat16Storage: { bytes: 2, read: ({ buffer }) => widenBfloat16(new Uint16Array(buffer)) },
  LongStorage: { bytes: 8, read: ({ buffer }) => new BigInt64Array(buffer) },
  IntStorage: { bytes: 4, read: ({ buffer }) => new Int32Array(buffer) },
};

/** float16 to float32, exact. */
export function widenHalves(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = halfTable()[halves[i]!]!;
  return values;
}

/** bfloat16 to float32, exact: the upper half of its bits. */
export function widenBfloat16(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return values;
}

let table: Float32Array | undefined;

function halfTable(): Float32Array {
  if (table !== undefined) return table;
  table = new Float32Array(1 << 16);
  for (let bits = 0; bits < table.length; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) table[bits] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
}

/**
 * The elements of a strided view in row-major order: a view of `values` where they lie so already, else a copy. The
 * view's extent is already checked.
 */
export function contiguous(
  values: TensorData,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): TensorData {
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (size === 0 || isContiguous(shape, strides)) {
    return size === values.length ? values : values.slice(offset, offset + size);
  }
  const result = values.slice(0, size);
  const index = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < size; i++) {
    result[i] = values[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
