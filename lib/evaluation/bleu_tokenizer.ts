/**
 * The four tokenizers of sacreBLEU 2.6 that need no model, as functions from a segment to its tokens
 * (sacrebleu/tokenizers/tokenizer_{13a,re,intl,char,none}.py followed by str.split()).
 *
 * Unicode: sacreBLEU's `intl` takes its categories from Python's `regex` package, ours from the running Node.js, so the
 * two can differ only in characters that one of them does not know yet (`process.versions.unicode`).
 */

/** What Python's str.split() and str.rstrip() call white space: U+001C..U+001F and U+0085 belong to it, U+FEFF does not. */
const spaceClass = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const spaces = new RegExp(`[${spaceClass}]+`, 'g');
const anySpace = new RegExp(`[${spaceClass}]`);
const trailing = new RegExp(`[${spaceClass}]$`);

/** Python's str.split(): no empty tokens at either end. */
export function splitWords(line: string): string[] {
  const words = line.split(spaces);
  if (words[0] === '') words.shift();
  if (words.at(-1) === '') words.pop();
  return words;
}

/** Python's str.rstrip(), without the quadratic time of /\s+$/ on long inner runs of spaces. */
export function trimEnd(line: string): string {
  let end = line.length;
  while (end > 0 && trailing.test(line[end - 1] as string)) end--;
  return line.slice(0, end);
}

/** mteval-v13a, the default of WMT: ASCII punctuation apart, full stops and commas unless inside a number. */
function tokenize13a(segment: string): string[] {
  let line = segment.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
  if (line.includes('&')) {
    line = line
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>');
  }
  // sacreBLEU rewrites the whole line; no rule reaches over a space, so word by word is the same, and most words have
  // nothing to rewrite.
  const tokens: string[] = [];
  for (const word of splitWords(line)) {
    if (!rewritten13a.test(word)) tokens.push(word);
    // One by one: a word of 100,000 signs has more tokens than a call may have arguments.
    else for (const token of rewrite13a(word)) tokens.push(token);
  }
  return tokens;
}

const rewritten13a = /[!-&(-/:-@[-`{-~]/;

function rewrite13a(word: string): string[] {
  return splitWords(
    ` ${word} `
      .replace(/[{-~[-` -&(-+:-@/]/g, ' $& ')
      .replace(/([^0-9])([.,])/g, '$1 $2 ')
      .replace(/([.,])([^0-9])/g, ' $1 $2')
      .replace(/([0-9])(-)/g, '$1 $2 '),
  );
}

/** mteval-v14's international tokenizer: every symbol apart, punctuation unless between digits. */
function tokenizeIntl(segment: string): string[] {
  return splitWords(
    segment
      .replace(/(\P{N})(\p{P})/gu, '$1 $2 ')
      .replace(/(\p{P})(\P{N})/gu, ' $1 $2')
      .replace(/\p{S}/gu, ' $& '),
  );
}

/** One token per code point that is not white space. */
function tokenizeChar(segment: string): string[] {
  const characters: string[] = [];
  for (const character of segment) if (!anySpace.test(character)) characters.push(character);
  return characters;
}

export const bleuTokenizers = {
  '13a': tokenize13a,
  none: splitWords,
  intl: tokenizeIntl,
  char: tokenizeChar,
} as const satisfies Record<string, (segment: string) => string[]>;
