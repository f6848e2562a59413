import { RdropError } from '../../util/errors.js';
import { type Dtype, dtypeOf, newNumbers, type TensorData } from './element_types.js';

/** A tensor in memory, row-major. */
export interface Tensor {
  shape: readonly number[];
  data: TensorData;
}

/**
 * A tensor that lies elsewhere, in a file or in the native core: read by ranges, so that one of any size costs the memory
 * of a range.
 */
export interface StoredTensor {
  /** Of what read() gives. */
  readonly dtype: Dtype;
  /** Its type in the file, where that has fewer bits. */
  readonly origin?: Dtype;
  readonly shape: readonly number[];
  /** The numbers begin..end in row-major order; as blocksOf() gives them, or fewer. */
  read(begin: number, end: number): Promise<TensorData>;
}

export type StoredTensors = ReadonlyMap<string, StoredTensor>;

/** The numbers of a shape. Above 2^53 it is not exact, but large; no tensor in memory or in a file has so many. */
export const sizeOf = (shape: readonly number[]): number =>
  shape.includes(0) ? 0 : shape.reduce((size, extent) => size * extent, 1);

/** Numbers that are read at a time: 16 MiB of float32. */
const blockSize = 1 << 22;

/** The ranges in which a tensor of so many numbers is read. */
export function* blocksOf(size: number): Generator<readonly [begin: number, end: number]> {
  for (let begin = 0; begin < size; begin += blockSize) yield [begin, Math.min(size, begin + blockSize)];
}

/** The numbers of a tensor, block by block. */
export async function* readBlocks(tensor: StoredTensor): AsyncGenerator<TensorData> {
  for (const [begin, end] of blocksOf(sizeOf(tensor.shape))) yield await tensor.read(begin, end);
}

/** @throws RdropError INVALID_ARGUMENT when the shape does not fit the data, or data of a type that is not written */
export function storedTensor({ shape, data }: Tensor, name: string): StoredTensor {
  const dtype = dtypeOf(data);
  if (dtype === undefined || sizeOf(shape) !== data.length) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `tensor ${name}: expected ${sizeOf(shape)} numbers for shape [${shape}], got ${data?.length}`,
    );
  }
  return { dtype, shape, read: async (begin, end) => data.subarray(begin, end) };
}

export const storedTensors = (tensors: ReadonlyMap<string, Tensor>): Map<string, StoredTensor> =>
  new Map([...tensors].map(([name, tensor]) => [name, storedTensor(tensor, name)]));

/** A tensor read whole. @throws RdropError OUT_OF_MEMORY and those of reading */
export async function wholeTensor(tensor: StoredTensor, name: string): Promise<Tensor> {
  const size = sizeOf(tensor.shape);
  const [first] = blocksOf(size);
  if (first === undefined || first[1] === size) {
    return { shape: tensor.shape, data: await tensor.read(0, size) };
  }
  const data = newNumbers(tensor.dtype, size, name);
  for (const [begin, end] of blocksOf(size)) {
    (data as Float32Array).set((await tensor.read(begin, end)) as Float32Array, begin);
  }
  return { shape: tensor.shape, data };
}

/** Every tensor, one after another. */
export async function wholeTensors(tensors: StoredTensors): Promise<Map<string, Tensor>> {
  const whole = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) whole.set(name, await wholeTensor(tensor, name));
  return whole;
}
