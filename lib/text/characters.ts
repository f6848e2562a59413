/**
 * Character classes as the original programs see them; JavaScript's own differ in a few characters. Each is the
 * inside of a bracket expression for a regular expression with the flag u.
 */

/** Perl's \s on Unicode text: with U+0085, without U+FEFF. */
export const perlSpace = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** What Python's str.split() splits at: Perl's and the four separators of ASCII. */
export const pythonSpace = `${perlSpace}\\u001c-\\u001f`;

/** Perl's \p{IsAlpha}. */
export const alpha = '\\p{Alphabetic}';

/** Perl's \p{IsAlnum}. */
export const alnum = `${alpha}\\p{Nd}`;

const pythonSpaces = new RegExp(`[${pythonSpace}]+`, 'u');

/** The words of a line, as Python's str.split() gives them. */
export function words(line: string): string[] {
  const parts = line.split(pythonSpaces);
  if (parts[0] === '') parts.shift();
  if (parts.at(-1) === '') parts.pop();
  return parts;
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
