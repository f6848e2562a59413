import { once } from '../config/zod.js';
import { type NormalizeOptions, normalizeSchema, parseConfig } from '../config.js';
import { checkLanguage } from './languages.js';

type Rule = readonly [pattern: RegExp, replacement: string];

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

const byLanguage: Readonly<Record<'de' | 'en', readonly Rule[]>> = {
  en: [
    [/"([,.]+)/g, '$1"'],
    [/([0-9])\u00a0([0-9])/g, '$1.$2'],
  ],
  de: [
    [/,"/g, '",'],
    // The line feed counts as the character after the quotation mark, as in the original.
    [/(\.+)"([\t-\r ]*[^<])/gu, '"$1$2'],
    [/([0-9])\u00a0([0-9])/g, '$1,$2'],
  ],
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
export function normalisePunctuation(line: string, lang: string, options?: NormalizeOptions): string {
  const { penn } =
    options === undefined
      ? defaults()
      : parseConfig(normalizeSchema, options, 'normalize', 'INVALID_ARGUMENT');
  let text = `${line}\n`;
  for (const [pattern, replacement] of compiled[checkLanguage(lang)][penn ? 'penn' : 'plain'])
    text = text.replace(pattern, replacement);
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}
