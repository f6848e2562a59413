import * as z from 'zod';
import { perlSpace } from '../../util/characters.js';
import { inside, type Place, parsePart, partOf } from './parts.js';

/** Text to text, before it is cut. */
export type Normalizer = (text: string) => string;

const space = new RegExp(`[${perlSpace}]`, 'gv');
const isSpace = new RegExp(`^[${perlSpace}]$`, 'v');

/** Characters that BERT drops: U+FFFD, and all of the categories "other" but tab, line feed and carriage return. */
const dropped = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu;

/** The blocks that BERT takes for Chinese characters, gap included. @source tokenizers/src/normalizers/bert.rs */
const chinese =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/** Character by character, so that a final sigma becomes σ as everywhere else. */
function lowercase(text: string): string {
  if (!text.includes('Σ')) return text.toLowerCase();
  let lower = '';
  for (const character of text) lower += character.toLowerCase();
  return lower;
}

const withoutMarks = (text: string): string => text.normalize('NFD').replace(/\p{Mn}/gu, '');

const bert = z.strictObject({
  type: z.string(),
  clean_text: z.boolean().default(true),
  handle_chinese_chars: z.boolean().default(true),
  strip_accents: z.boolean().nullable().default(null),
  lowercase: z.boolean().default(true),
});

function bertNormalizer(value: unknown, place: Place): Normalizer {
  const options = parsePart(bert, value, place);
  const steps: Normalizer[] = [];
  if (options.clean_text) steps.push((text) => text.replace(dropped, '').replace(space, ' '));
  if (options.handle_chinese_chars) steps.push((text) => text.replace(chinese, ' $& '));
  if (options.strip_accents ?? options.lowercase) steps.push(withoutMarks);
  if (options.lowercase) steps.push(lowercase);
  return inTurn(steps);
}

const inTurn =
  (steps: readonly Normalizer[]): Normalizer =>
  (text) =>
    steps.reduce((sofar, step) => step(sofar), text);

const typeAlone = z.strictObject({ type: z.string() });

/** A normalizer without options. */
const plain =
  (normalizer: Normalizer) =>
  (value: unknown, place: Place): Normalizer => {
    parsePart(typeAlone, value, place);
    return normalizer;
  };

const strip = z.strictObject({ type: z.string(), strip_left: z.boolean(), strip_right: z.boolean() });
const sequence = z.strictObject({ type: z.string(), normalizers: z.array(z.unknown()) });

const types: Record<string, (value: unknown, place: Place) => Normalizer> = {
  BertNormalizer: bertNormalizer,
  Lowercase: plain(lowercase),
  NFC: plain((text) => text.normalize('NFC')),
  NFD: plain((text) => text.normalize('NFD')),
  NFKC: plain((text) => text.normalize('NFKC')),
  NFKD: plain((text) => text.normalize('NFKD')),
  StripAccents: plain((text) => text.replace(/\p{M}/gu, '')),
  Strip: (value, place) => {
    const { strip_left, strip_right } = parsePart(strip, value, place);
    return (text) => {
      let [begin, end] = [0, text.length];
      if (strip_left) while (begin < end && isSpace.test(text[begin]!)) begin++;
      if (strip_right) while (end > begin && isSpace.test(text[end - 1]!)) end--;
      return text.slice(begin, end);
    };
  },
  Sequence: (value, place) => {
    const { normalizers } = parsePart(sequence, value, place);
    return inTurn(normalizers.map((each, i) => partOf(each, inside(inside(place, 'normalizers'), i), types)));
  },
};

/**
 * The `normalizer` of a tokenizer.json.
 *
 * @throws RdropError NOT_EXPRESSIBLE (a type or an option that rdrop does not have), MALFORMED_FILE
 */
export const normalizerOf = (value: unknown, place: Place): Normalizer | null =>
  value === null || value === undefined ? null : partOf(value, place, types);
