import { RdropError } from '../../util/errors.js';
import { cost, PickleBudget } from './pickle_budget.js';
import { PickleBytes, shown } from './pickle_bytes.js';
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
export type GlobalHandler = (
  args: readonly PickleValue[],
  /** Counts what the handler makes before it makes it. */
  budget: PickleBudget,
) => PickleValue;

export interface PickleRules {
  /**
   * The globals that may occur. A handler makes a value of a call; 'symbol' may be named and not called; 'object' becomes
   * a PickleObject. undefined refuses the pickle.
   */
  global(module: string, name: string): GlobalHandler | 'symbol' | 'object' | undefined;
  /** What a persistent id stands for; a throw refuses the pickle. */
  persistent(id: PickleValue): PickleValue;
}

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
 * run: a call becomes a value only where the rules know the global, and those rules only arrange data. What it makes is
 * counted (PickleBudget), and work is linear in that.
 *
 * @param name the file and the member, for errors
 * @throws RdropError UNSAFE_PICKLE (a global, call or opcode beyond the rules, or more than a pickle may make), CHECKPOINT_CORRUPT (not a whole pickle);
 *   both name the position of the opcode in the member
 */
export function readPickle(bytes: Uint8Array, name: string, rules: PickleRules): PickleValue {
  return new Reader(bytes, name, rules).read();
}

class Reader {
  readonly #bytes: PickleBytes;
  readonly #stack: Slot[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #budget = new PickleBudget((why) => this.#unsafe(why));
  /** Where the opcode under way stands. */
  #opcode = 0;

  constructor(
    bytes: Uint8Array,
    private readonly name: string,
    private readonly rules: PickleRules,
  ) {
    this.#bytes = new PickleBytes(bytes, (why) => this.#corrupt(why), this.#budget);
  }

  read(): PickleValue {
    for (;;) {
      this.#opcode = this.#bytes.at;
      const code = this.#bytes.take(1)[0]!;
      if (code === 0x2e) {
        const value = this.#pop();
        if (this.#stack.length > 0)
          throw this.#corrupt(`${this.#stack.length} values are left over at the end`);
        return value;
      }
      const value = this.#step(code);
      if (value === undefined) continue;
      this.#budget.spend(cost.slot);
      this.#stack.push(value);
    }
  }

  /** Interprets an opcode; returns what it pushes, undefined where it pushes nothing. */
  #step(code: number): PickleValue | undefined {
    const { view } = this.#bytes;
    switch (code) {
      case 0x80: {
        const protocol = this.#bytes.take(1)[0]!;
        if (protocol > 5) throw this.#corrupt(`expected a pickle of protocol 0 to 5, got ${protocol}`);
        return undefined;
      }
      case 0x95: // FRAME
        this.#bytes.length(8);
        return undefined;
      // Plain values.
      case 0x4e:
        return null;
      case 0x88:
        return true;
      case 0x89:
        return false;
      case 0x49: // INT, a line; 00 and 01 are protocol 1's booleans
        return this.#bytes.integerLine(this.#bytes.line());
      case 0x4c: // LONG
        return this.#bytes.integerLine(this.#bytes.line().replace(/L$/, ''));
      case 0x4a: {
        const at = this.#bytes.skip(4);
        return view.getInt32(at, true);
      }
      case 0x4b:
        return this.#bytes.take(1)[0]!;
      case 0x4d: {
        const at = this.#bytes.skip(2);
        return view.getUint16(at, true);
      }
      case 0x8a:
        return this.#bytes.long(this.#bytes.length(1));
      case 0x8b:
        return this.#bytes.long(this.#bytes.length(4));
      case 0x46: {
        const text = this.#bytes.line();
        if (!/^[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|inf|nan)$/.test(text))
          throw this.#corrupt(`bad FLOAT ${text}`);
        return Number(text.replace('inf', 'Infinity').replace('nan', 'NaN'));
      }
      case 0x47: {
        const at = this.#bytes.skip(8);
        return view.getFloat64(at);
      }
      case 0x56:
        return this.#bytes.escapedLine();
      case 0x8c:
        return this.#bytes.text(this.#bytes.length(1));
      case 0x58:
        return this.#bytes.text(this.#bytes.length(4));
      case 0x8d:
        return this.#bytes.text(this.#bytes.length(8));
      case 0x55: // SHORT_BINSTRING and BINSTRING are Python 2's str, which torch reads as text
        return this.#bytes.text(this.#bytes.length(1));
      case 0x54:
        return this.#bytes.text(this.#bytes.length(4));
      case 0x43:
        return this.#bytes.take(this.#bytes.length(1));
      case 0x42:
        return this.#bytes.take(this.#bytes.length(4));
      case 0x8e:
        return this.#bytes.take(this.#bytes.length(8));
      // Containers.
      case 0x28:
        this.#budget.spend(cost.slot);
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
        return this.#tuple([]);
      case 0x74:
        return this.#tuple(this.#popMark());
      case 0x85:
      case 0x86:
      case 0x87:
        return this.#tuple(this.#popMany(code - 0x84));
      case 0x5d:
      case 0x8f: // EMPTY_SET
        this.#budget.spend(cost.list);
        return [];
      case 0x6c:
      case 0x91: // FROZENSET
        this.#budget.spend(cost.list);
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
        return this.#newDict();
      case 0x64:
        return this.#setItems(this.#newDict(), this.#popMark());
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
        return this.#get(this.#bytes.decimal(this.#bytes.line()));
      case 0x68:
        return this.#get(this.#bytes.take(1)[0]!);
      case 0x6a:
        return this.#get(view.getUint32(this.#bytes.skip(4), true));
      case 0x70:
        this.#remember(this.#bytes.decimal(this.#bytes.line()));
        return undefined;
      case 0x71:
        this.#remember(this.#bytes.take(1)[0]!);
        return undefined;
      case 0x72:
        this.#remember(view.getUint32(this.#bytes.skip(4), true));
        return undefined;
      case 0x94:
        this.#remember(this.#memo.size);
        return undefined;
      // What could be code in Python.
      case 0x63: {
        const module = this.#bytes.line();
        return this.#global(module, this.#bytes.line());
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
        const module = this.#bytes.line();
        throw this.#unsafe(`the opcode INST with the global ${shown(`${module}.${this.#bytes.line()}`)}`);
      }
    }
  }

  #global(module: string, name: string): PickleGlobal {
    if (this.rules.global(module, name) === undefined) {
      throw this.#unsafe(`the global ${shown(`${module}.${name}`)}`);
    }
    this.#budget.spend(cost.object);
    return new PickleGlobal(module, name);
  }

  #call(callee: PickleValue, args: PickleValue): PickleValue {
    if (!(callee instanceof PickleGlobal)) throw this.#unsafe(`a call of ${describePickled(callee)}`);
    if (!(args instanceof PickleTuple)) {
      throw this.#corrupt(`expected a tuple of arguments for ${callee}, got ${describePickled(args)}`);
    }
    const rule = this.rules.global(callee.module, callee.name);
    this.#budget.spend(cost.object);
    if (rule === 'object') return new PickleObject(callee, args.items);
    if (typeof rule !== 'function') throw this.#unsafe(`a call of ${callee}`);
    return this.#guard(String(callee), () => rule(args.items, this.#budget));
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
    for (let i = 0; i < pairs.length; i += 2) {
      const key = pairs[i]!;
      this.#budget.key(typeof key === 'string', dict.size);
      dict.set(key, pairs[i + 1]!);
    }
    return dict;
  }

  #tuple(items: readonly PickleValue[]): PickleTuple {
    this.#budget.spend(cost.tuple);
    return new PickleTuple(items);
  }

  #newDict(): PickleDict {
    this.#budget.spend(cost.dict);
    return new PickleDict();
  }

  #remember(index: number): void {
    this.#budget.spend(cost.entry);
    this.#memo.set(index, this.#top());
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
