import { open } from 'node:fs/promises';
import {
  elementTypes,
  numbersOf,
  type TensorData,
  widenedType,
} from '../../data/safetensors/element_types.js';
import { type StoredTensor, sizeOf, type Tensor, wholeTensor } from '../../data/safetensors/stored_tensor.js';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';
import { type TensorReference, torchRules } from './globals.js';
import { readPickle } from './pickle.js';
import type { PickleValue } from './pickle_values.js';
import { contiguous, extentOf, isContiguous, storageTypes } from './storage.js';
import { ZipArchive, type ZipMember } from './zip_archive.js';

/** The pickle of a checkpoint holds names and numbers; the parameters are members of their own. */
const largestPickle = 256 << 20;

/** "little" or "big". */
const longestOrder = 16;

/** The first bytes of a file of torch.save before version 1.6: a pickle of its magic number. */
const oldMagic = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');

/**
 * A file of torch.save: its pickle as inert data, its tensors on demand. Nothing in it is run.
 *
 * @source torch/serialization.py (the names of the members), torch/_utils.py (what rebuilds a tensor)
 */
export class TorchFile {
  readonly #archive: ZipArchive;
  /** By place in the file, so that two names of one tensor are one tensor. */
  readonly #tensors = new Map<string, StoredTensor>();

  /** The last tensor whose numbers do not lie in their order, in it. */
  #strided: { place: string; data: TensorData } | null = null;

  private constructor(
    readonly path: string,
    /** What was saved; a tensor stands there as PickleForeign<TensorReference>. */
    readonly root: PickleValue,
    archive: ZipArchive,
    private readonly prefix: string,
  ) {
    this.#archive = archive;
  }

  /**
   * Reads the directory and the pickle of a file, not its tensors.
   *
   * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE (no file of torch.save, or of one before 1.6),
   *   UNSAFE_PICKLE, CHECKPOINT_CORRUPT; all name the file, and the member where there is one
   */
  static async open(path: string): Promise<TorchFile> {
    await refuseOldFormat(path);
    const archive = await ZipArchive.open(path);
    try {
      const pickle = findPickle(archive, path);
      const prefix = pickle.name.slice(0, -'data.pkl'.length);
      const order = archive.members.get(`${prefix}byteorder`);
      if (order !== undefined) {
        const text = Buffer.from(await archive.read(order, longestOrder)).toString('latin1');
        if (text !== 'little') {
          throw new RdropError(
            'MALFORMED_FILE',
            `${path}: member ${order.name}: expected "little", got ${JSON.stringify(text.slice(0, 20))}`,
          );
        }
      }
      const root = readPickle(await archive.read(pickle), `${path}: member ${pickle.name}`, torchRules);
      return new TorchFile(path, root, archive, prefix);
    } catch (error) {
      await archive.close();
      throw error;
    }
  }

  /**
   * A tensor of the file, whatever its strides, read by ranges; halves become float32. The checksum of its member is
   * compared at the first reading. Tensors of the same place in the file are the same object.
   *
   * @param name what an error calls it
   * @throws RdropError CHECKPOINT_CORRUPT (no such member, of another size; at reading: damaged), MALFORMED_FILE (of a
   *   type that rdrop has no use for)
   */
  stored(reference: TensorReference, name: string): StoredTensor {
    const { storage, offset, shape, strides } = reference;
    const place = JSON.stringify([storage.key, storage.type, offset, shape, strides]);
    const known = this.#tensors.get(place);
    if (known !== undefined) return known;
    const dtype = storageTypes[storage.type];
    if (dtype === undefined) {
      throw new RdropError(
        'MALFORMED_FILE',
        `${this.path}: tensor ${name}: expected one of ${Object.keys(storageTypes).join(', ')}, got ${storage.type}`,
      );
    }
    const memberName = `${this.prefix}data/${storage.key}`;
    const member = this.#archive.members.get(memberName);
    if (member === undefined) {
      throw new RdropError(
        'CHECKPOINT_CORRUPT',
        `${this.path}: tensor ${name}: its member ${memberName} is missing`,
      );
    }
    const width = elementTypes[dtype].bits / 8;
    if (member.size !== storage.elements * width) {
      throw new RdropError(
        'CHECKPOINT_CORRUPT',
        `${this.path}: member ${memberName}: expected ${storage.elements * width} bytes for ` +
          `${storage.elements} elements of ${storage.type} (tensor ${name}), got ${member.size}`,
      );
    }
    const numbers = async (from: number, to: number) => {
      await this.#archive.verify(member);
      return numbersOf(dtype, await this.#archive.readRange(member, from * width, (to - from) * width));
    };
    const size = sizeOf(shape);
    const strided = async () => {
      if (this.#strided?.place !== place) {
        const values = await numbers(offset, extentOf(shape, strides) + offset);
        this.#strided = { place, data: contiguous(values, shape, strides) };
      }
      return this.#strided.data;
    };
    const tensor: StoredTensor = {
      dtype: widenedType(dtype),
      ...(widenedType(dtype) !== dtype && { origin: dtype }),
      shape,
      read: async (begin, end) =>
        size === 0 || isContiguous(shape, strides)
          ? numbers(offset + begin, offset + end)
          : (await strided()).subarray(begin, end),
    };
    this.#tensors.set(place, tensor);
    return tensor;
  }

  /** A tensor whole; see stored(). */
  async tensor(reference: TensorReference, name: string): Promise<Tensor> {
    return wholeTensor(this.stored(reference, name), name);
  }

  close(): Promise<void> {
    return this.#archive.close();
  }
}

function findPickle(archive: ZipArchive, path: string): ZipMember {
  const all = [...archive.members.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = all;
  if (pickle === undefined || all.length > 1) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: expected a file of torch.save with one member <name>/data.pkl, got ${all.length} of them`,
    );
  }
  const script = [...archive.members.keys()].find((name) => /^[^/]+\/(constants\.pkl|code\/)/.test(name));
  if (script !== undefined) {
    throw new RdropError(
      'UNSAFE_PICKLE',
      `${path}: member ${script}: expected tensors and plain data, got a TorchScript archive, which holds code`,
    );
  }
  if (pickle.size > largestPickle) {
    throw new RdropError(
      'CHECKPOINT_CORRUPT',
      `${path}: member ${pickle.name}: expected at most ${largestPickle} bytes, got ${pickle.size}`,
    );
  }
  return pickle;
}

/** @throws RdropError MALFORMED_FILE, saying how the file is converted */
async function refuseOldFormat(path: string): Promise<void> {
  const head = Buffer.alloc(oldMagic.length);
  try {
    const file = await open(path, 'r');
    try {
      await file.read(head, 0, head.length, 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  if (!head.equals(oldMagic)) return;
  throw new RdropError(
    'MALFORMED_FILE',
    `${path}: expected the zip format that torch.save writes since 1.6, got the older one; convert it where it was ` +
      'made with torch.save(torch.load(file, map_location="cpu"), other_file)',
  );
}
