import type { RdropError } from '../../util/errors.js';
import { cost, type PickleBudget } from './pickle_budget.js';

const longestInteger = 256;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of a pickle, read one after another; whatever reaches beyond their end throws what `corrupt` makes. */
export class PickleBytes {
  /** Where the next byte stands. */
  at = 0;
  readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly corrupt: (why: string) => RdropError,
    private readonly budget: PickleBudget,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves past so many bytes; returns where they begin. */
  skip(count: number): number {
    const at = this.at;
    if (count > this.bytes.length - at) {
      throw this.corrupt(`truncated: expected ${count} bytes more, got ${this.bytes.length - at}`);
    }
    this.at = at + count;
    return at;
  }

  take(count: number): Uint8Array {
    const at = this.skip(count);
    return this.bytes.subarray(at, at + count);
  }

  /** A length of so many bytes, little-endian; never more than what is left of the pickle. */
  length(width: number): number {
    const at = this.skip(width);
    const length =
      width === 1
        ? this.view.getUint8(at)
        : width === 4
          ? this.view.getUint32(at, true)
          : Number(this.view.getBigUint64(at, true));
    if (length > this.bytes.length - this.at) {
      throw this.corrupt(`a length of ${length} where ${this.bytes.length - this.at} bytes are left`);
    }
    return length;
  }

  /** Up to a line feed, which is read and left out. */
  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw this.corrupt('truncated: a line has no end');
    const text = this.text(end - this.at);
    this.at = end + 1;
    return text;
  }

  /** Of protocol 0: Latin-1, and \u escapes for the rest. */
  escapedLine(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw this.corrupt('truncated: a line has no end');
    this.budget.spend(cost.text + 2 * (end - this.at));
    const text = Buffer.from(this.take(end - this.at)).toString('latin1');
    this.at = end + 1;
    return text.replace(
      /\\u([0-9a-fA-F]{4})|\\U(0010[0-9a-fA-F]{4}|000[0-9a-fA-F]{5})/g,
      (_, four?: string, eight?: string) => String.fromCodePoint(Number.parseInt(four ?? eight!, 16)),
    );
  }

  text(length: number): string {
    if (length === 0) return '';
    this.budget.spend(cost.text + 2 * length);
    const bytes = this.take(length);
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.corrupt('a string is not valid UTF-8');
    }
  }

  /** The number of a memo entry. */
  decimal(text: string): number {
    if (!/^\d{1,9}$/.test(text))
      throw this.corrupt(`expected the number of a memo entry, got ${shown(text)}`);
    return Number(text);
  }

  /** A decimal number; 00 and 01 are protocol 1's booleans. */
  integerLine(text: string): boolean | number | bigint {
    if (text === '00' || text === '01') return text === '01';
    if (!/^-?\d{1,300}$/.test(text)) throw this.corrupt(`expected an integer, got ${shown(text)}`);
    return small(BigInt(text));
  }

  /** Two's complement, little-endian. */
  long(length: number): number | bigint {
    if (length > longestInteger) {
      throw this.corrupt(`an integer of ${length} bytes, expected at most ${longestInteger}`);
    }
    this.budget.spend(cost.number + length);
    let value = 0n;
    const bytes = this.take(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return small(BigInt.asIntN(8 * length, value));
  }
}

const small = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;

/** A name out of the file as it may stand in a message. */
export const shown = (text: string): string =>
  JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text).slice(1, -1);
