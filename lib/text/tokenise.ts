import { type Abbreviations, abbreviations } from './abbreviations.js';
import { alnum, alpha, perlSpace } from './characters.js';
import { checkLanguage } from './languages.js';

/** The steps and their order are those of Moses's tokenizer.perl 1.1; each pattern is a rule of that script. */

const blank = new RegExp(`^[${perlSpace}]*$`, 'u');
const spaces = new RegExp(`[${perlSpace}]+`, 'gu');
// biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point
const controls = /[\u0000-\u001f]/g;
const special = new RegExp(`([^${alnum}${perlSpace}.'\`,\\-])`, 'gu');

const commaAfterOther = /(\P{N}),/gu;
const commaBeforeOther = /,(\P{N})/gu;
const commaAtEnd = /(\p{N}),$/u;

const apostrophes = {
  between: new RegExp(`([^${alpha}])'([^${alpha}])`, 'gu'),
  before: new RegExp(`([^${alpha}\\p{N}])'([${alpha}])`, 'gu'),
  after: new RegExp(`([${alpha}])'([^${alpha}])`, 'gu'),
  inside: new RegExp(`([${alpha}])'([${alpha}])`, 'gu'),
  decade: /(\p{N})'(s)/gu,
};

const startsLower = /^\p{Lowercase}/u;
const startsWithDigit = /^[0-9]/;
const hasAlpha = new RegExp(`[${alpha}]`, 'u');

/**
 * Tokens of a sentence, separated by a space each, as Moses's tokenizer.perl gives them for German and English. A
 * blank line comes back as it is. Like the script, it leaves a space at the end where the sentence ends in .' .
 *
 * @param options.escape writes & | < > ' " [ ] as entities, on by default.
 * @throws RdropError INVALID_ARGUMENT for a language other than de and en.
 */
export function mosesTokenise(line: string, lang: string, options: { escape?: boolean } = {}): string {
  const language = checkLanguage(lang);
  if (blank.test(line)) return line;
  let text = ` ${line} `.replace(spaces, ' ').replace(controls, '').replace(/ +/g, ' ');
  text = text.replace(/^ /, '').replace(/ $/, '').replace(special, ' $1 ');
  if (text.includes('..') || text.includes('DOTMULTI')) text = markDots(text);
  if (text.includes(',')) {
    text = text.replace(commaAfterOther, '$1 , ').replace(commaBeforeOther, ' , $1');
    text = text.replace(commaAtEnd, '$1 ,');
  }
  if (text.includes("'")) text = splitApostrophes(text, language === 'en');
  text = splitFullStops(text, abbreviations[language]);
  text = text.replace(/ +/g, ' ').replace(/^ /, '').replace(/ $/, '');
  text = text.replace(/\.' ?$/, " . ' ");
  if (text.includes('DOTMULTI')) text = restoreDots(text);
  return options.escape === false ? text : escapeSpecial(text);
}

/** Two or more dots stay together: they become a word of their own until restoreDots. */
function markDots(text: string): string {
  let marked = text.replace(/\.(\.+)/g, ' DOTMULTI$1');
  while (marked.includes('DOTMULTI.')) {
    marked = marked.replace(/DOTMULTI\.([^.])/gu, 'DOTDOTMULTI $1').replaceAll('DOTMULTI.', 'DOTDOTMULTI');
  }
  return marked;
}

function restoreDots(text: string): string {
  let restored = text;
  while (restored.includes('DOTDOTMULTI')) restored = restored.replaceAll('DOTDOTMULTI', 'DOTMULTI.');
  return restored.replaceAll('DOTMULTI', '.');
}

function splitApostrophes(text: string, english: boolean): string {
  if (!english) return text.replaceAll("'", " ' ");
  return text
    .replace(apostrophes.between, "$1 ' $2")
    .replace(apostrophes.before, "$1 ' $2")
    .replace(apostrophes.after, "$1 ' $2")
    .replace(apostrophes.inside, "$1 '$2")
    .replace(apostrophes.decade, "$1 '$2");
}

/** Splits the full stop off a word unless it marks an abbreviation, or the next word goes on in lower case. */
function splitFullStops(text: string, { always, beforeNumber }: Abbreviations): string {
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
