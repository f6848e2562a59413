import type { Dtype } from '../../data/safetensors/element_types.js';
import {
  type StoredTensor,
  sizeOf,
  storedTensor,
  type Tensor,
} from '../../data/safetensors/stored_tensor.js';
import { PickleDict, PickleForeign, PickleTuple, type PickleValue } from './pickle_values.js';

/** A storage that a written pickle names: the numbers of one or more tensors. */
export interface WrittenStorage {
  key: string;
  tensor: StoredTensor;
}

const storageNames: Partial<Record<Dtype, string>> = {
  F32: 'FloatStorage',
  F64: 'DoubleStorage',
  I64: 'LongStorage',
  I32: 'IntStorage',
};

/**
 * Writes plain data and tensors as a pickle of protocol 2, with the opcodes and globals that torch.load's restricted
 * reader takes. A tensor is a PickleForeign of a Tensor or StoredTensor; tensors over the same array, or that are the same
 * stored one, share a storage. A PickleDict becomes
 * a dict, and with attributes an OrderedDict that has them beside its items.
 */
export function writePickle(root: PickleValue): { pickle: Uint8Array; storages: WrittenStorage[] } {
  const writer = new Writer();
  writer.value(root);
  return writer.finish();
}

/** A mapping that Python keeps in order, as torch does with parameters. */
export class OrderedPickleDict extends PickleDict {}

class Writer {
  readonly #pieces: Uint8Array[] = [Buffer.of(0x80, 2)];
  /** By what makes two tensors the same storage. */
  readonly #storages = new Map<unknown, WrittenStorage>();

  finish(): { pickle: Uint8Array; storages: WrittenStorage[] } {
    return {
      pickle: Buffer.concat([...this.#pieces, Buffer.from('.')]),
      storages: [...this.#storages.values()],
    };
  }

  #bytes(...bytes: (number | string | Uint8Array)[]): void {
    for (const part of bytes) {
      if (typeof part === 'number') this.#pieces.push(Buffer.of(part));
      else this.#pieces.push(typeof part === 'string' ? Buffer.from(part) : part);
    }
  }

  value(value: PickleValue): void {
    if (value === null) this.#bytes('N');
    else if (typeof value === 'boolean') this.#bytes(value ? 0x88 : 0x89);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (Array.isArray(value)) this.#items(']', value, 'e');
    else if (value instanceof PickleTuple) {
      this.#bytes('(');
      for (const item of value.items) this.value(item);
      this.#bytes('t');
    } else if (value instanceof PickleDict) this.#dict(value);
    else if (value instanceof PickleForeign) this.#tensor(value.value as Tensor | StoredTensor);
    else throw new TypeError(`no pickle is written for ${typeof value}`);
  }

  #number(value: number): void {
    const bytes = Buffer.alloc(9);
    if (Number.isInteger(value) && !Object.is(value, -0) && Math.abs(value) < 2 ** 31) {
      bytes.write('J', 'latin1');
      bytes.writeInt32LE(value, 1);
      this.#bytes(bytes.subarray(0, 5));
    } else if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      bytes.writeBigInt64LE(BigInt(value), 1);
      this.#bytes(0x8a, 8, bytes.subarray(1));
    } else {
      bytes.write('G', 'latin1');
      bytes.writeDoubleBE(value, 1);
      this.#bytes(bytes);
    }
  }

  #text(text: string): void {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    this.#bytes('X', length, bytes);
  }

  #items(empty: string, items: readonly PickleValue[], put: string): void {
    this.#bytes(empty);
    if (items.length === 0) return;
    this.#bytes('(');
    for (const item of items) this.value(item);
    this.#bytes(put);
  }

  #dict(dict: PickleDict): void {
    const pairs = [...dict].flat();
    const ordered = dict instanceof OrderedPickleDict || dict.attributes !== null;
    this.#items(ordered ? 'ccollections\nOrderedDict\n)R' : '}', pairs, 'u');
    if (dict.attributes === null) return;
    this.value(dict.attributes);
    this.#bytes('b');
  }

  #tensor(value: Tensor | StoredTensor): void {
    const tensor = 'read' in value ? value : storedTensor(value, 'of a pickle');
    const { shape, dtype } = tensor;
    const type = storageNames[dtype];
    if (type === undefined) throw new TypeError(`no storage is written for ${dtype}`);
    const identity = 'read' in value ? value : value.data;
    const storage = this.#storages.get(identity) ?? { key: String(this.#storages.size), tensor };
    this.#storages.set(identity, storage);
    const strides = shape.map((_, axis) =>
      shape.slice(axis + 1).reduce((product, extent) => product * extent, 1),
    );
    this.#bytes('ctorch._utils\n_rebuild_tensor_v2\n((');
    this.#text('storage');
    this.#bytes(`ctorch\n${type}\n`);
    this.#text(storage.key);
    this.#text('cpu');
    this.#number(sizeOf(shape));
    this.#bytes('tQ');
    this.#number(0);
    this.value(new PickleTuple(shape));
    this.value(new PickleTuple(strides));
    this.#bytes(0x89, 'ccollections\nOrderedDict\n)RtR');
  }
}
