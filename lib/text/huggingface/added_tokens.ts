import * as z from 'zod';
import { perlSpace, perlWord } from '../../util/characters.js';
import type { Normalizer } from './normalizers.js';
import { type Place, parsePart } from './parts.js';

const addedToken = z.strictObject({
  id: z.int().min(0),
  content: z.string().min(1),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});
/** A token that is found in text before anything cuts it. */
export type AddedToken = z.output<typeof addedToken>;

/** @throws RdropError MALFORMED_FILE, NOT_EXPRESSIBLE */
export const addedTokensOf = (value: unknown, place: Place): AddedToken[] =>
  parsePart(z.array(addedToken), value ?? [], place);

/** A stretch of text, or the id of an added token. */
type Segment = string | number;

const isSpace = new RegExp(`^[${perlSpace}]$`, 'v');
const endsWithWord = new RegExp(`[${perlWord}]$`, 'v');
const beginsWithWord = new RegExp(`^[${perlWord}]`, 'v');

/** Finds some of the added tokens in text: at each place the longest, from left to right. */
class Finder {
  private readonly pattern: RegExp | null;
  private readonly tokens: Map<string, AddedToken>;

  constructor(tokens: readonly (readonly [content: string, token: AddedToken])[]) {
    const found = tokens.filter(([content]) => content !== '');
    this.tokens = new Map(found);
    const longestFirst = found.map(([content]) => content).sort((a, b) => b.length - a.length);
    const escaped = longestFirst.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
    this.pattern = escaped.length === 0 ? null : new RegExp(escaped.join('|'), 'gu');
  }

  *cut(text: string): Generator<Segment> {
    let from = 0;
    for (const match of this.pattern === null ? [] : text.matchAll(this.pattern)) {
      const token = this.tokens.get(match[0])!;
      let begin = match.index;
      let end = begin + match[0].length;
      if (
        token.single_word &&
        (endsWithWord.test(text.slice(Math.max(0, begin - 2), begin)) ||
          beginsWithWord.test(text.slice(end, end + 2)))
      ) {
        continue;
      }
      if (token.lstrip) while (begin > from && isSpace.test(text[begin - 1]!)) begin--;
      if (token.rstrip) while (end < text.length && isSpace.test(text[end]!)) end++;
      if (begin > from) yield text.slice(from, begin);
      yield token.id;
      from = end;
    }
    if (from < text.length) yield text.slice(from);
  }
}

/**
 * Cuts text at added tokens and normalizes what lies between them: the ids of the tokens and the normalized stretches, in order.
 * Tokens that are `normalized` are found in normalized text, by their normalized spelling.
 *
 * @source tokenizers/src/tokenizer/added_vocabulary.rs
 */
export function textCutter(
  tokens: readonly AddedToken[],
  normalizer: Normalizer | null,
): (text: string) => Iterable<Segment> {
  const isNormalized = ({ normalized, special }: AddedToken) => normalized ?? !special;
  const raw = new Finder(tokens.filter((one) => !isNormalized(one)).map((one) => [one.content, one]));
  const late = new Finder(
    tokens.filter(isNormalized).map((one) => [normalizer?.(one.content) ?? one.content, one]),
  );
  return function* (text) {
    for (const segment of raw.cut(text)) {
      if (typeof segment === 'number') yield segment;
      else yield* late.cut(normalizer?.(segment) ?? segment);
    }
  };
}
