/** From text to a prepared directory. */
import * as z from 'zod';
import { RdropError } from '../util/errors.js';
import { type LockOptions, lockSchema } from './opening.js';
import { documented, type Resolved } from './schema/documented.js';
import { countOrZero, nonNegative, text } from './schema/ranges.js';
import {
  type BpeOptions,
  bpeSchema,
  type DictionaryOptions,
  dictionarySchema,
  type TextLimitOptions,
  type TextOptions,
  textLimitsSchema,
  textSchema,
} from './text.js';

/** From tokens to a prepared directory: what every recipe shares. */
interface PreparedDirectoryOptions
  extends LockOptions,
    DictionaryOptions,
    Pick<BpeOptions, 'minFrequency'>,
    Pick<TextOptions, 'separateDictionaries'>,
    Pick<TextLimitOptions, 'maxUnpackedBytes'> {
  /** The directory to make. */
  out: string;
  /**
   * Replaces a prepared directory that is there already.
   * @default false
   */
  overwrite?: boolean | undefined;
  /**
   * A file of BPE codes (subword-nmt's format) to use instead of learning some; then without `bpe` and `minFrequency`. Left out: they
   * are learned.
   */
  codes?: string | undefined;
  /**
   * A dict.txt to use instead of building one, with `separateDictionaries` that of the source (fairseq's --srcdict); then without
   * `threshold`, `nwords` and `paddingFactor` (with `separateDictionaries`, where both are given). Left out: it is built.
   */
  dictionary?: string | undefined;
  /**
   * With `separateDictionaries`, the dict.txt of the target to use instead of building one (fairseq's --tgtdict). Left out: it is
   * built.
   */
  targetDictionary?: string | undefined;
}

/** Parallel text: `prepareCorpus(options)`, `rdrop prepare`. */
export interface PrepareOptions
  extends TextOptions,
    PreparedDirectoryOptions,
    Pick<TextLimitOptions, 'maxLineBytes'> {
  /** Prefix of the training files `<prefix>.<language>`, plain or with .gz behind it. */
  train: string;
  /** Prefix of the validation files. */
  valid: string;
  /** Prefix of the test files. Left out: there is no test split. */
  test?: string | undefined;
  /**
   * Training pairs with a shorter side are left out; in tokens before BPE.
   * @default 1
   * @range 0 or more
   */
  minLength?: number | undefined;
  /**
   * Training pairs with a longer side are left out; in tokens before BPE; 0 keeps all.
   * @default 0
   * @range 0 or more
   */
  maxLength?: number | undefined;
  /**
   * Training pairs with one side longer than the other times this are left out; in tokens before BPE; 0 keeps all.
   * @default 0
   * @range 0 or more
   */
  ratio?: number | undefined;
}

/** fairseq's prepare-iwslt14.sh and the fairseq-preprocess behind it: `prepareIwslt14(options)`, `rdrop prepare iwslt14`. */
export interface Iwslt14Options extends PreparedDirectoryOptions, Pick<TextOptions, 'bpe'> {
  /** de-en.tgz, or the directory de-en that was in it. */
  archive: string;
}

const preparedShape = {
  out: text,
  overwrite: z.boolean().default(false),
  unlock: lockSchema.shape.unlock,
  minFrequency: bpeSchema.shape.minFrequency,
  codes: text.optional(),
  ...dictionarySchema.shape,
  separateDictionaries: textSchema.shape.separateDictionaries,
  dictionary: text.optional(),
  targetDictionary: text.optional(),
  maxUnpackedBytes: textLimitsSchema.shape.maxUnpackedBytes,
};

export const prepareSchema = documented<PrepareOptions>()(
  z.strictObject({
    ...textSchema.shape,
    train: text,
    valid: text,
    test: text.optional(),
    ...preparedShape,
    minLength: countOrZero.default(1),
    maxLength: countOrZero.default(0),
    ratio: nonNegative.default(0),
    maxLineBytes: textLimitsSchema.shape.maxLineBytes,
  }),
);
export type PrepareConfig = Resolved<PrepareOptions, z.output<typeof prepareSchema>>;

export const iwslt14Schema = documented<Iwslt14Options>()(
  z.strictObject({ archive: text, bpe: textSchema.shape.bpe, ...preparedShape }),
);

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
