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

const quotes: readonly Rule[] = [
  [/`/g, "'"],
  [/''/g, ' " '],
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

const rules = (lang: 'de' | 'en') => [...spacing, ...quotes, ...pseudoSpaces, ...byLanguage[lang]];
const compiled = { de: rules('de'), en: rules('en') };

/**
 * Punctuation in its plain form: straight quotation marks, hyphens for dashes, three dots for an ellipsis, no space
 * before a colon (Moses's normalize-punctuation.perl).
 *
 * @throws RdropError INVALID_ARGUMENT for a language other than de and en.
 */
export function normalisePunctuation(line: string, lang: string): string {
  let text = `${line}\n`;
  for (const [pattern, replacement] of compiled[checkLanguage(lang)])
    text = text.replace(pattern, replacement);
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}
