/**
 * What a pickle holds, as inert data: nothing here has behavior of its own. Python's None, bool, int, float, str and
 * bytes are null, boolean, number (bigint beyond 2^53), number, string and Uint8Array; a list is an array, a set an
 * array too.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | PickleObject
  | PickleForeign;

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export class PickleDict extends Map<PickleValue, PickleValue> {
  /** Of an OrderedDict: what stood in its __dict__. */
  attributes: PickleValue = null;
}

/** A class or function by name: a symbol, never the thing. */
export class PickleGlobal {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}

  toString(): string {
    return `${this.module}.${this.name}`;
  }
}

/** An object of a class that is known to hold data alone: what it would have been built from. */
export class PickleObject {
  state: PickleValue = null;

  constructor(
    readonly global: PickleGlobal,
    readonly args: readonly PickleValue[],
  ) {}
}

/** What a reader of its own makes of a global or of a persistent id, such as a tensor. */
export class PickleForeign<T = unknown> {
  constructor(readonly value: T) {}
}

/**
 * The named fields of what is a mapping in one of the ways in which Python programs write one: a dict with string keys, an
 * OrderedDict with attributes, or an argparse.Namespace. null for anything else.
 */
export function fieldsOf(value: PickleValue | undefined): Map<string, PickleValue> | null {
  const source = value instanceof PickleObject ? value.state : value;
  if (!(source instanceof PickleDict)) return null;
  const fields = new Map<string, PickleValue>();
  const put = (dict: PickleDict) => {
    for (const [key, field] of dict) if (typeof key === 'string') fields.set(key, field);
  };
  put(source);
  if (source.attributes instanceof PickleDict) put(source.attributes);
  return fields;
}

/** A short description for an error message. */
export function describePickled(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) {
    if (value.length <= 4 && value.every((item) => typeof item === 'number')) return `[${value.join(', ')}]`;
    return `a list of ${value.length}`;
  }
  if (value instanceof PickleTuple) return `a tuple of ${value.items.length}`;
  if (value instanceof PickleDict) return `a dict of ${value.size}`;
  if (value instanceof PickleGlobal) return `the global ${value}`;
  if (value instanceof PickleObject) return `an object of ${value.global}`;
  return 'a tensor or storage';
}
