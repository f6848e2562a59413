// Seeded mutations: of bytes, of text, and of JSON by its structure.

/** Mulberry32: 32 bits of state, the same numbers everywhere. */
export class Random {
  #state;
  constructor(seed) {
    this.#state = seed >>> 0;
  }
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n) {
    return Math.floor(this.next() * n);
  }
  pick(list) {
    return list[this.below(list.length)];
  }
}

const edgeNumbers = [
  ...[0, 1, -1, 2, 127, 128, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
  ...[2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64, 1e15, 1e300, -1e300, 0.5, 1e-300, -0],
];
const edgeTexts = [
  ...[
    '',
    ' ',
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    '../..',
    '/etc/passwd',
    '\u0000',
    '\ud800',
    '\ufeff',
  ],
  ...[
    'NaN',
    'Infinity',
    '-0',
    '1_000',
    '٣',
    '0x10',
    '1e999',
    'a'.repeat(3000),
    '[',
    '{',
    '\\',
    '%s',
    '@@',
    '</s>',
  ],
];

const edgeJson = (random) =>
  random.pick([
    () => random.pick(edgeNumbers),
    () => random.pick(edgeTexts),
    () => null,
    () => true,
    () => [],
    () => ({}),
    () => Array.from({ length: 200 }, () => 0),
    () => JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'),
    () => JSON.parse(`${'['.repeat(300)}${']'.repeat(300)}`),
  ])();

/** Changes one place of a JSON value, at any depth. */
export function mutateJson(value, random) {
  if (typeof value !== 'object' || value === null || random.next() < 0.15) return edgeJson(random);
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const keys = Object.keys(copy);
  const set = (key, to) =>
    Object.defineProperty(copy, key, { value: to, enumerable: true, configurable: true, writable: true });
  const what = random.next();
  if (keys.length === 0 || what < 0.15)
    set(Array.isArray(copy) ? copy.length : random.pick(edgeTexts), edgeJson(random));
  else if (what < 0.3) {
    if (Array.isArray(copy)) copy.splice(random.below(copy.length), 1);
    else delete copy[random.pick(keys)];
  } else {
    const key = random.pick(keys);
    set(key, mutateJson(copy[key], random));
  }
  return copy;
}

const encoder = new TextEncoder();

/** Changes some bytes: flips, edges of integers, pieces cut out, doubled, moved or taken from another sample. */
export function mutateBytes(bytes, random, { tokens = [], others = [] } = {}) {
  let result = bytes;
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(result.length + 1);
    const length = Math.min(result.length - at, 1 + random.below(random.pick([2, 8, 64, 1000])));
    const replace = (from, to, by) => {
      const joined = new Uint8Array(from + by.length + result.length - to);
      joined.set(result.subarray(0, from));
      joined.set(by, from);
      joined.set(result.subarray(to), from + by.length);
      result = joined;
    };
    const overwrite = (by) => replace(at, Math.min(result.length, at + by.length), by);
    switch (random.below(9)) {
      case 0:
        if (result.length > 0) {
          result = result.slice();
          result[random.below(result.length)] ^= 1 << random.below(8);
        }
        break;
      case 1:
        overwrite(Uint8Array.of(random.pick([0, 1, 9, 10, 13, 32, 34, 127, 128, 0xc0, 0xef, 0xff])));
        break;
      case 2: {
        const number = new DataView(new ArrayBuffer(8));
        number.setBigInt64(
          0,
          BigInt.asIntN(64, BigInt(Math.trunc(random.pick(edgeNumbers.slice(0, 19))))),
          random.below(2) === 0,
        );
        overwrite(new Uint8Array(number.buffer, 0, random.pick([1, 2, 4, 8])));
        break;
      }
      case 3:
        replace(at, at + length, new Uint8Array());
        break;
      case 4:
        replace(at, at, result.slice(at, at + length));
        break;
      case 5:
        result = result.slice(0, at);
        break;
      case 6:
        replace(at, at, encoder.encode(random.pick([...edgeTexts, ...edgeNumbers.map(String), ...tokens])));
        break;
      case 7: {
        const other = others.length > 0 ? random.pick(others) : result;
        const from = random.below(other.length + 1);
        replace(at, at + random.below(length + 1), other.slice(from, from + random.below(256)));
        break;
      }
      default:
        replace(
          at,
          at + length,
          Uint8Array.from({ length: random.below(16) }, () => random.below(256)),
        );
    }
  }
  return result.length > 65536 ? result.slice(0, 65536) : result;
}

/** Nothing valid at all: random bytes, or random picks of what the format is made of. */
export function randomBytes(random, tokens) {
  const parts = Array.from({ length: 1 + random.below(20) }, () =>
    random.next() < 0.5 && tokens.length > 0
      ? encoder.encode(random.pick(tokens))
      : Uint8Array.from({ length: random.below(30) }, () => random.below(256)),
  );
  return new Uint8Array(Buffer.concat(parts));
}
