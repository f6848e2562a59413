import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { fileError, readJsonFile, writeFileAtomically } from '../../util/files/files.js';
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

/** The files that write() makes. */
export const huggingFaceTokenizerFiles = ['tokenizer.json', 'tokenizer_ids.json'] as const;

/** What a tokenizer.json does not say of its model. */
interface ModelIds {
  padId: number | null;
  padToken: string | null;
  vocabSize: number | null;
}
const unknownIds: ModelIds = { padId: null, padToken: null, vocabSize: null };

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
  /** Number of ids V: the model's, which may have more than the tokenizer. */
  readonly size: number;

  private constructor(
    private readonly path: string,
    private readonly json: unknown,
    model: ModelIds,
  ) {
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
    const named = model.padToken ?? padOf(parts.padding);
    const names = named === null ? ['[PAD]', '<pad>'] : [named];
    this.padId = model.padId ?? this.pieces.findIndex((piece) => names.includes(piece));
    if (this.pieces[this.padId] === undefined) {
      throw malformed(at('added_tokens'), 'a padding token', model.padId ?? named ?? undefined);
    }
    this.size = model.vocabSize ?? Math.max(this.pieces.length, 5);
    if (this.size < this.pieces.length) {
      throw malformed(at('model'), `at most ${this.size} ids, as many as the model has`, this.pieces.length);
    }
    for (const id of this.templateIds()) {
      if (this.pieces[id] === undefined) throw malformed(at('post_processor'), 'ids of the vocabulary', id);
    }
  }

  /**
   * @param path a tokenizer.json, or a directory that has one: of Hugging Face, or one that write() made. The files beside it say
   *   which token is padding and how many ids the model has; nothing does: [PAD] or <pad>, and as many as the tokenizer
   * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE, TOO_LARGE, NOT_EXPRESSIBLE (a part that rdrop does not
   *   have, by its name)
   */
  static async read(path: string): Promise<HuggingFaceTokenizer> {
    const from = await tokenizerFile(path);
    return new HuggingFaceTokenizer(from, await readJsonFile(from), await idsBeside(dirname(from)));
  }

  /** The same of what such a file holds; `name` is what an error calls it. */
  static parse(json: unknown, name: string, model: Partial<ModelIds> = {}): HuggingFaceTokenizer {
    return new HuggingFaceTokenizer(name, json, { ...unknownIds, ...model });
  }

  /** Writes what read() takes: `huggingFaceTokenizerFiles`. @throws RdropError DISK_FULL, FILE_UNWRITABLE */
  async write(directory: string): Promise<void> {
    const [tokenizer, ids] = huggingFaceTokenizerFiles;
    await writeFileAtomically(join(directory, tokenizer), this.toString());
    const { padId, size: vocabSize } = this;
    await writeFileAtomically(join(directory, ids), `${JSON.stringify({ padId, vocabSize })}\n`);
  }

  /** The content of a tokenizer.json. */
  toString(): string {
    return `${JSON.stringify(this.json)}\n`;
  }

  /** Spellings of its special tokens, as far as it has them, by the names that a tokenizer_config.json gives them. */
  specialTokens(): Record<string, string> {
    const { single } = this.template;
    const idAt = (at: number) => {
      const ids = single.at(at)?.ids;
      return single.length > 1 && typeof ids === 'object' ? ids[0] : undefined;
    };
    const mask = ['[MASK]', '<mask>'].map((piece) => this.pieces.indexOf(piece)).find((id) => id >= 0);
    const names: [string, number | undefined][] = [
      ['pad_token', this.padId],
      ['cls_token', idAt(0)],
      ['sep_token', idAt(-1)],
      ['unk_token', this.model.unknown ?? this.pieces.indexOf('<unk>')],
      ['mask_token', mask],
    ];
    const named = names.map(([name, id]): [string, string | undefined] => [name, this.pieces[id ?? -1]]);
    return Object.fromEntries(named.filter((one): one is [string, string] => one[1] !== undefined));
  }

  /** The same tokenizer for a model of so many ids. @throws RdropError MALFORMED_FILE where it has more */
  sized(vocabSize: number, padId = this.padId): HuggingFaceTokenizer {
    return new HuggingFaceTokenizer(this.path, this.json, { padId, padToken: null, vocabSize });
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
          `ids: expected ids of the tokenizer, below ${this.pieces.length}, got ${id}`,
        );
      }
      if (!this.special.has(given)) pieces.push(piece);
    }
    return pieces.length === 0 ? '' : this.join(pieces);
  }

  /**
   * The pieces as a dict.txt holds them, in the order of their ids. The first four ids are the dictionary's own names there.
   *
   * What has no piece is a made-up word.
   */
  dictionary(): Dictionary {
    const lines: string[] = [];
    const seen = new Set(['<s>', '<pad>', '</s>', '<unk>']);
    for (let id = seen.size; id < this.size; id++) {
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

async function jsonBeside<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S> | undefined> {
  return (await pathExists(path)) ? schema.safeParse(await readJsonFile(path)).data : undefined;
}

/** What the files of a directory say of a model's ids. */
async function idsBeside(directory: string): Promise<ModelIds> {
  const own = join(directory, huggingFaceTokenizerFiles[1]);
  if (await pathExists(own)) {
    const ids = z.strictObject({ padId: z.int().min(0), vocabSize: z.int().min(5) });
    return { ...unknownIds, ...parsePart(ids, await readJsonFile(own), { path: own, name: '' }) };
  }
  const config = z.looseObject({
    model_type: z.string(),
    vocab_size: z.int().min(5),
    pad_token_id: z.int().min(0).nullish(),
  });
  const model = await jsonBeside(join(directory, 'config.json'), config);
  const ids = { ...unknownIds, vocabSize: model?.vocab_size ?? null, padId: model?.pad_token_id ?? null };
  for (const name of ['tokenizer_config.json', 'special_tokens_map.json']) {
    const named = await jsonBeside(join(directory, name), z.looseObject({ pad_token: token }));
    if (named !== undefined) return { ...ids, padToken: named.pad_token };
  }
  return ids;
}
