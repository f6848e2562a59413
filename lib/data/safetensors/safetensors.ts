import { RdropError } from '../../util/errors.js';
import { PositionedFile } from '../../util/files/positioned_file.js';
import { bytesOfNumbers, elementTypes, numbersOf, widenedType } from './element_types.js';
import { type Extent, headerFor, headerLength, parseHeader } from './header.js';
import {
  readBlocks,
  type StoredTensor,
  type StoredTensors,
  storedTensors,
  type Tensor,
  wholeTensors,
} from './stored_tensor.js';

/*
 * The safetensors format (github.com/huggingface/safetensors): the header's length as u64, little-endian; a JSON header
 * {name: {dtype, shape, data_offsets}}; then the tensors without holes. What is written equals, byte for byte, what
 * Python's safetensors writes for the same tensors.
 */

export type { TensorData } from './element_types.js';
export type { Tensor } from './stored_tensor.js';

export interface SafetensorsFile {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/**
 * The file as pieces, the header first; the pieces of the tensors are views, not copies.
 *
 * @throws RdropError INVALID_ARGUMENT when a shape does not fit its data, or for a name that the format cannot hold
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Record<string, string> = {},
): Uint8Array[] {
  const { header, names } = headerFor(storedTensors(tensors), metadata);
  return [header, ...names.map((name) => bytesOfNumbers(tensors.get(name)!.data))];
}

/** The same of tensors that lie elsewhere: a block of one tensor is in memory at a time. */
export async function* streamSafetensors(
  tensors: StoredTensors,
  metadata: Record<string, string> = {},
): AsyncGenerator<Uint8Array> {
  const { header, names } = headerFor(tensors, metadata);
  yield header;
  for (const name of names) {
    for await (const block of readBlocks(tensors.get(name)!)) yield bytesOfNumbers(block);
  }
}

/**
 * A safetensors file of any size: its header read and checked, its tensors read by ranges.
 *
 * F16, BF16 and the 8-bit floating-point types become float32, which holds their numbers exactly; BOOL becomes bytes of
 * 0 and 1.
 */
export class OpenSafetensors {
  readonly tensors: StoredTensors;

  private constructor(
    private readonly file: PositionedFile,
    private readonly data: number,
    extents: readonly Extent[],
    readonly metadata: Record<string, string>,
  ) {
    this.tensors = new Map(extents.map((extent) => [extent.name, this.#tensor(extent)]));
  }

  /**
   * @param check is given the bytes of the file, piece by piece, before anything of it is interpreted
   * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE (another format), CHECKPOINT_CORRUPT (does not add up)
   */
  static async open(
    path: string,
    check?: (pieces: AsyncIterable<Uint8Array>) => Promise<void>,
  ): Promise<OpenSafetensors> {
    const file = await PositionedFile.open(path);
    try {
      await check?.(file.pieces());
      const length = headerLength(await file.read(0, Math.min(8, file.size)), file.size, path);
      const data = 8 + length;
      const { extents, metadata } = parseHeader(await file.read(8, length), file.size - data, path);
      return new OpenSafetensors(file, data, extents, metadata);
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
  }

  get path(): string {
    return this.file.path;
  }

  close(): Promise<void> {
    return this.file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tensor({ name, dtype, shape, begin }: Extent): StoredTensor {
    const { bits, array } = elementTypes[dtype];
    return {
      dtype: widenedType(dtype),
      ...(widenedType(dtype) !== dtype && { origin: dtype }),
      shape,
      read: async (from, to) => {
        if (array === null) throw unreadable(this.path, name, dtype);
        const width = bits / 8;
        const bytes = await this.file.read(this.data + begin + from * width, (to - from) * width);
        return numbersOf(dtype, bytes);
      },
    };
  }
}

const unreadable = (path: string, name: string, dtype: string) =>
  new RdropError(
    'MALFORMED_FILE',
    `${path}: tensor ${name}: expected a type whose numbers can be read, got ${dtype}`,
  );

/**
 * Reads a whole file; see OpenSafetensors for what happens to its types.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE (another format, or a type that cannot be read),
 *   CHECKPOINT_CORRUPT (does not add up), OUT_OF_MEMORY (a tensor larger than an array can be)
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await OpenSafetensors.open(path);
  try {
    return { tensors: await wholeTensors(file.tensors), metadata: file.metadata };
  } finally {
    await file.close();
  }
}

/** The same of bytes in memory; `name` is what an error calls them. */
export function decodeSafetensors(bytes: Uint8Array, name: string): SafetensorsFile {
  const length = headerLength(bytes.subarray(0, 8), bytes.length, name);
  const data = bytes.subarray(8 + length);
  const { extents, metadata } = parseHeader(bytes.subarray(8, 8 + length), data.length, name);
  const tensors = new Map<string, Tensor>();
  for (const { name: key, dtype, shape, begin, end } of extents) {
    if (elementTypes[dtype].array === null) throw unreadable(name, key, dtype);
    // A copy begins where its buffer does.
    tensors.set(key, { shape, data: numbersOf(dtype, new Uint8Array(data.subarray(begin, end))) });
  }
  return { tensors, metadata };
}
