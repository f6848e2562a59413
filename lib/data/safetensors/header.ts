import { RdropError } from '../../util/errors.js';
import { JsonNumber, JsonObject, parseStrictJson, type StrictJson } from '../../util/strict_json.js';
import { type Dtype, dtypes, elementTypes } from './element_types.js';
import type { StoredTensor } from './stored_tensor.js';

/** Where a tensor lies, in bytes behind the header. */
export interface Extent {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  metadata: Record<string, string>;
  /** In the order of their bytes. */
  extents: Extent[];
}

/** The format's own limit. */
const largestHeader = 100_000_000;
const most = 2n ** 64n - 1n;

/**
 * The length of the header from the first 8 bytes of a file of `size` bytes; they are fewer where the file is shorter.
 *
 * @throws RdropError CHECKPOINT_CORRUPT (cut off), MALFORMED_FILE (longer than the format allows)
 */
export function headerLength(first: Uint8Array, size: number, name: string): number {
  if (size < 8) throw corrupt(name, `expected a safetensors file, got only ${size} bytes`);
  const length = Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true));
  if (length > largestHeader) {
    throw malformed(name, `expected a header of at most ${largestHeader} bytes, got ${length}`);
  }
  if (8 + length > size) {
    throw corrupt(name, `truncated: its header needs ${8 + length} bytes, the file has ${size}`);
  }
  return length;
}

/**
 * Reads a header as the format's own reader does (the Rust crate behind Python's safetensors): what that refuses is
 * refused, what it takes is taken.
 *
 * @param dataBytes that follow it in the file
 * @throws RdropError MALFORMED_FILE (not of this format), CHECKPOINT_CORRUPT (does not add up)
 * @source safetensors/src/tensor.rs; test/fixtures/data/record_headers.py
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, name: string): SafetensorsHeader {
  let header: StrictJson;
  try {
    // ignoreBOM: a mark stays a character, which JSON does not begin with.
    header = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw malformed(name, `its header is not JSON (${reason})`, error);
  }
  if (!(header instanceof JsonObject)) throw malformed(name, 'its header is not an object');
  let metadata: Record<string, string> | null = null;
  // Of a tensor that is there twice the last counts.
  const tensors = new Map<string, Extent & { size: bigint }>();
  for (const [key, value] of header.members) {
    if (key !== '__metadata__') tensors.set(key, extentOf(key, value, name));
    else if (metadata === null) metadata = metadataOf(value, name);
    else throw malformed(name, 'its __metadata__ is there twice');
  }
  const extents = [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkExtents(extents, dataBytes, name);
  return { metadata: metadata ?? {}, extents };
}

function checkExtents(
  extents: readonly (Extent & { size: bigint })[],
  dataBytes: number,
  name: string,
): void {
  let expected = 0;
  for (const { name: key, dtype, shape, begin, end, size } of extents) {
    if (begin !== expected || end < begin) {
      throw corrupt(
        name,
        `tensor ${key}: expected its data to begin at byte ${expected}, got ${begin} to ${end} (overlap or hole)`,
      );
    }
    if (BigInt(end - begin) !== size) {
      throw corrupt(
        name,
        `tensor ${key}: shape [${shape}] of ${dtype} does not fit the ${end - begin} bytes of its data`,
      );
    }
    if (end > dataBytes) {
      throw corrupt(
        name,
        `truncated: tensor ${key} ends at byte ${end} of the data, the file has ${dataBytes}`,
      );
    }
    expected = end;
  }
  if (expected !== dataBytes) {
    throw corrupt(name, `expected ${expected} bytes of tensors, the file has ${dataBytes}`);
  }
}

function metadataOf(value: StrictJson, name: string): Record<string, string> {
  if (value === null) return {};
  if (!(value instanceof JsonObject)) throw malformed(name, 'its __metadata__ is not an object');
  for (const [field, text] of value.members) {
    if (typeof text !== 'string') throw malformed(name, `__metadata__.${field}: expected text`);
  }
  // Object.fromEntries makes members of their own, __proto__ too.
  return Object.fromEntries(value.members) as Record<string, string>;
}

const fields = ['dtype', 'shape', 'data_offsets'] as const;

/** A tensor's entry: an object, or as serde takes structures too, the list of its three values. */
function extentOf(key: string, value: StrictJson, name: string): Extent & { size: bigint } {
  const wrong = (why: string) => malformed(name, `tensor ${key}: ${why}`);
  const given = new Map<string, StrictJson>();
  if (value instanceof JsonObject) {
    for (const [field, each] of value.members) {
      if (!(fields as readonly string[]).includes(field)) continue;
      if (given.has(field)) throw wrong(`its ${field} is there twice`);
      given.set(field, each);
    }
  } else if (Array.isArray(value) && value.length === fields.length) {
    fields.forEach((field, i) => {
      given.set(field, value[i]!);
    });
  } else {
    throw wrong(`expected {${fields}}`);
  }
  const dtype = variantOf(given.get('dtype'));
  if (dtype === undefined) throw wrong(`expected one of ${dtypes}, got ${shown(given.get('dtype'))}`);
  const sizes = countsOf(given.get('shape'));
  if (sizes === null) throw wrong('its shape is not a list of sizes');
  const offsets = countsOf(given.get('data_offsets'));
  if (offsets?.length !== 2) throw wrong('its data_offsets are not two positions');
  let bits = 1n;
  for (const factor of [...sizes, BigInt(elementTypes[dtype].bits)]) {
    bits *= factor;
    if (bits > most) throw wrong(`its shape [${sizes}] has more numbers than 64 bits can count`);
  }
  if (bits % 8n !== 0n) throw wrong(`its ${bits} bits end within a byte`);
  const shape = sizes.map(Number);
  const [begin, end] = offsets.map(Number) as [number, number];
  if (![...shape, begin, end].every(Number.isSafeInteger)) throw wrong('a size or position beyond 2^53');
  return { name: key, dtype, shape, begin, end, size: bits / 8n };
}

/** A name of a type, or as serde takes variants too, an object of that one name and null. */
function variantOf(value: StrictJson | undefined): Dtype | undefined {
  const variant =
    value instanceof JsonObject && value.members.length === 1 && value.members[0]![1] === null
      ? value.members[0]![0]
      : value;
  return dtypes.find((dtype) => dtype === variant);
}

/** Whole numbers of 64 bits, or null. */
function countsOf(value: StrictJson | undefined): bigint[] | null {
  if (!Array.isArray(value)) return null;
  const counts = value.map((each) => (each instanceof JsonNumber ? each.integer : null));
  return counts.every((each) => each !== null && each >= 0n && each <= most) ? (counts as bigint[]) : null;
}

function shown(value: StrictJson | undefined): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  return value instanceof JsonNumber ? value.text.slice(0, 60) : 'something else';
}

const corrupt = (name: string, why: string) => new RdropError('CHECKPOINT_CORRUPT', `${name}: ${why}`);

const malformed = (name: string, why: string, cause?: unknown) =>
  new RdropError('MALFORMED_FILE', `${name}: not a safetensors file: ${why}`, { cause });

const utf8 = new TextEncoder();

/**
 * The header for tensors, and their names in the order of their bytes: by type, widest first, then by name, as Python's
 * safetensors sorts them.
 *
 * @throws RdropError INVALID_ARGUMENT for a name that the format cannot hold
 */
export function headerFor(
  tensors: ReadonlyMap<string, Pick<StoredTensor, 'dtype' | 'shape'>>,
  metadata: Record<string, string>,
): { header: Uint8Array; names: string[] } {
  const rank = (name: string) => dtypes.indexOf(tensors.get(name)!.dtype);
  const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const names = [...tensors.keys()].sort((a, b) => rank(a) - rank(b) || compare(a, b));
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push(['__metadata__', metadata]);
  let offset = 0;
  for (const name of names) {
    const { dtype, shape } = tensors.get(name)!;
    if (name === '__metadata__' || /\p{Surrogate}/u.test(name)) {
      throw new RdropError('INVALID_ARGUMENT', `tensor ${JSON.stringify(name)}: no name for a tensor`);
    }
    const size = shape.reduce((product, extent) => product * extent, elementTypes[dtype].bits / 8);
    entries.push([name, { dtype, shape, data_offsets: [offset, offset + size] }]);
    offset += size;
  }
  // Joined by hand: an object would move names that look like numbers to the front.
  const json = utf8.encode(
    `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)}}`,
  );
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  if (header.length - 8 > largestHeader) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `tensors: expected names that take at most ${largestHeader} bytes, got ${header.length - 8}`,
    );
  }
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return { header, names };
}
