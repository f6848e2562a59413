import { pythonSpace } from '../util/characters.js';
import { once } from '../util/once.js';

const number = '([+\\-]?)(\\p{Nd}(?:_?\\p{Nd})*)';
/** In a text of ASCII alone U+001C to U+001F are no spaces for int(), though they are for str.split(). */
const plainForm = once(() => new RegExp(`^[\\t-\\r ]*${number}[\\t-\\r ]*$`, 'v'));
const form = once(() => new RegExp(`^[${pythonSpace}]*${number}[${pythonSpace}]*$`, 'v'));
const beyondAscii = /[^\0-\x7f]/;
const digit = /^\p{Nd}$/u;

/** More digits than this are too many for Python as well. */
const mostDigits = 4300;

/** The digits of every script come as ten characters in a row. */
function digitValue(character: string): number {
  const point = character.codePointAt(0)!;
  let first = point;
  while (digit.test(String.fromCodePoint(first - 1))) first--;
  return (point - first) % 10;
}

/**
 * The number that Python's int() makes of a text: spaces around it, a sign, underscores between digits, digits of any
 * script. Null where int() raises ValueError.
 */
export function pythonInt(text: string): bigint | null {
  const [, sign, written] = (beyondAscii.test(text) ? form() : plainForm()).exec(text) ?? [];
  if (written === undefined) return null;
  const plain = written.replaceAll('_', '');
  const digits = /^[0-9]*$/.test(plain) ? plain : Array.from(plain, digitValue).join('');
  if (digits.length > mostDigits) return null;
  return sign === '-' ? -BigInt(digits) : BigInt(digits);
}
