import { parseConfig } from '../../options/schema/parse.js';
import { type NormalizeOptions, normalizeSchema } from '../../options/text.js';
import { once } from '../../util/once.js';
import { checkLanguage } from '../languages.js';

type Rule = readonly [pattern: RegExp, replacement: string] | ((text: string) => string);

/** A digit, a letter: the original works on bytes and knows those of ASCII only. U+00A0 is its "pseudo-space". */
const spacing: readonly Rule[] = [
  [/\r/g, ''],
  [/\(/g, ' ('],
  [/\)/g, ') '],
  [/ +/g, ' '],
  [/\) ([.!:?;,])/g, ')$1'],
  [/\( /g, '('],
  [/ \)/g, ')'],
  [/([0-9]) %/g, '$1%'],
  [/ :/g, ':'],
  [/ ;/g, ';'],
];

const typewriterQuotes: readonly Rule[] = [
  [/`/g, "'"],
  [/''/g, ' " '],
];

const quotes: readonly Rule[] = [
  [/[„“”]/g, '"'],
  [/–/g, '-'],
  [/—/g, ' - '],
  [/ +/g, ' '],
  [/´/g, "'"],
  [/([a-zA-Z])‘([a-zA-Z])/g, "$1'$2"],
  [/([a-zA-Z])’([a-zA-Z])/g, "$1'$2"],
  [/[‘‚]/g, "'"],
  [/’/g, '"'],
  [/''/g, '"'],
  [/…/g, '...'],
  [/\u00a0«\u00a0/g, ' "'],
  [/«\u00a0/g, '"'],
  [/«/g, '"'],
  [/\u00a0»\u00a0/g, '" '],
  [/\u00a0»/g, '"'],
  [/»/g, '"'],
];

const pseudoSpaces: readonly Rule[] = [
  [/\u00a0%/g, '%'],
  [/nº\u00a0/g, 'nº '],
  [/\u00a0:/g, ':'],
  [/\u00a0ºC/g, ' ºC'],
  [/\u00a0cm/g, ' cm'],
  [/\u00a0([?!;])/g, '$1'],
  [/,\u00a0/g, ', '],
  [/ +/g, ' '],
];

/**
 * The original's s/(\.+)"(\s*[^<])/"$1$2/g, which takes quadratic time on a long run of dots. The line feed at the end
 * counts as the character after the quotation mark, as there.
 */
function quoteBeforeDots(text: string): string {
  let result = '';
  let done = 0;
  for (let dot = text.indexOf('."'); dot >= 0; dot = text.indexOf('."', dot)) {
    behindQuote.lastIndex = dot + 2;
    if (!behindQuote.test(text)) {
      dot += 2;
      continue;
    }
    let first = dot;
    while (first > done && text[first - 1] === '.') first--;
    const end = behindQuote.lastIndex;
    result += `${text.slice(done, first)}"${text.slice(first, dot + 1)}${text.slice(dot + 2, end)}`;
    done = end;
    dot = end;
  }
  return result + text.slice(done);
}

const behindQuote = /[\t-\r ]*[^<]/uy;

const byLanguage: Readonly<Record<'de' | 'en', readonly Rule[]>> = {
  en: [
    [/"([,.]+)/g, '$1"'],
    [/([0-9])\u00a0([0-9])/g, '$1.$2'],
  ],
  de: [[/,"/g, '",'], quoteBeforeDots, [/([0-9])\u00a0([0-9])/g, '$1,$2']],
};

const rules = (lang: 'de' | 'en', penn: boolean) => [
  ...spacing,
  ...(penn ? [] : typewriterQuotes),
  ...quotes,
  ...pseudoSpaces,
  ...byLanguage[lang],
];
const compiled = {
  de: { plain: rules('de', false), penn: rules('de', true) },
  en: { plain: rules('en', false), penn: rules('en', true) },
};

const defaults = once(() => parseConfig(normalizeSchema, {}, 'normalize'));

/**
 * Punctuation in its plain form: straight quotation marks, hyphens for dashes, three dots for an ellipsis, no space
 * before a colon (Moses's normalize-punctuation.perl).
 *
 * @throws RdropError INVALID_ARGUMENT for a language other than de and en, or an unknown option.
 */
export function normalizePunctuation(line: string, lang: string, options?: NormalizeOptions): string {
  const { penn } =
    options === undefined
      ? defaults()
      : parseConfig(normalizeSchema, options, 'normalize', 'INVALID_ARGUMENT');
  let text = `${line}\n`;
  for (const rule of compiled[checkLanguage(lang)][penn ? 'penn' : 'plain']) {
    text = typeof rule === 'function' ? rule(text) : text.replace(rule[0], rule[1]);
  }
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}
