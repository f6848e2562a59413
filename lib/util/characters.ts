/**
 * Character classes as the original programs see them; JavaScript's own differ in a few characters. Each is the
 * inside of a bracket expression for a regular expression with the flag v.
 *
 * They are Perl 5.36's for every code point of Unicode 14. Later Unicode changed the properties of some of those
 * characters, which is taken back here; characters that came after Unicode 14 are what the running Node takes them for.
 */

/** Perl's \s on Unicode text: with U+0085, without U+FEFF. */
export const perlSpace = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** What Python's str.split() splits at: Perl's and the four separators of ASCII. */
export const pythonSpace = `${perlSpace}\\u001c-\\u001f`;

/** Marks that became alphabetic after Unicode 14. */
const notYetAlphabetic = '\\u0363-\\u036f\\u0c04\\u0f82\\u0f83\\u1dd3-\\u1de6\\u{11080}\\u{11081}';

/** Perl's \p{IsAlpha}. */
export const alpha = `[\\p{Alphabetic}--[${notYetAlphabetic}]]`;

/** Perl's \p{IsAlnum}. */
export const alnum = `${alpha}\\p{Nd}`;

/** Perl's \p{IsLower}; U+0295 and four modifier letters changed sides after Unicode 14. */
export const lower = '\\u0295[\\p{Lowercase}--[\\u10fc\\ua7f2-\\ua7f4\\uab69]]';

/** Perl's [[:punct:]] on Unicode text. */
export const punctuation = '\\p{P}$+<=>\\^`\\|~';

/** Perl's \w on Unicode text. */
export const perlWord = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';

/** Python's \w. */
export const pythonWord = '\\p{L}\\p{N}_';

const pythonSpaces = new RegExp(`[${pythonSpace}]+`, 'v');

/** The words of a line, as Python's str.split() gives them. */
export function words(line: string): string[] {
  const parts = line.split(pythonSpaces);
  if (parts[0] === '') parts.shift();
  if (parts.at(-1) === '') parts.pop();
  return parts;
}

const oneSpace = new RegExp(`^[${pythonSpace}]$`, 'v');

/** Python's str.rstrip(); a regular expression for it takes quadratic time on inner runs of spaces. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && oneSpace.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** Orders strings by code points, as Python and Perl do; JavaScript's own < compares UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x !== y) {
      // Surrogates stand for code points above the rest of the plane: U+E000..U+FFFF goes below them.
      if (x >= 0xd800 && y >= 0xd800) {
        if (x >= 0xe000) x -= 0x800;
        else x += 0x2000;
        if (y >= 0xe000) y -= 0x800;
        else y += 0x2000;
      }
      return x - y;
    }
  }
  return a.length - b.length;
}
