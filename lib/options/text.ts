/** How text becomes tokens, pieces and a dictionary. */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { count, countOrZero, countTo, languageCode, text } from './schema/ranges.js';

/**
 * Whose pieces a text may be cut into, and the mark that each is known by: at the end of a piece inside a word (subword-nmt), before
 * a piece that begins a word (sentencepiece, byte-level), before a piece that continues a word (wordpiece), behind a piece that ends a word
 * (end-of-word), on whichever side there was no space (joiner).
 */
export const pieceMarks = {
  'subword-nmt': '@@',
  sentencepiece: '\u2581',
  wordpiece: '##',
  'end-of-word': '</w>',
  joiner: '\uffed',
  'byte-level': '\u0120',
} as const;
export const pieceFormats = [
  'none',
  'subword-nmt',
  'sentencepiece',
  'wordpiece',
  'end-of-word',
  'joiner',
  'byte-level',
] as const satisfies readonly ('none' | keyof typeof pieceMarks)[];
/** Whose pieces a text is cut into; `none`: words. */
export type PieceFormat = (typeof pieceFormats)[number];

/** What a text file may hold; the error of a file that holds more names the option. */
export interface TextLimitOptions {
  /**
   * Bytes of the longest line; a longer one is refused by file and line (`TOO_LARGE`).
   * @default 16777216
   * @range 1 to 268,435,456
   */
  maxLineBytes?: number | undefined;
  /**
   * Bytes that a packed file (.gz, .tgz) may hold once unpacked; a file that holds more is refused (`TOO_LARGE`).
   * @default 17179869184
   * @range 1 to 1,099,511,627,776
   */
  maxUnpackedBytes?: number | undefined;
}

/** How a line becomes tokens, and whose pieces it may be cut into already. */
export interface TokenOptions {
  /**
   * `moses`: the rules of tokenizer.perl (German and English). `none`: the text is tokenized already.
   * @default "moses"
   */
  tokenizer?: 'moses' | 'none' | undefined;
  /**
   * Plain quotation marks and dashes, as normalize-punctuation.perl makes them (German and English).
   * @default false
   */
  normalize?: boolean | undefined;
  /**
   * `true`: lower-cases the text before everything else. `"after"`: lower-cases the tokens, as the recipes of IWSLT do.
   * @default false
   */
  lowercase?: boolean | 'after' | undefined;
  /**
   * Whose pieces the text was cut into before it came here; they are joined before anything is scored or printed. Left out:
   * preparing and importing detect it.
   */
  pieces?: PieceFormat | undefined;
  /** The mark of these pieces, without spaces. Left out: the usual one of `pieces`. */
  pieceMark?: string | undefined;
}

/** How text of two languages becomes pieces: text.json of a prepared directory, besides its version. */
export interface TextOptions extends TokenOptions {
  /** Language code of the source, the ending of its files. */
  source: string;
  /** Language code of the target, the ending of its files. */
  target: string;
  /**
   * Merges of the byte pair encoding, learned on both languages together; 0 leaves words whole.
   * @default 10000
   * @range 0 to 1,000,000
   */
  bpe?: number | undefined;
  /**
   * A dictionary for each language instead of one for both, as fairseq-preprocess makes them without --joined-dictionary. Codes of
   * the byte pair encoding stay joint. Left out: `false`.
   */
  separateDictionaries?: boolean | undefined;
}

/** The flags of Moses's tokenizer.perl. */
export interface TokenizeOptions {
  /**
   * Writes `&` `|` `<` `>` `'` `"` `[` `]` as entities, the script's default; `false` is its -no-escape.
   * @default true
   */
  escape?: boolean | undefined;
  /**
   * A hyphen between letters or digits becomes the token `@-@` (-a).
   * @default false
   */
  aggressive?: boolean | undefined;
  /**
   * Regular expressions of Perl; what they match stays one token (-protected).
   * @default []
   */
  protectedPatterns?: string[] | undefined;
  /**
   * A line that is one tag comes back as it is (-x).
   * @default false
   */
  skipXml?: boolean | undefined;
}

/** The flag of Moses's detokenizer.perl. */
export interface MosesDetokenizeOptions {
  /**
   * Writes the first letter in upper case (-u).
   * @default false
   */
  uppercase?: boolean | undefined;
}

/** `rdrop text detokenize`. */
export interface DetokenizeOptions extends MosesDetokenizeOptions {
  /**
   * `moses`: the rules of detokenizer.perl. `sacremoses`: those of its port to Python, which fairseq's --eval-bleu-detok moses calls.
   * @default "moses"
   */
  as?: 'moses' | 'sacremoses' | undefined;
}

/** The flag of Moses's normalize-punctuation.perl. */
export interface NormalizeOptions {
  /**
   * Leaves backticks and doubled apostrophes as they are (-penn).
   * @default false
   */
  penn?: boolean | undefined;
}

/** The flags of subword-nmt's learn_bpe.py. */
export interface BpeOptions {
  /**
   * Most merges to learn.
   * @default 10000
   * @range 1 to 1,000,000
   */
  merges?: number | undefined;
  /**
   * A pair of symbols that occurs less often is not merged.
   * @default 2
   * @range 1 or more
   */
  minFrequency?: number | undefined;
  /**
   * Counts the characters of the text, at the end of words and inside, among the merges, so that `merges` is about the number of
   * symbols.
   * @default false
   */
  totalSymbols?: boolean | undefined;
  /**
   * The input is one `word count` a line instead of text.
   * @default false
   */
  dictInput?: boolean | undefined;
}

/** The flags of subword-nmt's apply_bpe.py. */
export interface BpeApplyOptions {
  /**
   * How many of the merges to apply, the first ones. Left out: all.
   * @range 0 or more
   */
  merges?: number | undefined;
  /**
   * Marks a piece that the next one continues.
   * @default "@@"
   */
  separator?: string | undefined;
  /** A file of `rdrop bpe vocabulary`: merges that give other pieces are undone. Left out: every merge holds. */
  vocabulary?: string | undefined;
  /**
   * Pieces of the vocabulary that occur less often do not count. Left out: all count.
   * @range 0 or more
   */
  vocabularyThreshold?: number | undefined;
  /**
   * Words or regular expressions of Python that are never split.
   * @default []
   */
  glossaries?: string[] | undefined;
}

/** The dictionary of fairseq-preprocess. */
export interface DictionaryOptions {
  /**
   * Types that occur less often are left out of the dictionary (--thresholdsrc, --thresholdtgt).
   * @default 0
   * @range 0 or more
   */
  threshold?: number | undefined;
  /**
   * Most types, the four specials included and the filling not; 0 sets no limit (--nwordssrc, --nwordstgt).
   * @default 0
   * @range 0 or more
   */
  nwords?: number | undefined;
  /**
   * The dictionary is filled up to a multiple of this with made-up words.
   * @default 8
   * @range 1 to 65,536
   */
  paddingFactor?: number | undefined;
}

export const textLimitsSchema = documented<TextLimitOptions>()(
  z.strictObject({
    maxLineBytes: count.max(2 ** 28).default(2 ** 24),
    maxUnpackedBytes: countTo(2 ** 40).default(2 ** 34),
  }),
);
export type TextLimits = Resolved<TextLimitOptions, z.output<typeof textLimitsSchema>>;

export const textSchema = documented<TextOptions>()(
  z.strictObject({
    source: languageCode,
    target: languageCode,
    tokenizer: z.enum(['moses', 'none']).default('moses'),
    normalize: z.boolean().default(false),
    lowercase: z
      .union([z.boolean(), z.literal('after')], { error: 'expected true, false or "after"' })
      .default(false),
    bpe: z.int().min(0).max(1_000_000).default(10_000),
    separateDictionaries: z.boolean().optional(),
    // Left out of text.json: words, or with bpe pieces of its own.
    pieces: z.enum(pieceFormats).optional(),
    pieceMark: text.regex(/^\S+$/, 'expected a mark without spaces').optional(),
  }),
);
export type TextConfig = Resolved<TextOptions, z.output<typeof textSchema>>;

export const tokenizeSchema = documented<TokenizeOptions>()(
  z.strictObject({
    escape: z.boolean().default(true),
    aggressive: z.boolean().default(false),
    protectedPatterns: z.array(text).default([]),
    skipXml: z.boolean().default(false),
  }),
);

export const mosesDetokenizeSchema = documented<MosesDetokenizeOptions>()(
  z.strictObject({ uppercase: z.boolean().default(false) }),
);

export const detokenizeSchema = documented<DetokenizeOptions>()(
  z
    .strictObject({
      as: z.enum(['moses', 'sacremoses']).default('moses'),
      ...mosesDetokenizeSchema.shape,
    })
    .refine((options) => options.as === 'moses' || !options.uppercase, {
      path: ['uppercase'],
      error: 'sacremoses has no such option',
    }),
);

export const normalizeSchema = documented<NormalizeOptions>()(
  z.strictObject({ penn: z.boolean().default(false) }),
);

export const bpeSchema = documented<BpeOptions>()(
  z.strictObject({
    merges: countTo(1_000_000).default(10_000),
    minFrequency: count.default(2),
    totalSymbols: z.boolean().default(false),
    dictInput: z.boolean().default(false),
  }),
);

export const bpeApplySchema = documented<BpeApplyOptions>()(
  z
    .strictObject({
      merges: countOrZero.optional(),
      separator: text.default('@@'),
      vocabulary: text.optional(),
      vocabularyThreshold: countOrZero.optional(),
      glossaries: z.array(text).default([]),
    })
    .refine((options) => options.vocabularyThreshold === undefined || options.vocabulary !== undefined, {
      path: ['vocabularyThreshold'],
      error: 'expected together with vocabulary',
    }),
);

export const dictionarySchema = documented<DictionaryOptions>()(
  z.strictObject({
    threshold: countOrZero.default(0),
    nwords: countOrZero.default(0),
    paddingFactor: countTo(65_536).default(8),
  }),
);
