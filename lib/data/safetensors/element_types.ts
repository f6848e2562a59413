import { RdropError } from '../../util/errors.js';

/** The numbers of a tensor in memory. 16- and 8-bit floating-point numbers become float32, which holds them exactly. */
export type TensorData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** How numbers lie in a file, and in which array they are once read. */
export interface ElementType {
  readonly bits: number;
  /** null: numbers that no array holds; a file may have them, nobody can read them. */
  readonly array: ArrayType | null;
  /** Where the numbers of the file are others than those of the array. */
  readonly widen?: (bytes: Uint8Array<ArrayBuffer>) => TensorData;
}

type ArrayType = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TensorData;
  new (length: number): TensorData;
};

const plain = (bits: number, array: ArrayType): ElementType => ({ bits, array });
const widened = (bits: number, widen: ElementType['widen']): ElementType => ({
  bits,
  array: Float32Array,
  ...(widen && { widen }),
});
const unreadable = (bits: number): ElementType => ({ bits, array: null });

/** By the names of the safetensors format, in the order in which its own writer sorts tensors. */
export const elementTypes = {
  U64: plain(64, BigUint64Array),
  I64: plain(64, BigInt64Array),
  F64: plain(64, Float64Array),
  C64: unreadable(64),
  F32: plain(32, Float32Array),
  U32: plain(32, Uint32Array),
  I32: plain(32, Int32Array),
  BF16: widened(16, ({ buffer }) => widenBfloat16(new Uint16Array(buffer))),
  F16: widened(16, ({ buffer }) => widenHalves(new Uint16Array(buffer))),
  U16: plain(16, Uint16Array),
  I16: plain(16, Int16Array),
  F8_E5M2FNUZ: widened(8, (bytes) => looked(bytes, eightBits('F8_E5M2FNUZ'))),
  F8_E4M3FNUZ: widened(8, (bytes) => looked(bytes, eightBits('F8_E4M3FNUZ'))),
  F8_E8M0: widened(8, (bytes) => looked(bytes, eightBits('F8_E8M0'))),
  F8_E4M3: widened(8, (bytes) => looked(bytes, eightBits('F8_E4M3'))),
  F8_E5M2: widened(8, (bytes) => looked(bytes, eightBits('F8_E5M2'))),
  I8: plain(8, Int8Array),
  U8: plain(8, Uint8Array),
  F6_E3M2: unreadable(6),
  F6_E2M3: unreadable(6),
  F4: unreadable(4),
  /** 0 and 1. */
  BOOL: plain(8, Uint8Array),
} as const satisfies Record<string, ElementType>;

export type Dtype = keyof typeof elementTypes;

export const dtypes = Object.keys(elementTypes) as Dtype[];

/** The type that an array is written as. */
export function dtypeOf(data: unknown): Dtype | undefined {
  return dtypes.find((dtype) => {
    const type: ElementType = elementTypes[dtype];
    return type.widen === undefined && type.array !== null && data instanceof type.array;
  });
}

/** The type that numbers of a file have once they are read. */
export const widenedType = (dtype: Dtype): Dtype => ('widen' in elementTypes[dtype] ? 'F32' : dtype);

/** Those whose numbers a model can have as parameters. */
export const isFloat = (dtype: Dtype): boolean => {
  const { array } = elementTypes[dtype];
  return array === Float32Array || array === Float64Array;
};

/** Numbers from the bytes of a file, which must begin at the beginning of their buffer and fill it. */
export function numbersOf(dtype: Dtype, bytes: Uint8Array<ArrayBuffer>): TensorData {
  const type: ElementType = elementTypes[dtype];
  if (type.widen !== undefined) return type.widen(bytes);
  return new type.array!(bytes.buffer);
}

/** The bytes of numbers: a view of them. */
export const bytesOfNumbers = ({ buffer, byteOffset, byteLength }: TensorData): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** An array for so many numbers. @throws RdropError OUT_OF_MEMORY, also where the engine has no array so large */
export function newNumbers(dtype: Dtype, length: number, name: string): TensorData {
  const { array } = elementTypes[dtype];
  try {
    return new array!(length);
  } catch (error) {
    throw new RdropError(
      'OUT_OF_MEMORY',
      `tensor ${name}: ${length} numbers of ${dtype} do not fit into one array of this Node.js`,
      { cause: error },
    );
  }
}

/** float16 to float32, exact. */
export function widenHalves(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const table = halfTable();
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]!]!;
  return values;
}

/** bfloat16 to float32, exact: the upper half of its bits. */
export function widenBfloat16(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return values;
}

function looked(bytes: Uint8Array, table: Float32Array): Float32Array {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = table[bytes[i]!]!;
  return values;
}

/** The values of a small floating-point type by their bits. */
function tableOf(bits: number, value: (bits: number) => number): () => Float32Array {
  let table: Float32Array | undefined;
  return () => {
    table ??= Float32Array.from({ length: 1 << bits }, (_, i) => value(i));
    return table;
  };
}

const halfTable = tableOf(16, (bits) => {
  const [exponent, fraction] = [(bits >> 10) & 0x1f, bits & 0x3ff];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** @source "FP8 formats for deep learning" (2022); OCP microscaling formats 1.0 for E8M0; onnx.ai for FNUZ */
const eightBitTables = {
  F8_E5M2: tableOf(8, (bits) => halfTable()[bits << 8]!),
  // No infinity: the largest exponent holds numbers, and NaN alone where all bits are set.
  F8_E4M3: tableOf(8, (bits) => {
    const [exponent, fraction] = [(bits >> 3) & 0xf, bits & 7];
    const sign = bits & 0x80 ? -1 : 1;
    if (exponent === 0xf && fraction === 7) return Number.NaN;
    if (exponent === 0) return sign * fraction * 2 ** -9;
    return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
  }),
  F8_E8M0: tableOf(8, (bits) => (bits === 0xff ? Number.NaN : 2 ** (bits - 127))),
  F8_E4M3FNUZ: tableOf(8, (bits) => fnuz(bits, 3)),
  F8_E5M2FNUZ: tableOf(8, (bits) => fnuz(bits, 2)),
};

/** Finite numbers, NaN in the place of -0 alone, and an exponent one lower than that of the types above. */
function fnuz(bits: number, fractionBits: number): number {
  if (bits === 0x80) return Number.NaN;
  const [exponent, fraction] = [(bits & 0x7f) >> fractionBits, bits & ((1 << fractionBits) - 1)];
  const sign = bits & 0x80 ? -1 : 1;
  const bias = 2 ** (6 - fractionBits);
  const unit = 2 ** -fractionBits;
  if (exponent === 0) return sign * fraction * unit * 2 ** (1 - bias);
  return sign * (1 + fraction * unit) * 2 ** (exponent - bias);
}

const eightBits = (dtype: keyof typeof eightBitTables) => eightBitTables[dtype]();
