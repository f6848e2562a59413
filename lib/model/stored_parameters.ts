import { createHash } from 'node:crypto';
import { isFloat } from '../data/safetensors/element_types.js';
import {
  blocksOf,
  readBlocks,
  type StoredTensor,
  type StoredTensors,
  sizeOf,
} from '../data/safetensors/stored_tensor.js';
import type { FloatArray, NativeTransformer } from '../native/contract.js';
import { fromNative, RdropError } from '../util/errors.js';

/** The type in which a model keeps its parameters. */
export type ParameterType = 'F32' | 'F64';

type Shapes = Iterable<readonly [name: string, shape: readonly number[]]>;

/** The parameters of a model as they are at a moment, read by ranges. */
export interface ParameterSnapshot extends Disposable {
  tensors: StoredTensors;
}

export async function takeSnapshot(
  model: NativeTransformer,
  dtype: ParameterType,
): Promise<ParameterSnapshot> {
  const snapshot = await fromNative(() => model.snapshot());
  const stored = (name: string, shape: readonly number[]): StoredTensor => ({
    dtype,
    shape,
    read: (begin, end) => fromNative(() => snapshot.read(name, begin, end)),
  });
  return {
    tensors: new Map(model.parameterShapes.map(([name, shape]) => [name, stored(name, shape)])),
    [Symbol.dispose]: () => snapshot.dispose(),
  };
}

/**
 * Compares names, shapes and types before a number is read.
 *
 * @throws RdropError CHECKPOINT_MISMATCH, naming the file and the parameter
 */
export function checkParameters(
  tensors: StoredTensors,
  shapes: Shapes,
  path: string,
  what = 'parameter',
): void {
  const mismatch = (name: string, why: string) =>
    new RdropError('CHECKPOINT_MISMATCH', `${path}: ${what} ${name}${why}`);
  const known = new Set<string>();
  for (const [name, shape] of shapes) {
    known.add(name);
    const found = tensors.get(name);
    if (found === undefined) throw mismatch(name, ' is missing');
    if (String(found.shape) !== String(shape)) {
      throw mismatch(name, `: expected the shape [${shape}], got [${found.shape}]`);
    }
    if (!isFloat(found.dtype)) throw mismatch(name, `: expected floating-point numbers, got ${found.dtype}`);
  }
  for (const name of tensors.keys()) {
    if (!known.has(name)) throw mismatch(name, ' is unknown to this model');
  }
}

/** Numbers of fewer bits than float32 are exact in both types; the others must be of the model's own. */
function inType(values: FloatArray, wanted: ParameterType, stored: StoredTensor): FloatArray | null {
  if (wanted === 'F32') return values instanceof Float32Array ? values : null;
  if (values instanceof Float64Array) return values;
  return stored.origin === undefined ? null : Float64Array.from(values);
}

/**
 * Gives tensors to whatever takes them by ranges, block by block.
 *
 * @throws RdropError CHECKPOINT_MISMATCH (a type that the model does not have), and those of reading and of `write`
 */
export async function writeTensors(
  tensors: StoredTensors,
  wanted: ParameterType,
  path: string,
  write: (name: string, begin: number, end: number, values: FloatArray) => Promise<void>,
): Promise<void> {
  for (const [name, stored] of tensors) {
    for (const [begin, end] of blocksOf(sizeOf(stored.shape))) {
      const values = inType((await stored.read(begin, end)) as FloatArray, wanted, stored);
      if (values === null) {
        throw new RdropError(
          'CHECKPOINT_MISMATCH',
          `${path}: parameter ${name}: expected ${wanted}, the type of the model's precision, got ${stored.dtype}`,
        );
      }
      await withPath(path, () => write(name, begin, end, values));
    }
  }
}

async function withPath<T>(path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await fromNative(call);
  } catch (error) {
    if (!(error instanceof RdropError)) throw error;
    throw new RdropError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

/**
 * SHA-256 of a model's file: of the configuration in its metadata, then of each parameter, sorted by name, the name, the
 * type, the shape and the numbers. Another program that writes the same again, in whatever order, keeps it.
 */
export async function checksum(tensors: StoredTensors, configuration: string): Promise<string> {
  const hash = createHash('sha256').update(configuration);
  for (const name of [...tensors.keys()].sort()) {
    const stored = tensors.get(name)!;
    hash.update(`\n${JSON.stringify([name, stored.dtype, stored.shape])}\n`);
    for await (const { buffer, byteOffset, byteLength } of readBlocks(stored)) {
      for (let at = 0; at < byteLength; at += hashedBytes) {
        hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(hashedBytes, byteLength - at)));
        await new Promise(setImmediate);
      }
    }
  }
  return hash.digest('hex');
}

/** At a time, so that the event loop keeps running. */
const hashedBytes = 1 << 20;
