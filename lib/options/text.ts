/** From text to a prepared directory. */
import { RdropError } from '../util/errors.js';
import { count, countTo, languageCode, nonNegative } from './ranges.js';
import { lockSchema } from './training.js';
import { lazily, z } from './zod.js';

/** What a text file may hold; the error of a file that holds more names the option. */
export const textLimitsSchema = lazily(() =>
  z.strictObject({
    /** Bytes of the longest line. */
    maxLineBytes: count.max(2 ** 28).default(2 ** 24),
    /** Bytes that a packed file (.gz, .tgz) may hold once unpacked. */
    maxUnpackedBytes: count.default(2 ** 34),
  }),
);
export type TextLimits = z.infer<typeof textLimitsSchema>;

/**
 * Whose pieces a text may be cut into, and the mark that each is known by: at the end of a piece that goes on (subword-nmt), before
 * a piece that begins a word (sentencepiece, byte-level), before a piece that goes on (wordpiece), behind a piece that ends a word
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
export type PieceFormat = (typeof pieceFormats)[number];

/** How text becomes tokens: the content of text.json in a prepared directory, besides its version. */
export const textSchema = lazily(() =>
  z.strictObject({
    source: languageCode,
    target: languageCode,
    /** moses: the rules of tokenizer.perl (German and English); none: the text is tokenized already. */
    tokenizer: z.enum(['moses', 'none']).default('moses'),
    /** Plain quotation marks and dashes, as normalize-punctuation.perl makes them (German and English). */
    normalize: z.boolean().default(false),
    /** true: before everything else; 'after': the tokens, as the recipes of IWSLT do. */
    lowercase: z
      .union([z.boolean(), z.literal('after')], { error: 'expected true, false or "after"' })
      .default(false),
    /** Merges of the byte pair encoding, learned on both languages together; 0 leaves words whole. */
    bpe: z.int().min(0).max(1_000_000).default(10_000),
    /**
     * A dictionary for each language instead of one for both: fairseq-preprocess without --joined-dictionary. Codes of the
     * byte pair encoding stay joint. Left out: false.
     */
    separateDictionaries: z.boolean().optional(),
    /**
     * Whose pieces the text was cut into before it came here; they are joined before anything is scored or printed. Left out,
     * preparing and importing find it out; in text.json that means words, or with bpe pieces of its own.
     */
    pieces: z.enum(pieceFormats).optional(),
    /** The mark of these pieces where it is not the usual one. */
    pieceMark: z.string().min(1).regex(/^\S+$/, 'expected a mark without spaces').optional(),
  }),
);
export type TextConfig = z.infer<typeof textSchema>;

/** The flags of Moses's tokenizer.perl. */
export const tokenizeSchema = lazily(() =>
  z.strictObject({
    /** Writes & | < > ' " [ ] as entities (the script's default). */
    escape: z.boolean().default(true),
    /** A hyphen between letters or digits becomes the token @-@ (-a). */
    aggressive: z.boolean().default(false),
    /** Regular expressions of Perl; what they match stays one token (-protected). */
    protectedPatterns: z.array(z.string().min(1)).default([]),
    /** A line that is one tag comes back as it is (-x). */
    skipXml: z.boolean().default(false),
  }),
);
export type TokenizeOptions = z.input<typeof tokenizeSchema>;

/** The flag of Moses's detokenizer.perl. */
export const mosesDetokenizeSchema = lazily(() =>
  z.strictObject({
    /** Writes the first letter in upper case (-u). */
    uppercase: z.boolean().default(false),
  }),
);
export type MosesDetokenizeOptions = z.input<typeof mosesDetokenizeSchema>;

export const detokenizeSchema = lazily(() =>
  z
    .strictObject({
      /** moses: the rules of detokenizer.perl; sacremoses: those of its port to Python, which fairseq calls. */
      as: z.enum(['moses', 'sacremoses']).default('moses'),
      ...mosesDetokenizeSchema.shape,
    })
    .refine((options) => options.as === 'moses' || !options.uppercase, {
      path: ['uppercase'],
      error: 'sacremoses has no such option',
    }),
);

/** The flag of Moses's normalize-punctuation.perl. */
export const normalizeSchema = lazily(() =>
  z.strictObject({
    /** Leaves ` and '' as they are (-penn). */
    penn: z.boolean().default(false),
  }),
);
export type NormalizeOptions = z.input<typeof normalizeSchema>;

/** The flags of subword-nmt's learn_bpe.py. */
export const bpeSchema = lazily(() =>
  z.strictObject({
    /** Most merges to learn. */
    merges: countTo(1_000_000).default(10_000),
    /** Learning ends when no pair of symbols occurs this often any more (subword-nmt). */
    minFrequency: count.default(2),
    /** Counts the characters of the text among the merges, so that merges is about the number of symbols. */
    totalSymbols: z.boolean().default(false),
    /** The input is one "word count" a line instead of text. */
    dictInput: z.boolean().default(false),
  }),
);
export type BpeOptions = z.input<typeof bpeSchema>;

/** The flags of subword-nmt's apply_bpe.py. */
export const bpeApplySchema = lazily(() =>
  z
    .strictObject({
      /** How many of the merges to apply, the first ones; all when left out. */
      merges: z.int().min(0).optional(),
      /** Marks a piece that the next one continues. */
      separator: z.string().min(1).default('@@'),
      /** A file of `rdrop bpe vocabulary`: merges that give other pieces are undone. */
      vocabulary: z.string().min(1).optional(),
      /** Pieces of the vocabulary that occur less often do not count. */
      vocabularyThreshold: z.int().min(0).optional(),
      /** Words or regular expressions of Python that are never split. */
      glossaries: z.array(z.string().min(1)).default([]),
    })
    .refine((options) => options.vocabularyThreshold === undefined || options.vocabulary !== undefined, {
      path: ['vocabularyThreshold'],
      error: 'expected together with vocabulary',
    }),
);
export type BpeApplyOptions = z.input<typeof bpeApplySchema>;

/** The dictionary of fairseq-preprocess. */
export const dictionarySchema = lazily(() =>
  z.strictObject({
    /** Types that occur less often are left out (--thresholdsrc, --thresholdtgt). */
    threshold: z.int().min(0).default(0),
    /** Most types, the four specials included and the filling not; 0 sets no limit (--nwordssrc, --nwordstgt). */
    nwords: z.int().min(0).default(0),
    /** The dictionary is filled up to a multiple of this. */
    paddingFactor: countTo(65_536).default(8),
  }),
);
export type DictionaryOptions = z.input<typeof dictionarySchema>;

/** From tokens to a prepared directory: what every recipe shares. */
const preparedShape = () => ({
  /** The directory to make. */
  out: z.string().min(1),
  /** Replaces a prepared directory that is there already. */
  overwrite: z.boolean().default(false),
  /** Takes the directory over from a process that makes it now: that one stops with RUN_LOST and leaves nothing. */
  unlock: lockSchema.shape.unlock,
  minFrequency: bpeSchema.shape.minFrequency,
  /** BPE codes to use instead of learning some (subword-nmt's format). */
  codes: z.string().min(1).optional(),
  ...dictionarySchema.shape,
  separateDictionaries: textSchema.shape.separateDictionaries,
  /** A dict.txt to use instead of building one, with separateDictionaries that of the source (fairseq's --srcdict). */
  dictionary: z.string().min(1).optional(),
  /** With separateDictionaries, the dict.txt of the target to use instead of building one (fairseq's --tgtdict). */
  targetDictionary: z.string().min(1).optional(),
  maxUnpackedBytes: textLimitsSchema.shape.maxUnpackedBytes,
});

export const prepareSchema = lazily(() =>
  z.strictObject({
    ...textSchema.shape,
    /** Prefixes of the parallel files: <prefix>.<language>, plain or with .gz behind it. */
    train: z.string().min(1),
    valid: z.string().min(1),
    test: z.string().min(1).optional(),
    ...preparedShape(),
    /** Training pairs with a side shorter than this are left out; counted in tokens before BPE, as the next two. */
    minLength: z.int().min(0).default(1),
    /** Training pairs with a longer side are left out; 0 keeps all. */
    maxLength: z.int().min(0).default(0),
    /** Training pairs with one side longer than the other times this are left out; 0 keeps all. */
    ratio: nonNegative.default(0),
    maxLineBytes: textLimitsSchema.shape.maxLineBytes,
  }),
);
export type PrepareConfig = z.infer<typeof prepareSchema>;
export type PrepareOptions = z.input<typeof prepareSchema>;

/** fairseq's prepare-iwslt14.sh and the fairseq-preprocess behind it. */
export const iwslt14Schema = lazily(() =>
  z.strictObject({
    /** de-en.tgz, or the directory de-en that was in it. */
    archive: z.string().min(1),
    bpe: textSchema.shape.bpe,
    ...preparedShape(),
  }),
);
export type Iwslt14Config = z.infer<typeof iwslt14Schema>;
export type Iwslt14Options = z.input<typeof iwslt14Schema>;

/**
 * Refuses options that a given file of codes or dictionaries leaves without effect, and a second dictionary where there
 * is one for both languages.
 *
 * @throws RdropError INVALID_CONFIG, naming both.
 */
export function refuseReplaced(options: object, what: string): void {
  const given = options as Record<string, unknown>;
  const separate = given['separateDictionaries'] === true;
  if (given['targetDictionary'] !== undefined && !separate) {
    throw new RdropError(
      'INVALID_CONFIG',
      `${what}.targetDictionary: has an effect only with ${what}.separateDictionaries`,
    );
  }
  const replaced: [files: string[], names: string[]][] = [
    [['codes'], ['bpe', 'minFrequency']],
    [
      separate ? ['dictionary', 'targetDictionary'] : ['dictionary'],
      ['threshold', 'nwords', 'paddingFactor'],
    ],
  ];
  for (const [files, names] of replaced) {
    const idle = names.find((name) => given[name] !== undefined);
    if (idle === undefined || files.some((file) => given[file] === undefined)) continue;
    const where = files.map((file) => `${what}.${file}`).join(' and ');
    throw new RdropError(
      'INVALID_CONFIG',
      `${what}.${idle}: has no effect where ${where} ${files.length > 1 ? 'are' : 'is'} given`,
    );
  }
}
