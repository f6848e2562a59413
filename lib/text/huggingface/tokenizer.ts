import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { fileError, readJsonFile } from '../../util/files/files.js';
import { RecentCache } from '../../util/recent_cache.js';
import { Dictionary, pad } from '../dictionary.js';
import { type AddedToken, addedTokensOf, textCutter } from './added_tokens.js';
import { modelOf, type PieceModel } from './model.js';
import { normalizerOf } from './normalizers.js';
import { ByteLevelDecoder, WordPieceDecoder } from './package_parts.js';
import { inside, malformed, type Place, parsePart, partOf } from './parts.js';
import { type PreTokenizer, preTokenizerOf } from './pre_tokenizers.js';
import { type Template, templateOf } from './template.js';

/** What a model reads of one text or two. */
export interface EncodedText {
  ids: Int32Array;
  /** The token types, as many: which of two texts a token belongs to, as the tokenizer's template says. */
  types: Int32Array;
}

const file = z.object({
  version: z.string().optional(),
  // Of one call, not of the text: a model that trains has its own.
  truncation: z.unknown().optional(),
  padding: z.unknown().optional(),
  added_tokens: z.unknown().optional(),
  normalizer: z.unknown().optional(),
  pre_tokenizer: z.unknown().optional(),
  post_processor: z.unknown().optional(),
  decoder: z.unknown().optional(),
  model: z.unknown().optional(),
});

type Joiner = (pieces: string[]) => string;

const decoderTypes: Record<string, (value: unknown, place: Place, added: AddedToken[]) => Joiner> = {
  WordPiece: (value, place) => {
    const options = parsePart(
      z.strictObject({ type: z.string(), prefix: z.string(), cleanup: z.boolean().default(true) }),
      value,
      place,
    );
    const decoder = new WordPieceDecoder(options);
    return (pieces) => decoder.decode(pieces);
  },
  ByteLevel: (value, _place, added) => {
    const decoder = new ByteLevelDecoder(value as object);
    decoder.added_tokens = added;
    return (pieces) => decoder.decode(pieces);
  },
};

/**
 * A tokenizer.json of Hugging Face's tokenizers: WordPiece as BERT has it, byte-level BPE as RoBERTa has it. Its ids are those
 * of the file, but for padding, which is 1 here (dictionary.ts): the two ids are exchanged.
 */
export class HuggingFaceTokenizer {
  private readonly cut: (text: string) => Iterable<string | number>;
  private readonly words: PreTokenizer;
  private readonly model: PieceModel;
  private readonly template: Template;
  private readonly join: Joiner;
  private readonly special: ReadonlySet<number>;
  private readonly cache = new RecentCache<readonly number[]>(20_000);
  /** By the ids of the file; a hole where an id has no piece. */
  private readonly pieces: string[] = [];
  /** Of the file. */
  readonly padId: number;

  private constructor(path: string, json: unknown, padToken: string | null) {
    const place = { path, name: '' };
    const parts = parsePart(file, json, place);
    const at = (name: string) => inside(place, name);
    this.model = modelOf(parts.model, at('model'));
    const added = addedTokensOf(parts.added_tokens, at('added_tokens'));
    const normalizer = normalizerOf(parts.normalizer, at('normalizer'));
    this.words = preTokenizerOf(parts.pre_tokenizer, at('pre_tokenizer'));
    this.template = templateOf(parts.post_processor, at('post_processor'));
    this.cut = textCutter(added, normalizer);
    this.special = new Set(added.filter(({ special }) => special).map(({ id }) => id));
    for (const [piece, id] of this.model.vocabulary) this.pieces[id] = piece;
    for (const { id, content } of added) this.pieces[id] = content;
    const decoder = parts.decoder ?? null;
    this.join =
      decoder === null
        ? (pieces) => pieces.join(' ')
        : partOf(decoder, at('decoder'), {
            WordPiece: (value, where) => decoderTypes['WordPiece']!(value, where, added),
            ByteLevel: (value, where) => decoderTypes['ByteLevel']!(value, where, added),
          });
    this.padId = this.pieces.indexOf(padToken ?? padOf(parts.padding) ?? '[PAD]');
    if (this.padId < 0 && padToken === null) this.padId = this.pieces.indexOf('<pad>');
    if (this.padId < 0) throw malformed(at('added_tokens'), 'a padding token', padToken);
    for (const id of this.templateIds()) {
      if (this.pieces[id] === undefined) throw malformed(at('post_processor'), 'ids of the vocabulary', id);
    }
  }

  /**
   * @param path a tokenizer.json, or a directory that has one; the padding token is the one that a tokenizer_config.json or a
   *   special_tokens_map.json beside it names, or else [PAD] or <pad>
   * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE, TOO_LARGE, NOT_EXPRESSIBLE (a part that rdrop does not
   *   have, by its name)
   */
  static async read(path: string): Promise<HuggingFaceTokenizer> {
    const from = await tokenizerFile(path);
    return new HuggingFaceTokenizer(from, await readJsonFile(from), await padTokenBeside(from));
  }

  /** The same of what such a file holds; `name` is what an error calls it. */
  static parse(json: unknown, name: string, padToken: string | null = null): HuggingFaceTokenizer {
    return new HuggingFaceTokenizer(name, json, padToken);
  }

  /** Ids that there are: one more than the largest. */
  get vocabSize(): number {
    return Math.max(this.pieces.length, pad + 1);
  }

  /** The spelling of a piece by its id; undefined for an id that has none. */
  piece(id: number): string | undefined {
    return this.pieces[this.exchanged(id)];
  }

  /** One text or two as the model reads them, special tokens included. Its length has no limit: see `maxPositions`. */
  encode(text: string, pair?: string): EncodedText {
    const a = this.idsOf(text);
    const b = pair === undefined ? [] : this.idsOf(pair);
    const ids: number[] = [];
    const types: number[] = [];
    for (const slot of pair === undefined ? this.template.single : this.template.pair) {
      for (const id of slot.ids === 'a' ? a : slot.ids === 'b' ? b : slot.ids) {
        ids.push(this.exchanged(id));
        types.push(slot.type);
      }
    }
    return { ids: Int32Array.from(ids), types: Int32Array.from(types) };
  }

  /**
   * Text of ids, special tokens left out.
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE
   */
  decode(ids: Iterable<number>): string {
    const pieces: string[] = [];
    for (const id of ids) {
      const given = this.exchanged(id);
      const piece = this.pieces[given];
      if (piece === undefined) {
        throw new RdropError(
          'TOKEN_OUT_OF_RANGE',
          `ids: expected ids of the tokenizer, below ${this.vocabSize}, got ${id}`,
        );
      }
      if (!this.special.has(given)) pieces.push(piece);
    }
    return pieces.length === 0 ? '' : this.join(pieces);
  }

  /**
   * The pieces as a dict.txt holds them, in the order of their ids. The first four ids are the dictionary's own names there.
   *
   * @param size ids of the model, which may have more than the tokenizer; what has no piece is a made-up word
   */
  dictionary(size = this.vocabSize): Dictionary {
    const lines: string[] = [];
    const seen = new Set(['<s>', '<pad>', '</s>', '<unk>']);
    for (let id = seen.size; id < size; id++) {
      const piece = this.piece(id) ?? `madeupword${String(id).padStart(4, '0')}`;
      lines.push(`${piece} 0${seen.has(piece) ? ' #fairseq:overwrite' : ''}\n`);
      seen.add(piece);
    }
    return Dictionary.parse(lines.join(''), 'tokenizer.json');
  }

  private exchanged(id: number): number {
    return id === this.padId ? pad : id === pad ? this.padId : id;
  }

  private *templateIds(): Generator<number> {
    for (const { ids } of [...this.template.single, ...this.template.pair]) {
      if (typeof ids !== 'string') yield* ids;
    }
  }

  private idsOf(text: string): number[] {
    const ids: number[] = [];
    for (const segment of this.cut(text)) {
      if (typeof segment === 'number') ids.push(segment);
      else for (const word of this.words(segment)) for (const id of this.wordIds(word)) ids.push(id);
    }
    return ids;
  }

  private wordIds(word: string): readonly number[] {
    const known = this.cache.get(word);
    if (known !== undefined) return known;
    const ids: number[] = [];
    for (const piece of this.model.cut(word)) {
      const id = this.model.vocabulary.get(piece) ?? this.model.unknown;
      if (id !== undefined) ids.push(id);
    }
    if (word.length <= 100) this.cache.set(word, ids);
    return ids;
  }
}

const token = z.union([
  z.string(),
  z.looseObject({ content: z.string() }).transform(({ content }) => content),
]);

function padOf(padding: unknown): string | null {
  return z.looseObject({ pad_token: z.string() }).safeParse(padding).data?.pad_token ?? null;
}

async function tokenizerFile(path: string): Promise<string> {
  try {
    return (await stat(path)).isDirectory() ? join(path, 'tokenizer.json') : path;
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

/** The padding token that the files beside a tokenizer.json name. */
async function padTokenBeside(path: string): Promise<string | null> {
  for (const name of ['tokenizer_config.json', 'special_tokens_map.json']) {
    const beside = join(dirname(path), name);
    if (!(await pathExists(beside))) continue;
    const { data } = z.looseObject({ pad_token: token }).safeParse(await readJsonFile(beside));
    if (data !== undefined) return data.pad_token;
  }
  return null;
}
