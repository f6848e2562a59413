/**
 * Whether BLEU's words mean anything in a text: Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without spaces, and
 * what stands between two spaces of Korean is a word with its endings. sacreBLEU then wants tokenizers of their own (zh, ja-mecab,
 * ko-mecab), and so says its log when it is given the language; here the text itself shows it.
 */
import type { RdropWarning } from '../util/warnings.js';
import type { References } from './segments.js';

interface Writing {
  name: string;
  letters: RegExp;
  /** Letters from one space to the next, on average, from which on the text is not cut into words. */
  longest: number;
}

// Chinese has 1.6 letters a word, Japanese about 2, Korean 2 a morpheme and 3 between spaces, Thai and its neighbors 4.
const japanese: Writing = {
  name: 'Japanese',
  letters: /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/gu,
  longest: 2.2,
};
const writings: readonly Writing[] = [
  { name: 'Chinese', letters: /\p{Script=Han}/gu, longest: 2.2 },
  { name: 'Korean', letters: /\p{Script=Hangul}/gu, longest: 2.2 },
  { name: 'Thai', letters: /(?!\p{M})\p{Script=Thai}/gu, longest: 8 },
  { name: 'Lao', letters: /(?!\p{M})\p{Script=Lao}/gu, longest: 8 },
  { name: 'Khmer', letters: /(?!\p{M})\p{Script=Khmer}/gu, longest: 8 },
  { name: 'Burmese', letters: /(?!\p{M})\p{Script=Myanmar}/gu, longest: 8 },
];
const kana = /[\p{Script=Hiragana}\p{Script=Katakana}]/gu;
/** So much of the letters must be of one writing before the text counts as written in it. */
const leastShare = 0.3;
/** So much of a Japanese text is kana; the rest is Chinese characters. */
const leastKana = 0.05;
/** Sentences that are looked at, spread over the text. */
const sample = 200;

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

/** The language of a text whose words no spaces part, or null. */
function unspacedLanguage(lines: readonly string[]): string | null {
  const step = Math.max(1, Math.floor(lines.length / sample));
  const text = lines.filter((_, i) => i % step === 0).join('\n');
  const letters = count(text, /\p{L}/gu);
  const isJapanese = count(text, kana) > leastKana * count(text, japanese.letters);
  const found = (isJapanese ? [japanese, ...writings] : writings).find(
    (writing) => count(text, writing.letters) > leastShare * letters,
  );
  if (found === undefined) return null;
  const tokens = text.split(/\s+/).filter((token) => count(token, found.letters) > 0);
  return count(text, found.letters) >= found.longest * tokens.length ? found.name : null;
}

const streams = (references: References): readonly (readonly (string | null)[])[] =>
  (Array.isArray(references[0]) ? references : [references]) as readonly (readonly (string | null)[])[];

/**
 * The warning that a BLEU with a tokenizer for spaced text deserves, or null.
 *
 * @param instead what to do about it, in the caller's own words
 */
export function unfitTokenizer(
  references: References,
  { tokenize, instead }: { tokenize: string; instead: string },
): RdropWarning | null {
  if (tokenize === 'char') return null;
  const [first = []] = streams(references);
  const language = unspacedLanguage(first.filter((line) => line !== null));
  if (language === null) return null;
  const why =
    language === 'Korean'
      ? 'takes a Korean word together with its endings'
      : `takes whole ${language} phrases as words, since there are no spaces between them`;
  return { code: 'UNFIT_TOKENIZER', message: `BLEU with the tokenizer ${tokenize} ${why}: ${instead}` };
}
