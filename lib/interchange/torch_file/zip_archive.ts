import { crc32 } from 'node:zlib';
import { RdropError } from '../../util/errors.js';
import { PositionedFile } from '../../util/files/positioned_file.js';

/** A member of an archive: stored, not compressed. */
export interface ZipMember {
  name: string;
  size: number;
  crc: number;
  /** Where its local header stands. */
  header: number;
}

const localHeader = 0x04034b50;
const centralHeader = 0x02014b50;
const end = 0x06054b50;
const end64 = 0x06064b50;
const locator64 = 0x07064b50;
const largestDirectory = 64 << 20;
/** A checkpoint has one member a tensor; this is a thousand times the largest known. */
const mostMembers = 1_000_000;

/**
 * A zip archive of stored members, read by position, so that a file of gigabytes costs the memory of what is asked for.
 * Sizes of 2^32 and more (zip64) are known. What could hide something is refused: compressed or encrypted members, two
 * of one name, members that overlap.
 */
export class ZipArchive {
  /** Where the bytes of a member begin, once its local header was read. */
  readonly #begins = new Map<ZipMember, number>();
  readonly #verified = new Set<ZipMember>();

  private constructor(
    private readonly file: PositionedFile,
    readonly members: ReadonlyMap<string, ZipMember>,
    private readonly directory: number,
  ) {}

  /** @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE (no zip), CHECKPOINT_CORRUPT (damaged, or as above) */
  static async open(path: string): Promise<ZipArchive> {
    const file = await PositionedFile.open(path);
    try {
      const read = (at: number, length: number) => readAt(file, at, length, file.size);
      const { members, begin } = await readDirectory(read, file.size, path);
      return new ZipArchive(file, members, begin);
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
  }

  get path(): string {
    return this.file.path;
  }

  #corrupt(member: ZipMember, why: string): RdropError {
    return new RdropError('CHECKPOINT_CORRUPT', `${this.path}: member ${member.name}: ${why}`);
  }

  async #begin(member: ZipMember): Promise<number> {
    const known = this.#begins.get(member);
    if (known !== undefined) return known;
    const read = (at: number, length: number) => readAt(this.file, at, length, this.directory, member.name);
    const header = view(await read(member.header, 30));
    if (header.getUint32(0, true) !== localHeader) throw this.#corrupt(member, 'its local header is damaged');
    const nameLength = header.getUint16(26, true);
    const name = Buffer.from(await read(member.header + 30, nameLength)).toString('utf8');
    if (name !== member.name) {
      throw this.#corrupt(member, `its local header calls it ${JSON.stringify(name.slice(0, 120))}`);
    }
    const begin = member.header + 30 + nameLength + header.getUint16(28, true);
    if (member.size > this.directory - begin) {
      const there = Math.max(0, this.directory - begin);
      throw this.#corrupt(member, `truncated: it needs ${member.size} bytes, ${there} are there`);
    }
    this.#begins.set(member, begin);
    return begin;
  }

  /** Compares the checksum of a member, once. @throws RdropError CHECKPOINT_CORRUPT, naming file and member */
  async verify(member: ZipMember): Promise<void> {
    if (this.#verified.has(member)) return;
    const begin = await this.#begin(member);
    let sum = 0;
    for await (const piece of this.file.pieces(begin, begin + member.size)) sum = crc32(piece, sum);
    if (sum !== member.crc) {
      throw this.#corrupt(
        member,
        `its checksum is ${sum.toString(16)}, expected ${member.crc.toString(16)}: the file is damaged`,
      );
    }
    this.#verified.add(member);
  }

  /**
   * Bytes of a member, from a place within it on, in memory of their own; verify() compares them with its checksum.
   *
   * @throws RdropError CHECKPOINT_CORRUPT, naming file and member
   */
  async readRange(member: ZipMember, from: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (from + length > member.size)
      throw this.#corrupt(member, `has ${member.size} bytes, not ${from + length}`);
    return this.file.read((await this.#begin(member)) + from, length);
  }

  /**
   * A member whole, its checksum compared.
   *
   * @param limit the most bytes that it may have
   * @throws RdropError CHECKPOINT_CORRUPT, naming file and member
   */
  async read(member: ZipMember, limit = Number.POSITIVE_INFINITY): Promise<Uint8Array<ArrayBuffer>> {
    if (member.size > limit) {
      throw this.#corrupt(member, `expected at most ${limit} bytes, got ${member.size}`);
    }
    await this.verify(member);
    return this.readRange(member, 0, member.size);
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function readAt(
  file: PositionedFile,
  at: number,
  length: number,
  limit: number,
  member?: string,
): Promise<Uint8Array> {
  if (at < 0 || at + length > limit) {
    const what = member === undefined ? '' : `member ${member}: `;
    throw new RdropError(
      'CHECKPOINT_CORRUPT',
      `${file.path}: ${what}expected ${length} bytes at ${at}, the file has ${limit} there`,
    );
  }
  return file.read(at, length);
}

type Read = (at: number, length: number) => Promise<Uint8Array>;

async function readDirectory(read: Read, size: number, path: string) {
  const corrupt = (why: string) => new RdropError('CHECKPOINT_CORRUPT', `${path}: ${why}`);
  const tailLength = Math.min(size, 22 + 0xffff);
  const tailAt = size - tailLength;
  const tail = await read(tailAt, tailLength);
  const place = findEnd(tail);
  if (place < 0) {
    const first = size >= 4 ? view(await read(0, 4)).getUint32(0, true) : 0;
    if (first === localHeader)
      throw corrupt('truncated: the directory of a zip archive is missing at the end');
    throw new RdropError('MALFORMED_FILE', `${path}: expected a zip archive, got something else`);
  }
  const record = view(tail.subarray(place));
  let count = record.getUint16(10, true);
  let length = record.getUint32(12, true);
  let begin = record.getUint32(16, true);
  let limit = tailAt + place;
  if (count === 0xffff || length === 0xffffffff || begin === 0xffffffff) {
    const locator = view(await read(tailAt + place - 20, 20));
    if (locator.getUint32(0, true) !== locator64)
      throw corrupt('the locator of its zip64 directory is missing');
    limit = Number(locator.getBigUint64(8, true));
    const record64 = view(await read(limit, 56));
    if (record64.getUint32(0, true) !== end64) throw corrupt('the end of its zip64 directory is damaged');
    count = Number(record64.getBigUint64(32, true));
    length = Number(record64.getBigUint64(40, true));
    begin = Number(record64.getBigUint64(48, true));
  }
  if (begin + length > limit || length > largestDirectory || count > mostMembers) {
    throw corrupt(`its directory of ${count} members and ${length} bytes at ${begin} does not fit the file`);
  }
  const members = parseDirectory(view(await read(begin, length)), count, path);
  checkOverlap([...members.values()], begin, path);
  return { members, begin };
}

/** The place of the end record, which stands before a comment of its stated length; -1 where there is none. */
function findEnd(tail: Uint8Array): number {
  const at = view(tail);
  for (let i = tail.length - 22; i >= 0; i--) {
    if (at.getUint32(i, true) === end && i + 22 + at.getUint16(i + 20, true) === tail.length) return i;
  }
  return -1;
}

function parseDirectory(directory: DataView, count: number, path: string): Map<string, ZipMember> {
  const corrupt = (why: string) => new RdropError('CHECKPOINT_CORRUPT', `${path}: ${why}`);
  const members = new Map<string, ZipMember>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== centralHeader) {
      throw corrupt(`entry ${i} of its directory is damaged`);
    }
    const nameLength = directory.getUint16(at + 28, true);
    const extraLength = directory.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + directory.getUint16(at + 32, true);
    if (next > directory.byteLength) throw corrupt(`entry ${i} of its directory is truncated`);
    const bytes = (from: number, length: number) =>
      Buffer.from(directory.buffer as ArrayBuffer, directory.byteOffset + from, length);
    const name = bytes(at + 46, nameLength).toString('utf8');
    const method = directory.getUint16(at + 10, true);
    if (method !== 0) throw corrupt(`member ${name}: expected it stored, got compression method ${method}`);
    if ((directory.getUint16(at + 8, true) & 1) !== 0) throw corrupt(`member ${name}: is encrypted`);
    const sizes = {
      size: directory.getUint32(at + 24, true),
      packed: directory.getUint32(at + 20, true),
      header: directory.getUint32(at + 42, true),
    };
    widen(sizes, bytes(at + 46 + nameLength, extraLength), () =>
      corrupt(`member ${name}: its zip64 sizes are missing`),
    );
    if (sizes.size !== sizes.packed) {
      throw corrupt(`member ${name}: is stored, but has ${sizes.packed} bytes for ${sizes.size}`);
    }
    if (members.has(name)) throw corrupt(`member ${name}: is there twice`);
    members.set(name, {
      name,
      size: sizes.size,
      crc: directory.getUint32(at + 16, true),
      header: sizes.header,
    });
    at = next;
  }
  return members;
}

/** Takes the sizes that need 64 bits from the extra field, in the format's order. */
function widen(
  sizes: { size: number; packed: number; header: number },
  extra: Buffer,
  missing: () => RdropError,
): void {
  const wanted = (['size', 'packed', 'header'] as const).filter((key) => sizes[key] === 0xffffffff);
  if (wanted.length === 0) return;
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      if (length < 8 * wanted.length || at + 4 + length > extra.length) break;
      wanted.forEach((key, i) => {
        sizes[key] = Number(extra.readBigUInt64LE(at + 4 + 8 * i));
      });
      return;
    }
    at += 4 + length;
  }
  throw missing();
}

/** Members that share bytes are how a small file pretends to be a huge one. */
function checkOverlap(members: readonly ZipMember[], directory: number, path: string): void {
  const sorted = [...members].sort((a, b) => a.header - b.header);
  sorted.forEach(({ name, header, size }, i) => {
    const next = sorted[i + 1]?.header ?? directory;
    if (header + 30 + Buffer.byteLength(name) + size <= next) return;
    throw new RdropError(
      'CHECKPOINT_CORRUPT',
      `${path}: member ${name}: ${size} bytes at ${header} reach into what begins at ${next}`,
    );
  });
}
