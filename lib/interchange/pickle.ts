import { RdropError } from '../errors.js';
import {
  describePickled,
  PickleDict,
  PickleForeign,
  PickleGlobal,
  PickleObject,
  PickleTuple,
  type PickleValue,
} from './pickle_values.js';

/** What a global may become when it is called with arguments; data alone. A throw refuses the pickle. */
export type GlobalHandler = (args: readonly PickleValue[]) => PickleValue;

export interface PickleRules {
  /**
   * The globals that may occur. A handler makes a value of a call; 'symbol' may be named and not called; 'object' becomes
   * a PickleObject. undefined refuses the pickle.
   */
  global(module: string, name: string): GlobalHandler | 'symbol' | 'object' | undefined;
  /** What a persistent id stands for; a throw refuses the pickle. */
  persistent(id: PickleValue): PickleValue;
}

const longestInteger = 256;
const mark = Symbol('mark');
type Slot = PickleValue | typeof mark;

const names: Readonly<Record<number, string>> = {
  80: 'PERSID',
  83: 'STRING',
  105: 'INST',
  111: 'OBJ',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  146: 'NEWOBJ_EX',
  150: 'BYTEARRAY8',
  151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
};

/**
 * Reads a pickle (protocols 0 to 5) as inert data. Its opcodes are interpreted, nothing of it is ever imported, called or
 * run: a call becomes a value only where the rules know the global, and those rules only arrange data. Work and memory
 * are linear in the bytes.
 *
 * @param name the file and the member, for errors
 * @throws RdropError UNSAFE_PICKLE (a global, call or opcode beyond the rules), CHECKPOINT_CORRUPT (not a whole pickle);
 *   both name the position of the opcode in the member
 */
export function readPickle(bytes: Uint8Array, name: string, rules: PickleRules): PickleValue {
  return new Reader(bytes, name, rules).read();
}

class Reader {
  readonly #view: DataView;
  readonly #stack: Slot[] = [];
  readonly #memo = new Map<number, PickleValue>();
  /** Where the opcode under way stands. */
  #opcode = 0;
  #at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly name: string,
    private readonly rules: PickleRules,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): PickleValue {
    for (;;) {
      this.#opcode = this.#at;
      const code = this.#take(1)[0]!;
      if (code === 0x2e) {
        const value = this.#pop();
        if (this.#stack.length > 0)
          throw this.#corrupt(`${this.#stack.length} values are left over at the end`);
        return value;
      }
      const value = this.#step(code);
      if (value !== undefined) this.#stack.push(value);
    }
  }

  /** Interprets an opcode; returns what it pushes, undefined where it pushes nothing. */
  #step(code: number): PickleValue | undefined {
    const view = this.#view;
    switch (code) {
      case 0x80: {
        const protocol = this.#take(1)[0]!;
        if (protocol > 5) throw this.#corrupt(`expected a pickle of protocol 0 to 5, got ${protocol}`);
        return undefined;
      }
      case 0x95: // FRAME
        this.#length(8);
        return undefined;
      // Plain values.
      case 0x4e:
        return null;
      case 0x88:
        return true;
      case 0x89:
        return false;
      case 0x49: // INT, a line; 00 and 01 are protocol 1's booleans
        return this.#integerLine(this.#line());
      case 0x4c: // LONG
        return this.#integerLine(this.#line().replace(/L$/, ''));
      case 0x4a: {
        const at = this.#skip(4);
        return view.getInt32(at, true);
      }
      case 0x4b:
        return this.#take(1)[0]!;
      case 0x4d: {
        const at = this.#skip(2);
        return view.getUint16(at, true);
      }
      case 0x8a:
        return this.#long(this.#length(1));
      case 0x8b:
        return this.#long(this.#length(4));
      case 0x46: {
        const text = this.#line();
        if (!/^[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|inf|nan)$/.test(text))
          throw this.#corrupt(`bad FLOAT ${text}`);
        return Number(text.replace('inf', 'Infinity').replace('nan', 'NaN'));
      }
      case 0x47: {
        const at = this.#skip(8);
        return view.getFloat64(at);
      }
      case 0x56:
        return this.#escapedLine();
      case 0x8c:
        return this.#text(this.#length(1));
      case 0x58:
        return this.#text(this.#length(4));
      case 0x8d:
        return this.#text(this.#length(8));
      case 0x55: // SHORT_BINSTRING and BINSTRING are Python 2's str, which torch reads as text
        return this.#text(this.#length(1));
      case 0x54:
        return this.#text(this.#length(4));
      case 0x43:
        return this.#take(this.#length(1));
      case 0x42:
        return this.#take(this.#length(4));
      case 0x8e:
        return this.#take(this.#length(8));
      // Containers.
      case 0x28:
        this.#stack.push(mark);
        return undefined;
      case 0x30:
        if (this.#stack.at(-1) === mark) this.#stack.pop();
        else this.#pop();
        return undefined;
      case 0x31:
        this.#popMark();
        return undefined;
      case 0x32:
        return this.#top();
      case 0x29:
        return new PickleTuple([]);
      case 0x74:
        return new PickleTuple(this.#popMark());
      case 0x85:
      case 0x86:
      case 0x87:
        return new PickleTuple(this.#popMany(code - 0x84));
      case 0x5d:
      case 0x8f: // EMPTY_SET
        return [];
      case 0x6c:
      case 0x91: // FROZENSET
        return this.#popMark();
      case 0x61: {
        const item = this.#pop();
        this.#list().push(item);
        return undefined;
      }
      case 0x65:
      case 0x90: {
        // ADDITEMS
        const items = this.#popMark();
        const list = this.#list();
        for (const item of items) list.push(item);
        return undefined;
      }
      case 0x7d:
        return new PickleDict();
      case 0x64:
        return this.#setItems(new PickleDict(), this.#popMark());
      case 0x73: {
        const pair = this.#popMany(2);
        this.#setItems(this.#dict(), pair);
        return undefined;
      }
      case 0x75: {
        const pairs = this.#popMark();
        this.#setItems(this.#dict(), pairs);
        return undefined;
      }
      // Memo.
      case 0x67:
        return this.#get(this.#decimal(this.#line()));
      case 0x68:
        return this.#get(this.#take(1)[0]!);
      case 0x6a:
        return this.#get(view.getUint32(this.#skip(4), true));
      case 0x70:
        this.#memo.set(this.#decimal(this.#line()), this.#top());
        return undefined;
      case 0x71:
        this.#memo.set(this.#take(1)[0]!, this.#top());
        return undefined;
      case 0x72:
        this.#memo.set(view.getUint32(this.#skip(4), true), this.#top());
        return undefined;
      case 0x94:
        this.#memo.set(this.#memo.size, this.#top());
        return undefined;
      // What could be code in Python.
      case 0x63: {
        const module = this.#line();
        return this.#global(module, this.#line());
      }
      case 0x93: {
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') {
          throw this.#unsafe(`STACK_GLOBAL of ${describePickled(module)} and ${describePickled(name)}`);
        }
        return this.#global(module, name);
      }
      case 0x52:
      case 0x81: {
        const [callee, args] = this.#popMany(2);
        return this.#call(callee!, args!);
      }
      case 0x62: {
        const state = this.#pop();
        this.#build(state);
        return undefined;
      }
      case 0x51:
        return this.#guard('persistent id', () => this.rules.persistent(this.#pop()));
      default: {
        const known = names[code];
        if (known === undefined) throw this.#corrupt(`no opcode has the value 0x${code.toString(16)}`);
        if (known !== 'INST') throw this.#unsafe(`the opcode ${known}`);
        const module = this.#line();
        throw this.#unsafe(`the opcode INST with the global ${shown(`${module}.${this.#line()}`)}`);
      }
    }
  }

  #global(module: string, name: string): PickleGlobal {
    if (this.rules.global(module, name) === undefined) {
      throw this.#unsafe(`the global ${shown(`${module}.${name}`)}`);
    }
    return new PickleGlobal(module, name);
  }

  #call(callee: PickleValue, args: PickleValue): PickleValue {
    if (!(callee instanceof PickleGlobal)) throw this.#unsafe(`a call of ${describePickled(callee)}`);
    if (!(args instanceof PickleTuple)) {
      throw this.#corrupt(`expected a tuple of arguments for ${callee}, got ${describePickled(args)}`);
    }
    const rule = this.rules.global(callee.module, callee.name);
    if (rule === 'object') return new PickleObject(callee, args.items);
    if (typeof rule !== 'function') throw this.#unsafe(`a call of ${callee}`);
    return this.#guard(String(callee), () => rule(args.items));
  }

  #build(state: PickleValue): void {
    const target = this.#top();
    if (target instanceof PickleObject) target.state = state;
    else if (target instanceof PickleDict) target.attributes = state;
    else if (target instanceof PickleForeign) throw this.#unsafe('state for a tensor (BUILD)');
    else throw this.#unsafe(`state for ${describePickled(target)} (BUILD)`);
  }

  #guard(what: string, make: () => PickleValue): PickleValue {
    try {
      return make();
    } catch (error) {
      if (error instanceof RdropError) throw error;
      throw this.#corrupt(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #setItems(dict: PickleDict, pairs: readonly PickleValue[]): PickleDict {
    if (pairs.length % 2 !== 0) throw this.#corrupt('a key of a dict has no value');
    for (let i = 0; i < pairs.length; i += 2) dict.set(pairs[i]!, pairs[i + 1]!);
    return dict;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark)
      throw this.#corrupt('the stack is empty where a value is needed');
    return value;
  }

  #pop(): PickleValue {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popMany(count: number): PickleValue[] {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.#pop());
    return values.reverse();
  }

  #popMark(): PickleValue[] {
    const values: PickleValue[] = [];
    for (;;) {
      const value = this.#stack.pop();
      if (value === undefined) throw this.#corrupt('the stack holds no mark where one is needed');
      if (value === mark) return values.reverse();
      values.push(value);
    }
  }

  #list(): PickleValue[] {
    const list = this.#top();
    if (!Array.isArray(list))
      throw this.#corrupt(`expected a list to append to, got ${describePickled(list)}`);
    return list;
  }

  #dict(): PickleDict {
    const dict = this.#top();
    if (!(dict instanceof PickleDict)) {
      throw this.#corrupt(`expected a dict to put items into, got ${describePickled(dict)}`);
    }
    return dict;
  }

  #get(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#corrupt(`the memo has no entry ${index}`);
    return value;
  }

  /** Moves past so many bytes; returns where they begin. */
  #skip(count: number): number {
    const at = this.#at;
    if (count > this.bytes.length - at) {
      throw this.#corrupt(`truncated: expected ${count} bytes more, got ${this.bytes.length - at}`);
    }
    this.#at = at + count;
    return at;
  }

  #take(count: number): Uint8Array {
    const at = this.#skip(count);
    return this.bytes.subarray(at, at + count);
  }

  /** A length of so many bytes, little-endian; never more than what is left of the pickle. */
  #length(width: number): number {
    const at = this.#skip(width);
    const length =
      width === 1
        ? this.#view.getUint8(at)
        : width === 4
          ? this.#view.getUint32(at, true)
          : Number(this.#view.getBigUint64(at, true));
    if (length > this.bytes.length - this.#at) {
      throw this.#corrupt(`a length of ${length} where ${this.bytes.length - this.#at} bytes are left`);
    }
    return length;
  }

  #line(): string {
    const end = this.bytes.indexOf(10, this.#at);
    if (end < 0) throw this.#corrupt('truncated: a line has no end');
    const text = this.#text(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  /** Of protocol 0: Latin-1, and \\u escapes for the rest. */
  #escapedLine(): string {
    const end = this.bytes.indexOf(10, this.#at);
    if (end < 0) throw this.#corrupt('truncated: a line has no end');
    const text = Buffer.from(this.#take(end - this.#at)).toString('latin1');
    this.#at = end + 1;
    return text.replace(/\\u([0-9a-fA-F]{4})|\\U000([01][0-9a-fA-F]{4})/g, (_, four: string, five: string) =>
      String.fromCodePoint(Number.parseInt(four ?? five, 16)),
    );
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.#corrupt('a string is not valid UTF-8');
    }
  }

  #decimal(text: string): number {
    if (!/^\d{1,9}$/.test(text))
      throw this.#corrupt(`expected the number of a memo entry, got ${shown(text)}`);
    return Number(text);
  }

  #integerLine(text: string): PickleValue {
    if (text === '00' || text === '01') return text === '01';
    if (!/^-?\d{1,300}$/.test(text)) throw this.#corrupt(`expected an integer, got ${shown(text)}`);
    return small(BigInt(text));
  }

  #long(length: number): PickleValue {
    if (length > longestInteger) {
      throw this.#corrupt(`an integer of ${length} bytes, expected at most ${longestInteger}`);
    }
    let value = 0n;
    const bytes = this.#take(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return small(BigInt.asIntN(8 * length, value));
  }

  #where(): string {
    return `${this.name}: opcode at byte ${this.#opcode}`;
  }

  #corrupt(why: string): RdropError {
    return new RdropError('CHECKPOINT_CORRUPT', `${this.#where()}: ${why}`);
  }

  #unsafe(what: string): RdropError {
    return new RdropError(
      'UNSAFE_PICKLE',
      `${this.#where()}: expected nothing but tensors and plain data, got ${what}; nothing of it was run`,
    );
  }
}

const small = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;

/** A name out of the file as it may stand in a message. */
const shown = (text: string): string =>
  JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text).slice(1, -1);
