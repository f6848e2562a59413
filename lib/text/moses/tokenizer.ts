import { parseConfig } from '../../options/schema/parse.js';
import { type TokenizeOptions, tokenizeSchema } from '../../options/text.js';
import { alnum, alpha, lower, perlSpace } from '../../util/characters.js';
import { once } from '../../util/once.js';
import { checkLanguage } from '../languages.js';
import { type Abbreviations, abbreviations } from './abbreviations.js';
import { protect, restoreProtected } from './protected_patterns.js';

/** The steps and their order are those of Moses's tokenizer.perl 1.1; each pattern is a rule of that script. */

const tagLine = /^<[^\n]+>$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point
const controls = /[\u0000-\u001f]/g;

const commaAfterOther = /(\P{N}),/gu;
const commaBeforeOther = /,(\P{N})/gu;
const commaAtEnd = /(\p{N}),$/u;

/** Made when the first line comes: each gathers sets of Unicode's characters, which the import must not wait for. */
const patterns = once(() => ({
  blank: new RegExp(`^[${perlSpace}]*$`, 'v'),
  spaces: new RegExp(`[${perlSpace}]+`, 'gv'),
  special: new RegExp(`([^${alnum}${perlSpace}.'\`,\\-])`, 'gv'),
  hyphenInside: new RegExp(`([${alnum}])-(?=[${alnum}])`, 'gv'),
  startsLower: new RegExp(`^[${lower}]`, 'v'),
  hasAlpha: new RegExp(`[${alpha}]`, 'v'),
  apostrophes: {
    between: new RegExp(`([^${alpha}])'([^${alpha}])`, 'gv'),
    before: new RegExp(`([^${alpha}\\p{N}])'([${alpha}])`, 'gv'),
    after: new RegExp(`([${alpha}])'([^${alpha}])`, 'gv'),
    inside: new RegExp(`([${alpha}])'([${alpha}])`, 'gv'),
    decade: /(\p{N})'(s)/gu,
  },
}));
const startsWithDigit = /^[0-9]/;

const defaults = once(() => parseConfig(tokenizeSchema, {}, 'tokenize'));

/**
 * Tokens of a sentence, separated by a space each, as Moses's tokenizer.perl gives them for German and English. A
 * blank line comes back as it is. Like the script, it leaves a space at the end where the sentence ends in .' .
 *
 * Token for token the script's on Perl 5.36, for every character of Unicode 14; of later characters Node may know more
 * than that Perl. A protected pattern beyond ASCII matches what it says; the script reads its bytes as Latin-1.
 *
 * @throws RdropError INVALID_ARGUMENT for a language other than de and en, an unknown option, a pattern that is none.
 */
export function mosesTokenize(line: string, lang: string, options?: TokenizeOptions): string {
  const language = checkLanguage(lang);
  const { aggressive, protectedPatterns, skipXml, ...rest } =
    options === undefined ? defaults() : parseConfig(tokenizeSchema, options, 'tokenize', 'INVALID_ARGUMENT');
  const { blank, spaces, special, hyphenInside } = patterns();
  if (blank.test(line) || (skipXml && tagLine.test(line))) return line;
  let text = ` ${line} `.replace(spaces, ' ').replace(controls, '');
  let kept: string[] = [];
  if (protectedPatterns.length > 0) ({ text, kept } = protect(text, protectedPatterns));
  text = text.replace(/ +/g, ' ').replace(/^ /, '').replace(/ $/, '').replace(special, ' $1 ');
  if (aggressive) text = text.replace(hyphenInside, '$1 @-@ ');
  if (text.includes('..') || text.includes('DOTMULTI')) text = markDots(text);
  if (text.includes(',')) {
    text = text.replace(commaAfterOther, '$1 , ').replace(commaBeforeOther, ' , $1');
    text = text.replace(commaAtEnd, '$1 ,');
  }
  if (text.includes("'")) text = splitApostrophes(text, language === 'en');
  text = splitFullStops(text, abbreviations[language]);
  text = text.replace(/ +/g, ' ').replace(/^ /, '').replace(/ $/, '');
  text = restoreProtected(text.replace(/\.' ?$/, " . ' "), kept);
  if (text.includes('DOTMULTI')) text = restoreDots(text);
  return rest.escape ? escapeSpecial(text) : text;
}

const dots = 'DOTMULTI';

/**
 * Two or more dots stay together: they become a word of their own until restoreDots. In the script each dot takes a round
 * over the whole text; here only the first round is gone through, which has a rule of its own where the mark was in the
 * text before.
 */
function markDots(text: string): string {
  return text
    .replace(/\.(\.+)/g, ` ${dots}$1`)
    .replace(/DOTMULTI\.([^.])/gu, 'DOTDOTMULTI $1')
    .replaceAll(`${dots}.`, 'DOTDOTMULTI')
    .replace(
      /DOTMULTI(\.+)/g,
      (found, more: string, at: number, all: string) =>
        'DOT'.repeat(more.length) + dots + (at + found.length < all.length ? ' ' : ''),
    );
}

/** Each DOT in front of a mark is a dot, and the mark itself is one. */
function restoreDots(text: string): string {
  let restored = '';
  let done = 0;
  for (let mark = text.indexOf(dots); mark >= 0; mark = text.indexOf(dots, done)) {
    let start = mark;
    while (start - 3 >= done && text.startsWith('DOT', start - 3)) start -= 3;
    restored += `${text.slice(done, start)}.${'.'.repeat((mark - start) / 3)}`;
    done = mark + dots.length;
  }
  return restored + text.slice(done);
}

function splitApostrophes(text: string, english: boolean): string {
  if (!english) return text.replaceAll("'", " ' ");
  const { apostrophes } = patterns();
  return text
    .replace(apostrophes.between, "$1 ' $2")
    .replace(apostrophes.before, "$1 ' $2")
    .replace(apostrophes.after, "$1 ' $2")
    .replace(apostrophes.inside, "$1 '$2")
    .replace(apostrophes.decade, "$1 '$2");
}

/** Splits the full stop off a word unless it marks an abbreviation, or the next word goes on in lower case. */
function splitFullStops(text: string, { always, beforeNumber }: Abbreviations): string {
  const { startsLower, hasAlpha } = patterns();
  const words = text.split(' ');
  while (words.at(-1) === '') words.pop();
  const last = words.length - 1;
  for (let i = 0; i <= last; i++) {
    const word = words[i]!;
    if (word.length < 2 || !word.endsWith('.')) continue;
    const stem = word.slice(0, -1);
    if (i < last) {
      if (always.has(stem) || (stem.includes('.') && hasAlpha.test(stem))) continue;
      const next = words[i + 1]!;
      if (startsLower.test(next) || (beforeNumber.has(stem) && startsWithDigit.test(next))) continue;
    }
    words[i] = `${stem} .`;
  }
  return words.length === 0 ? '' : `${words.join(' ')} `;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '|': '&#124;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
  '[': '&#91;',
  ']': '&#93;',
};

/** The characters with a meaning in Moses's file formats, as entities. */
function escapeSpecial(text: string): string {
  return text.replace(/[&|<>'"[\]]/g, (character) => entities[character]!);
}
