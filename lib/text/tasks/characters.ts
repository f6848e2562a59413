import { pythonSpace } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';

/**
 * Characters as pieces. Those that separate pieces, lines or files from one another are written by names; every other piece is one
 * character, so that no name can be mistaken for text.
 */
const names: Readonly<Record<string, string>> = {
  ' ': '<space>',
  '\n': '<newline>',
  '\t': '<tab>',
  '\r': '<return>',
};
const characters = new Map(Object.entries(names).map(([character, name]) => [name, character]));

/** White space as Dictionary and words() see it, and the byte-order mark, which a file loses at its beginning. */
const named = new RegExp(`[${pythonSpace}\\ufeff]`, 'v');
const numberedName = /^<U\+([0-9A-F]{4,6})>$/;

/** The piece of `\n`. */
export const newline = names['\n'] as string;

function nameOf(character: string): string {
  if (!named.test(character)) return character;
  const code = (character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0');
  return names[character] ?? `<U+${code}>`;
}

/** The characters of a text as pieces, separated by spaces: "a b" becomes "a <space> b". */
export function charactersOf(text: string): string {
  const pieces: string[] = [];
  for (const character of text) pieces.push(nameOf(character));
  return pieces.join(' ');
}

/** The text of a piece. A piece of another kind, `<unk>` for instance, stands for itself. */
export function characterOf(piece: string): string {
  const [, code] = numberedName.exec(piece) ?? [];
  if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
  return characters.get(piece) ?? piece;
}

/** @throws RdropError MALFORMED_FILE for a dictionary of other pieces, naming the first one; `name` is what it is called. */
export function checkCharacters(symbols: readonly string[], name: string): void {
  const wrong = symbols.find((symbol) => !isCharacter(symbol));
  if (wrong === undefined) return;
  throw new RdropError(
    'MALFORMED_FILE',
    `${name}: expected characters, or ${newline} and other names of white space, got ${JSON.stringify(wrong.slice(0, 80))}`,
  );
}

function isCharacter(symbol: string): boolean {
  const [first = ''] = symbol;
  return (
    first === symbol || characters.has(symbol) || numberedName.test(symbol) || symbol.startsWith('madeupword')
  );
}
