import type { Dtype, TensorData } from '../../data/safetensors/element_types.js';

/** By the name of torch's storage class. Types without a use for a model are left out. */
export const storageTypes: Readonly<Record<string, Dtype | undefined>> = {
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
};

/** Numbers from the first one of a strided view to its last, that included. */
export const extentOf = (shape: readonly number[], strides: readonly number[]): number =>
  shape.includes(0) ? 0 : shape.reduce((at, extent, axis) => at + (extent - 1) * strides[axis]!, 1);

/** The elements of a strided view in row-major order; `values` begin with its first and end with its last. */
export function contiguous(
  values: TensorData,
  shape: readonly number[],
  strides: readonly number[],
): TensorData {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const result = new (values.constructor as new (length: number) => TensorData)(size);
  const index = shape.map(() => 0);
  let from = 0;
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

export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
