import { pythonSpace, words } from '../../util/characters.js';
import { once } from '../../util/once.js';
import { checkLanguage } from '../languages.js';
import { unescapeSpecial } from './detokenizer.js';
import { joinTokens } from './join_tokens.js';
import { sacremosesLetters } from './sacremoses_letters.js';

/** The currency signs of its list, which is older than the running Node's. */
const currency =
  '$\\u00a2-\\u00a5\\u058f\\u060b\\u09f2-\\u09f3\\u09fb\\u0af1\\u0bf9\\u0e3f\\u17db\\u20a0-\\u20bd\\ua838\\ufdfc\\ufe69\\uff04\\uffe0-\\uffe1\\uffe5-\\uffe6';

/** Made when the first line comes: the list of letters is long. */
const patterns = once(() => ({
  opening: new RegExp(`^[${currency}\\(\\[\\{¿¡]+$`, 'v'),
  contraction: new RegExp(`^'[${sacremosesLetters()}]`, 'v'),
  spaceAround: new RegExp(`^[${pythonSpace}]+|[${pythonSpace}]+$`, 'gv'),
}));

/** First and last code points of Chinese, Japanese and Korean; both of them are left out, as in the original. */
const cjkRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x11ff],
  [0x2e80, 0xa4cf],
  [0xa840, 0xa87f],
  [0xac00, 0xd7af],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe4f],
  [0xff65, 0xffdc],
  [0x17000, 0x18aff],
  [0x1b000, 0x1b12f],
  [0x1b170, 0x1b2ff],
  [0x20000, 0x2ffff],
];

function isCjk(character: string): boolean {
  const point = character.codePointAt(0)!;
  return cjkRanges.some(([first, last]) => point > first && point < last);
}

/**
 * Text from tokens as MosesDetokenizer of sacremoses 0.1.1 gives it, which is what fairseq's --eval-bleu-detok moses
 * calls. It is a port of detokenizer.perl and differs from it (see mosesDetokenize) in places: any space separates
 * tokens, a contraction needs no letter before it, a line that looks like a tag is text, and its tables of letters are
 * those of an old Unicode.
 *
 * @throws RdropError INVALID_ARGUMENT for a language other than de and en.
 */
export function sacremosesDetokenize(line: string, lang: string): string {
  const english = checkLanguage(lang) === 'en';
  const { opening, contraction, spaceAround } = patterns();
  const tokens = words(unescapeSpecial(` ${words(line).join(' ')} `.replaceAll(' @-@ ', '-')));
  const contracts = (token: string, _: string, index: number) => index > 0 && contraction.test(token);
  const text = joinTokens(tokens, { english, opening, isCjk, contracts });
  return text.replace(/ {2,}/g, ' ').replace(spaceAround, '');
}
