import * as z from 'zod';
import { BPE, WordPiece } from './package_parts.js';
import { inside, malformed, type Place, parsePart, partOf, unsupported } from './parts.js';

/** The pieces of words, and their ids. */
export interface PieceModel {
  vocabulary: ReadonlyMap<string, number>;
  cut(word: string): string[];
  /** Of a piece outside the vocabulary; undefined: it is left out. */
  unknown: number | undefined;
}

const none = z.literal([null, '']).optional();

const wordPiece = z.strictObject({
  type: z.string(),
  unk_token: z.string(),
  continuing_subword_prefix: z.string(),
  max_input_chars_per_word: z.int().min(0),
  vocab: z.unknown(),
});

const bpe = z.strictObject({
  type: z.string(),
  dropout: z.literal([null, 0]).optional(),
  unk_token: z.string().nullable().optional(),
  continuing_subword_prefix: none,
  end_of_word_suffix: none,
  fuse_unk: z.literal(false).default(false),
  byte_fallback: z.literal(false).default(false),
  ignore_merges: z.boolean().default(false),
  vocab: z.unknown(),
  merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
});

/** By hand: a vocabulary may hold any word, names of every object's members too. */
function vocabularyOf(value: unknown, place: Place): Map<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(place, 'an object of ids by piece', value);
  }
  const vocabulary = new Map<string, number>(Object.entries(value));
  const seen = new Set<number>();
  for (const [piece, id] of vocabulary) {
    if (!Number.isSafeInteger(id) || id < 0) throw malformed(inside(place, piece), 'an id', id);
    if (seen.has(id)) throw malformed(inside(place, piece), 'an id that no other piece has', id);
    seen.add(id);
  }
  return vocabulary;
}

const types: Record<string, (value: unknown, place: Place) => PieceModel> = {
  WordPiece: (value, place) => {
    const options = parsePart(wordPiece, value, place);
    const vocabulary = vocabularyOf(options.vocab, inside(place, 'vocab'));
    const unknown = vocabulary.get(options.unk_token);
    if (unknown === undefined) {
      throw malformed(inside(place, 'unk_token'), 'a piece of the vocabulary', options.unk_token);
    }
    const model = new WordPiece(options);
    return { vocabulary, unknown, cut: (word) => model.encode([word]) };
  },
  BPE: (value, place) => {
    const options = parsePart(bpe, value, place);
    const vocabulary = vocabularyOf(options.vocab, inside(place, 'vocab'));
    const unk_token = options.unk_token ?? undefined;
    const unknown = unk_token === undefined ? undefined : vocabulary.get(unk_token);
    if (unk_token !== undefined && unknown === undefined) {
      throw malformed(inside(place, 'unk_token'), 'a piece of the vocabulary', unk_token);
    }
    options.merges.forEach((merge, i) => {
      const parts = typeof merge === 'string' ? merge.split(' ') : merge;
      if (parts.length === 2 && parts.every((part) => vocabulary.has(part))) return;
      throw malformed(inside(inside(place, 'merges'), i), 'two pieces of the vocabulary', merge);
    });
    const model = new BPE({ ...options, unk_token });
    return { vocabulary, unknown, cut: (word) => model.encode([word]) };
  },
};

/**
 * The `model` of a tokenizer.json.
 *
 * @throws RdropError NOT_EXPRESSIBLE (a type or an option that rdrop does not have), MALFORMED_FILE
 */
export function modelOf(value: unknown, place: Place): PieceModel {
  // Files of before the types had names hold vocab and merges alone.
  if (typeof value !== 'object' || value === null) throw unsupported(place, 'a model', value);
  return partOf(
    'type' in value ? value : { type: 'merges' in value ? 'BPE' : 'WordPiece', ...value },
    place,
    types,
  );
}
