import { crc32 } from 'node:zlib';

export interface StoredMember {
  name: string;
  bytes: Uint8Array;
}

/** A member that is never in memory whole: its pieces, `size` bytes in all, are asked for twice. */
export interface StreamedMember {
  name: string;
  size: number;
  pieces(): AsyncIterable<Uint8Array>;
}

/** Where the bytes of a member begin, so that a reader can map them; torch's own alignment. */
const alignment = 64;
/** The mark of torch's padding in the extra field. */
const padding = 0x4246;
/** 1 January 1980: equal content is equal bytes. */
const date = 0x21;

/**
 * A zip archive of stored members as pieces in order, as torch.save lays it out.
 *
 * @param limit from which on a size or a place is written with 64 bits
 */
export function* zipStored(members: Iterable<StoredMember>, limit?: number): Generator<Uint8Array> {
  const layout = new ZipLayout(limit);
  for (const { name, bytes } of members) {
    yield layout.header(name, bytes.length, crc32(bytes));
    yield bytes;
  }
  yield* layout.end();
}

/** The same of members that may be streamed. */
export async function* streamZip(
  members: Iterable<StoredMember | StreamedMember>,
  limit?: number,
): AsyncGenerator<Uint8Array> {
  const layout = new ZipLayout(limit);
  for (const member of members) {
    if ('bytes' in member) {
      yield layout.header(member.name, member.bytes.length, crc32(member.bytes));
      yield member.bytes;
      continue;
    }
    let crc = 0;
    for await (const piece of member.pieces()) crc = crc32(piece, crc);
    yield layout.header(member.name, member.size, crc);
    yield* member.pieces();
  }
  yield* layout.end();
}

/** What stands between and behind the members, which are laid out as torch.save does. */
export class ZipLayout {
  readonly #directory: Uint8Array[] = [];
  #at = 0;

  constructor(private readonly limit = 0xffffffff) {}

  /** The header of the next member. */
  header(name: string, size: number, crc: number): Uint8Array {
    const wide = size >= this.limit;
    const sizes = wide ? zip64([size, size]) : Buffer.alloc(0);
    const before = this.#at + 30 + Buffer.byteLength(name) + sizes.length + 4;
    const gap = (alignment - (before % alignment)) % alignment;
    const pad = Buffer.alloc(4 + gap);
    pad.writeUInt16LE(padding, 0);
    pad.writeUInt16LE(gap, 2);
    const entry = { name, crc, size, wide };
    const header = Buffer.concat([local(entry, sizes.length + pad.length), sizes, pad]);
    this.#directory.push(central(entry, this.#at, this.limit));
    this.#at += header.length + size;
    return header;
  }

  *end(): Generator<Uint8Array> {
    const size = this.#directory.reduce((sum, { length }) => sum + length, 0);
    yield* this.#directory;
    yield ending(this.#directory.length, size, this.#at, this.limit);
  }
}

interface Entry {
  name: string;
  crc: number;
  size: number;
  wide: boolean;
}

/** The fields that local and central headers share, from the version on. */
function shared(header: Buffer, at: number, { name, crc, size, wide }: Entry, extra: number): void {
  header.writeUInt16LE(wide ? 45 : 20, at);
  header.writeUInt16LE(0x800, at + 2); // names are UTF-8
  header.writeUInt16LE(date, at + 8);
  header.writeUInt32LE(crc, at + 10);
  header.writeUInt32LE(wide ? 0xffffffff : size, at + 14);
  header.writeUInt32LE(wide ? 0xffffffff : size, at + 18);
  header.writeUInt16LE(Buffer.byteLength(name), at + 22);
  header.writeUInt16LE(extra, at + 24);
}

function local(entry: Entry, extra: number): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  shared(header, 4, entry, extra);
  return Buffer.concat([header, Buffer.from(entry.name)]);
}

function central(entry: Entry, place: number, limit: number): Buffer {
  const far = place >= limit;
  const values = [...(entry.wide ? [entry.size, entry.size] : []), ...(far ? [place] : [])];
  const extra = values.length > 0 ? zip64(values) : Buffer.alloc(0);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(45, 4);
  shared(header, 6, entry, extra.length);
  header.writeUInt32LE(far ? 0xffffffff : place, 42);
  return Buffer.concat([header, Buffer.from(entry.name), extra]);
}

function zip64(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  values.forEach((value, i) => {
    extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  });
  return extra;
}

function ending(count: number, size: number, place: number, limit: number): Buffer {
  const wide = count >= Math.min(limit, 0xffff) || size >= limit || place >= limit;
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(wide ? 0xffff : count, 8);
  record.writeUInt16LE(wide ? 0xffff : count, 10);
  record.writeUInt32LE(wide ? 0xffffffff : size, 12);
  record.writeUInt32LE(wide ? 0xffffffff : place, 16);
  if (!wide) return record;
  const record64 = Buffer.alloc(56);
  record64.writeUInt32LE(0x06064b50, 0);
  record64.writeBigUInt64LE(44n, 4);
  record64.writeUInt16LE(45, 12);
  record64.writeUInt16LE(45, 14);
  record64.writeBigUInt64LE(BigInt(count), 24);
  record64.writeBigUInt64LE(BigInt(count), 32);
  record64.writeBigUInt64LE(BigInt(size), 40);
  record64.writeBigUInt64LE(BigInt(place), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(place + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([record64, locator, record]);
}
