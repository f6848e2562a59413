import { parseConfig } from '../../options/schema/parse.js';
import { type MosesDetokenizeOptions, mosesDetokenizeSchema } from '../../options/text.js';
import { alnum, alpha, perlSpace, punctuation } from '../../util/characters.js';
import { once } from '../../util/once.js';
import { checkLanguage } from '../languages.js';
import { joinTokens } from './join_tokens.js';

/** The rules are those of Moses's detokenizer.perl; German has none of its own there. */

const opening = /^[\p{Sc}([{¿¡]+$/u;

/** Made when the first line comes: each gathers sets of Unicode's characters, which the import must not wait for. */
const patterns = once(() => ({
  untouched: new RegExp(`^<[^\\n]+>$|^[${perlSpace}]*$`, 'v'),
  contraction: new RegExp(`^'[${alpha}]`, 'v'),
  firstLetter: new RegExp(`^([${punctuation}${perlSpace}]*)([${alpha}])`, 'v'),
  endsInAlnum: new RegExp(`[${alnum}]$`, 'v'),
}));

/** Entities of the tokenizer, and the older names of three of them, in the order in which they are resolved. */
const entities: readonly (readonly [string, string])[] = [
  ['&bar;', '|'],
  ['&#124;', '|'],
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&bra;', '['],
  ['&ket;', ']'],
  ['&quot;', '"'],
  ['&apos;', "'"],
  ['&#91;', '['],
  ['&#93;', ']'],
  ['&amp;', '&'],
];

/** Entities as the characters that they stand for. */
export function unescapeSpecial(text: string): string {
  if (!text.includes('&')) return text;
  return entities.reduce((result, [entity, character]) => result.replaceAll(entity, character), text);
}

/** First and last code points of what the script counts as Chinese, Japanese or Korean. */
const cjkRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x11ff],
  [0x2e80, 0xa4cf],
  [0xa840, 0xa87f],
  [0xac00, 0xd7af],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe4f],
  [0xff65, 0xffdc],
  [0x20000, 0x2ffff],
];

function isCjk(character: string): boolean {
  const point = character.codePointAt(0)!;
  return cjkRanges.some(([first, last]) => point >= first && point <= last);
}

const defaults = once(() => parseConfig(mosesDetokenizeSchema, {}, 'detokenize'));

/**
 * Text from tokens: the inverse of mosesTokenize as far as one exists (detokenizer.perl). Entities are resolved,
 * punctuation and English contractions move to the word they belong to, quotation marks alternate.
 *
 * Character for character the script's on Perl 5.36, as far as Unicode 14 goes (see mosesTokenize).
 *
 * @throws RdropError INVALID_ARGUMENT for a language other than de and en, or an unknown option.
 */
export function mosesDetokenize(line: string, lang: string, options?: MosesDetokenizeOptions): string {
  const english = checkLanguage(lang) === 'en';
  const { uppercase } =
    options === undefined
      ? defaults()
      : parseConfig(mosesDetokenizeSchema, options, 'detokenize', 'INVALID_ARGUMENT');
  const { untouched, contraction, firstLetter, endsInAlnum } = patterns();
  if (untouched.test(line)) return line;
  const words = unescapeSpecial(` ${line} `.replaceAll(' @-@ ', '-')).split(' ');
  while (words.at(-1) === '') words.pop();
  const contracts = (word: string, previous: string) => contraction.test(word) && endsInAlnum.test(previous);
  const joined = joinTokens(words, { english, opening, isCjk, contracts });
  const text = joined.replace(/ +/g, ' ').replace(/^ /, '').replace(/ $/, '');
  return uppercase ? text.replace(firstLetter, (_, before, letter) => before + upperCase(letter)) : text;
}

/** Four letters of Unicode 14 got their capitals later. */
const upperCase = (letter: string) =>
  /[\u019b\u0264\ua7d3\ua7d5]/.test(letter) ? letter : letter.toUpperCase();
