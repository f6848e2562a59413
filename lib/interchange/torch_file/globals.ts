import type { GlobalHandler, PickleRules } from './pickle.js';
import { cost } from './pickle_budget.js';
import {
  describePickled,
  PickleDict,
  PickleForeign,
  PickleGlobal,
  PickleObject,
  PickleTuple,
  type PickleValue,
} from './pickle_values.js';

/** Where the numbers of tensors lie: the member data/<key>. */
export class StorageReference {
  constructor(
    /** torch's name of the type, such as FloatStorage. */
    readonly type: string,
    readonly key: string,
    readonly elements: number,
  ) {}
}

/** A tensor as a pickle describes it; its extent lies within the storage. */
export class TensorReference {
  constructor(
    readonly storage: StorageReference,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** The tensor that a value stands for, or null. */
export function tensorOf(value: PickleValue | undefined): TensorReference | null {
  return value instanceof PickleForeign && value.value instanceof TensorReference ? value.value : null;
}

const mostDimensions = 64;
/** Bytes of a reference to a tensor. */
const tensorCost = 256;

/** Storage class of the types that torch keeps in an UntypedStorage and names beside it, with their width. */
const typedAs: Readonly<Record<string, readonly [storage: string, bytes: number]>> = {
  float32: ['FloatStorage', 4],
  float64: ['DoubleStorage', 8],
  float16: ['HalfStorage', 2],
  bfloat16: ['BFloat16Storage', 2],
  int64: ['LongStorage', 8],
  int32: ['IntStorage', 4],
};

function sizes(value: PickleValue | undefined, what: string): readonly number[] {
  const items = value instanceof PickleTuple ? value.items : Array.isArray(value) ? value : null;
  if (items === null || items.length > mostDimensions || !items.every(isCount)) {
    throw new Error(`expected a ${what} of whole numbers, got ${describePickled(value)}`);
  }
  return items as readonly number[];
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function rebuild(
  storage: StorageReference,
  offset: PickleValue | undefined,
  size: PickleValue | undefined,
  stride: PickleValue | undefined,
): PickleValue {
  const shape = sizes(size, 'shape');
  const strides = sizes(stride, 'list of strides');
  if (strides.length !== shape.length) throw new Error(`a shape [${shape}] with the strides [${strides}]`);
  if (!isCount(offset)) throw new Error(`expected an offset, got ${describePickled(offset)}`);
  const count = shape.reduce((product, extent) => product * extent, 1);
  const last = shape.reduce((at, extent, axis) => at + (extent - 1) * strides[axis]!, offset);
  if (count > 0 && last >= storage.elements) {
    throw new Error(
      `a tensor of shape [${shape}] with strides [${strides}] at ${offset} reaches element ${last} of a storage ` +
        `of ${storage.elements} (data/${storage.key})`,
    );
  }
  // An expanded tensor would need more memory than the file has bytes.
  if (count > storage.elements) {
    throw new Error(
      `a tensor of shape [${shape}] repeats the ${storage.elements} elements of its storage (data/${storage.key})`,
    );
  }
  return new PickleForeign(new TensorReference(storage, offset, shape, strides));
}

function storageOf(value: PickleValue | undefined): StorageReference {
  if (value instanceof PickleForeign && value.value instanceof StorageReference) return value.value;
  throw new Error(`expected a storage, got ${describePickled(value)}`);
}

/** torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata) */
const rebuildTensor: GlobalHandler = ([storage, offset, size, stride], budget) => {
  budget.spend(tensorCost);
  return rebuild(storageOf(storage), offset, size, stride);
};

/** _rebuild_tensor_v3: the storage counts bytes, the type stands behind the hooks. */
const rebuildTyped: GlobalHandler = ([storage, offset, size, stride, , , type], budget) => {
  budget.spend(tensorCost);
  const untyped = storageOf(storage);
  const name = type instanceof PickleGlobal ? type.name : describePickled(type);
  const known = typedAs[name];
  const typed =
    known === undefined
      ? new StorageReference(name, untyped.key, untyped.elements)
      : new StorageReference(known[0], untyped.key, Math.floor(untyped.elements / known[1]));
  return rebuild(typed, offset, size, stride);
};

/** torch._utils._rebuild_parameter(data, requires_grad, hooks) */
const rebuildParameter: GlobalHandler = ([data]) => {
  if (tensorOf(data) === null) throw new Error(`expected a tensor, got ${describePickled(data)}`);
  return data!;
};

const makeDict: GlobalHandler = (args, budget) => {
  budget.spend(cost.dict);
  const dict = new PickleDict();
  const [pairs] = args;
  if (pairs === undefined) return dict;
  if (!Array.isArray(pairs)) throw new Error(`expected a list of pairs, got ${describePickled(pairs)}`);
  for (const pair of pairs) {
    const items = pair instanceof PickleTuple ? pair.items : Array.isArray(pair) ? pair : [];
    if (items.length !== 2) throw new Error(`expected a pair, got ${describePickled(pair)}`);
    budget.key(typeof items[0] === 'string', dict.size);
    dict.set(items[0]!, items[1]!);
  }
  return dict;
};

const makeSet: GlobalHandler = ([items], budget) => {
  const all = Array.isArray(items) ? items : [];
  budget.spend(cost.list + cost.slot * all.length);
  return [...all];
};

/** How protocol 2 writes bytes: as text of the same code points. */
const encodeBytes: GlobalHandler = ([text, encoding], budget) => {
  if (typeof text !== 'string' || encoding !== 'latin1') throw new Error('expected text in latin1');
  budget.spend(cost.object + text.length);
  return new Uint8Array(Buffer.from(text, 'latin1'));
};

/** numpy's scalars: a type and the bytes of the number. */
const numpyScalar: GlobalHandler = ([type, bytes]) => {
  const code = type instanceof PickleObject ? type.args[0] : undefined;
  if (bytes instanceof Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (code === 'f8' && bytes.length === 8) return view.getFloat64(0, true);
    if (code === 'f4' && bytes.length === 4) return view.getFloat32(0, true);
    if (code === 'i8' && bytes.length === 8) return Number(view.getBigInt64(0, true));
    if (code === 'i4' && bytes.length === 4) return view.getInt32(0, true);
    if (code === 'b1' && bytes.length === 1) return bytes[0] !== 0;
  }
  throw new Error(`expected a number of numpy, got the type ${describePickled(code)}`);
};

/** typing.Dict[str, int] is pickled as a call of getitem; it says something about a configuration class alone. */
const subscript: GlobalHandler = (args) => {
  const [container] = args;
  if (!(container instanceof PickleGlobal) || container.module !== 'typing') {
    throw new Error(`a subscript of ${describePickled(container)}`);
  }
  return new PickleObject(container, args);
};

const storageNames = [
  'Float',
  'Double',
  'Half',
  'BFloat16',
  'Long',
  'Int',
  'Short',
  'Char',
  'Byte',
  'Bool',
].map((type) => `torch.${type}Storage`);

const globals = new Map<string, GlobalHandler | 'symbol' | 'object'>([
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_tensor_v3', rebuildTyped],
  ['torch._utils._rebuild_parameter', rebuildParameter],
  ['torch.nn.parameter.Parameter', rebuildParameter],
  ['torch.Size', ([items]) => new PickleTuple(sizes(items, 'size'))],
  ['torch.device', 'object'],
  ...storageNames.map((name) => [name, 'symbol'] as const),
  ['torch.storage.UntypedStorage', 'symbol'],
  ...[...Object.keys(typedAs), 'int16', 'int8', 'uint8', 'bool'].map(
    (type) => [`torch.${type}`, 'symbol'] as const,
  ),
  ['collections.OrderedDict', makeDict],
  ['collections.defaultdict', () => new PickleDict()],
  ['argparse.Namespace', 'object'],
  ['_codecs.encode', encodeBytes],
  ['numpy.dtype', 'object'],
  ['numpy.core.multiarray.scalar', numpyScalar],
  ['numpy._core.multiarray.scalar', numpyScalar],
  // Classes as values: the types of a configuration's fields. set alone is ever called.
  ...['builtins', '__builtin__'].flatMap((module) => [
    [`${module}.set`, makeSet] as const,
    [`${module}.frozenset`, makeSet] as const,
    ...['bool', 'dict', 'float', 'int', 'list', 'str', 'tuple'].map(
      (type) => [`${module}.${type}`, 'symbol'] as const,
    ),
  ]),
  ...['Any', 'Dict', 'List', 'Optional', 'Tuple', 'Union'].map(
    (type) => [`typing.${type}`, 'symbol'] as const,
  ),
  ['_operator.getitem', subscript],
  ['operator.getitem', subscript],
  // The configuration of fairseq since 1.0: dropreg/R-Drop's fork saves omegaconf's own objects.
  ['omegaconf.dictconfig.DictConfig', 'object'],
  ['omegaconf.listconfig.ListConfig', 'object'],
  ['omegaconf.base.ContainerMetadata', 'object'],
  ['omegaconf.base.Metadata', 'object'],
  ...['AnyNode', 'StringNode', 'IntegerNode', 'FloatNode', 'BooleanNode', 'EnumNode'].map(
    (type) => [`omegaconf.nodes.${type}`, 'object'] as const,
  ),
]);

/** fairseq's own classes of options and their enumerations, whose names differ between versions: data, never called here. */
const optionClasses = /^fairseq(\.[a-z_0-9]+)*$/;
const className = /^[A-Z][A-Za-z0-9]*$/;

/** What a file of torch.save may hold here. @source torch/_utils.py, torch/serialization.py, fairseq/trainer.py */
export const torchRules: PickleRules = {
  global(module, name) {
    const known = globals.get(`${module}.${name}`);
    if (known !== undefined) return known;
    return optionClasses.test(module) && className.test(name) ? 'object' : undefined;
  },
  persistent(id) {
    const items = id instanceof PickleTuple ? id.items : [];
    const [kind, type, key, , elements] = items;
    if (
      kind !== 'storage' ||
      !(type instanceof PickleGlobal) ||
      typeof key !== 'string' ||
      !/^\d{1,9}$/.test(key) ||
      !isCount(elements)
    ) {
      throw new Error(`expected ("storage", type, key, place, elements), got ${describePickled(id)}`);
    }
    if (!type.name.endsWith('Storage')) throw new Error(`${type} is no type of storage`);
    return new PickleForeign(new StorageReference(type.name, key, elements));
  },
};
