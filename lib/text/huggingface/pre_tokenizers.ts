import * as z from 'zod';
import { perlSpace } from '../../util/characters.js';
import { type Place, parsePart, partOf } from './parts.js';

/** Text to the words that the model cuts into pieces. */
export type PreTokenizer = (text: string) => string[];

/** Words without white space; each punctuation mark, ASCII's symbols included, is a word. */
const bertWord = new RegExp(
  `[^${perlSpace}\\p{P}!-\\/:-@\\[-\\\`\\{-~]+|[\\p{P}!-\\/:-@\\[-\\\`\\{-~]`,
  'gv',
);
const word = new RegExp(`[^${perlSpace}]+`, 'gv');

/** GPT-2's pattern. @source tokenizers/src/pre_tokenizers/byte_level.rs */
const byteLevelWord = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${perlSpace}\\p{L}\\p{N}]+|[${perlSpace}]+(?![^${perlSpace}])|[${perlSpace}]+`,
  'gv',
);

/** A printable character for each byte, as GPT-2 has them: printable bytes as they are, the others from U+0100 on. */
const byteCharacters = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    return String.fromCharCode(printable ? byte : next++);
  });
})();

const utf8 = new TextEncoder();

function bytesAsText(text: string): string {
  let characters = '';
  for (const byte of utf8.encode(text)) characters += byteCharacters[byte];
  return characters;
}

const typeAlone = z.strictObject({ type: z.string() });
const byteLevel = z.strictObject({
  type: z.string(),
  add_prefix_space: z.boolean().default(true),
  // Of offsets alone, which nothing here has.
  trim_offsets: z.boolean().default(true),
  use_regex: z.boolean().default(true),
});

const matches =
  (pattern: RegExp) =>
  (value: unknown, place: Place): PreTokenizer => {
    parsePart(typeAlone, value, place);
    return (text) => text.match(pattern) ?? [];
  };

const types: Record<string, (value: unknown, place: Place) => PreTokenizer> = {
  BertPreTokenizer: matches(bertWord),
  WhitespaceSplit: matches(word),
  ByteLevel: (value, place) => {
    const { add_prefix_space, use_regex } = parsePart(byteLevel, value, place);
    return (text) => {
      const given = add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text;
      return (use_regex ? (given.match(byteLevelWord) ?? []) : [given]).map(bytesAsText);
    };
  },
};

/**
 * The `pre_tokenizer` of a tokenizer.json.
 *
 * @throws RdropError NOT_EXPRESSIBLE (a type or an option that rdrop does not have), MALFORMED_FILE
 */
export const preTokenizerOf = (value: unknown, place: Place): PreTokenizer =>
  value === null || value === undefined ? (text) => [text] : partOf(value, place, types);
