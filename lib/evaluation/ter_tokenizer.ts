import type { TerConfig } from '../options/evaluation.js';
import { splitWords, trimEnd } from './bleu_tokenizer.js';

const asianPunctuation = /[\u3001\u3002\u3008-\u3011\u3014-\u301f\uff61-\uff65\u30fb]/g;
const fullWidthPunctuation = /[\uff0e\uff0c\uff1f\uff1a\uff1b\uff01\uff02\uff08\uff09]/g;

/**
 * Tercom's tokenizer as sacreBLEU has it (sacrebleu/tokenizers/tokenizer_ter.py): lower case, then what the options ask
 * for, then words.
 */
export function tokenizeTer(
  segment: string,
  { normalized, noPunct, asianSupport, caseSensitive }: TerConfig,
): string[] {
  let line = trimEnd(segment);
  if (!caseSensitive) line = line.toLowerCase();
  if (normalized && line !== '') {
    line = normalize(line);
    if (asianSupport) line = normalizeAsian(line);
  }
  if (noPunct) {
    line = line.replace(/[.,?:;!"()]/g, '');
    if (asianSupport) line = line.replace(asianPunctuation, '').replace(fullWidthPunctuation, '');
  }
  return splitWords(line);
}

/** Entities resolved; ASCII punctuation apart, full stops and commas unless inside a number, a possessive 's too. */
function normalize(line: string): string {
  const text = line
    .replaceAll('\n-', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return ` ${text} `
    .replace(/[{-~[-` -&(-+:-@/]/g, ' $& ')
    .replaceAll("'s ", " 's ")
    .replace(/([^0-9])([.,])/g, '$1 $2 ')
    .replace(/([.,])([^0-9])/g, ' $1 $2')
    .replace(/([0-9])(-)/g, '$1 $2 ');
}

/**
 * One token a CJK character. The original also has rules for kana, anchored to the beginning of the line; there the line
 * has a space by now, so they never apply and kana stay together.
 */
function normalizeAsian(line: string): string {
  return line
    .replace(/[\u4e00-\u9fff\u3400-\u4dbf]/g, ' $& ')
    .replace(/[\u31c0-\u31ef\u2e80-\u2eff]/g, ' $& ')
    .replace(/[\u3300-\u33ff\uf900-\ufaff\ufe30-\ufe4f]/g, ' $& ')
    .replace(/[\u3200-\u3f22]/g, ' $& ')
    .replace(asianPunctuation, ' $& ')
    .replace(fullWidthPunctuation, ' $& ');
}
