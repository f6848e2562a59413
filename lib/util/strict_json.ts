/**
 * JSON as RFC 8259 and Rust's serde_json read it, with what JSON.parse drops: members that are there twice, the name
 * `__proto__`, and how a number was written.
 */
export type StrictJson = null | boolean | string | JsonNumber | StrictJson[] | JsonObject;

export class JsonNumber {
  constructor(readonly text: string) {}

  /** The whole number that stands there as one, without a fraction, an exponent or the sign of -0; else null. */
  get integer(): bigint | null {
    return /^(0|-?[1-9]\d*)$/.test(this.text) ? BigInt(this.text) : null;
  }
}

/** The members in their order. */
export class JsonObject {
  constructor(readonly members: readonly (readonly [name: string, value: StrictJson])[]) {}
}

/** serde_json's own limit. */
const deepest = 127;

/** @throws SyntaxError that names the character */
export function parseStrictJson(text: string): StrictJson {
  const parser = new Parser(text);
  return parser.whole();
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Parser {
  #at = 0;
  #depth = 0;

  constructor(private readonly text: string) {}

  whole(): StrictJson {
    const value = this.#value();
    this.#space();
    if (this.#at < this.text.length) throw this.#error('trailing characters');
    return value;
  }

  #error(why: string): SyntaxError {
    return new SyntaxError(`${why} at character ${this.#at}`);
  }

  #space(): void {
    while (' \n\t\r'.includes(this.text[this.#at] ?? 'x')) this.#at++;
  }

  /** The next character after white space, which is not taken. */
  #peek(): string | undefined {
    this.#space();
    return this.text[this.#at];
  }

  #expect(character: string): void {
    if (this.#peek() !== character) throw this.#error(`expected ${character}`);
    this.#at++;
  }

  #value(): StrictJson {
    const next = this.#peek();
    switch (next) {
      case '{':
        return this.#nested(() => this.#object());
      case '[':
        return this.#nested(() => this.#list());
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > deepest) throw this.#error(`nested deeper than ${deepest}`);
    this.#at++;
    const value = read();
    this.#depth--;
    return value;
  }

  #object(): JsonObject {
    const members: [string, StrictJson][] = [];
    if (this.#peek() === '}') {
      this.#at++;
      return new JsonObject(members);
    }
    for (;;) {
      if (this.#peek() !== '"') throw this.#error('expected a name');
      const name = this.#string();
      this.#expect(':');
      members.push([name, this.#value()]);
      if (this.#peek() !== ',') break;
      this.#at++;
    }
    this.#expect('}');
    return new JsonObject(members);
  }

  #list(): StrictJson[] {
    const items: StrictJson[] = [];
    if (this.#peek() === ']') {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(this.#value());
      if (this.#peek() !== ',') break;
      this.#at++;
    }
    this.#expect(']');
    return items;
  }

  #word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.#at)) throw this.#error(`expected ${word}`);
    this.#at += word.length;
    return value;
  }

  #number(): JsonNumber {
    const pattern = /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.text)?.[0];
    if (text === undefined) throw this.#error('expected a value');
    if (!Number.isFinite(Number(text))) throw this.#error('a number too large');
    this.#at += text.length;
    // 01, 1. and 1e are refused, not read up to where they are numbers.
    if (/[\d.eE+-]/.test(this.text[this.#at] ?? '')) throw this.#error('bad number');
    return new JsonNumber(text);
  }

  #string(): string {
    this.#at++;
    const parts: string[] = [];
    for (;;) {
      const end = this.#plainEnd();
      if (end === this.text.length) throw this.#error('a string has no end');
      parts.push(this.text.slice(this.#at, end));
      this.#at = end + 1;
      const found = this.text[end]!;
      if (found === '"') return parts.join('');
      if (found !== '\\') throw this.#error('a control character in a string');
      parts.push(this.#escape());
    }
  }

  /** Where what may stand in a string as it is ends. */
  #plainEnd(): number {
    for (let at = this.#at; at < this.text.length; at++) {
      const unit = this.text.charCodeAt(at);
      if (unit < 0x20 || unit === 0x22 || unit === 0x5c) return at;
    }
    return this.text.length;
  }

  #escape(): string {
    const letter = this.text[this.#at++] ?? '';
    if (letter !== 'u') {
      const plain = escapes[letter];
      if (plain === undefined) throw this.#error('bad escape');
      return plain;
    }
    const unit = this.#hex();
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    if (unit < 0xdc00 && this.text.startsWith('\\u', this.#at)) {
      this.#at += 2;
      const second = this.#hex();
      if (second >= 0xdc00 && second <= 0xdfff) return String.fromCharCode(unit, second);
    }
    throw this.#error('half of a surrogate pair');
  }

  #hex(): number {
    const digits = this.text.slice(this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#error('bad escape');
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }
}
