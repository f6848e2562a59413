import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '../options/schema/parse.js';
import { type TextConfig, textSchema } from '../options/text.js';
import { RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';
import { fileError, withoutMark, writeFileAtomically } from '../util/files/files.js';
import { recoverReplaced } from '../util/files/part_files.js';
import { type Dictionaries, dictionariesOf } from './dictionaries.js';
import { Dictionary } from './dictionary.js';
import { languages } from './languages.js';
import { lowercase } from './lowercase.js';
import { mosesDetokenize } from './moses/detokenizer.js';
import { normalizePunctuation } from './moses/normalizer.js';
import { mosesTokenize } from './moses/tokenizer.js';
import { Bpe } from './pieces/bpe.js';
import { joinPieces } from './pieces/pieces.js';

export type Side = 'source' | 'target';

const formatVersion = 1;
const names = { codes: 'codes', text: 'text.json' } as const;

/** The file of a side's dictionary: dict.txt of both, or fairseq's dict.<language>.txt. */
export const dictionaryName = (config: TextConfig, side: Side): string =>
  config.separateDictionaries === true ? `dict.${config[side]}.txt` : 'dict.txt';

/**
 * Checks that the rules of both languages are there, if rules are wanted.
 *
 * @throws RdropError INVALID_CONFIG, naming the option.
 */
export function checkTextConfig(config: TextConfig): void {
  if (config.source === config.target) {
    throw new RdropError(
      'INVALID_CONFIG',
      `target: expected another language than source, got "${config.target}" for both`,
    );
  }
  checkPieces(config);
  if (config.tokenizer === 'none' && !config.normalize) return;
  const option = config.tokenizer === 'moses' ? 'tokenizer "moses"' : 'normalize';
  for (const side of ['source', 'target'] as const) {
    if ((languages as readonly string[]).includes(config[side])) continue;
    throw new RdropError(
      'INVALID_CONFIG',
      `${side}: ${option} knows ${languages.join(' and ')}, got "${config[side]}"; ` +
        'for other languages tokenize beforehand and choose tokenizer "none"',
    );
  }
}

function checkPieces({ bpe, pieces = 'none', pieceMark }: TextConfig): void {
  if (pieceMark !== undefined && (pieces === 'none' || pieces === 'byte-level')) {
    throw new RdropError(
      'INVALID_CONFIG',
      `pieceMark: has an effect only on pieces that have a mark of their own, got ${JSON.stringify(pieceMark)} for "${pieces}"`,
    );
  }
  if (bpe > 0 && pieces !== 'none') {
    throw new RdropError(
      'INVALID_CONFIG',
      `pieces: expected "none" with byte pair encoding of its own (bpe ${bpe}), which would cut the pieces again, got "${pieces}"`,
    );
  }
}

/** Lower-casing (unless it comes after), then normalization, then tokens: what happens to a line before BPE. */
export function tokenizeLine(line: string, lang: string, config: TextConfig): string {
  let text = line;
  if (config.lowercase === true) text = lowercase(text);
  if (config.normalize) text = normalizePunctuation(text, lang);
  if (config.tokenizer === 'moses') text = mosesTokenize(text, lang);
  return config.lowercase === 'after' ? lowercase(text) : text;
}

/** From raw text to token ids and back, with the dictionaries, codes and options of a prepared directory. */
export class TextPipeline {
  readonly dictionaries: Dictionaries;

  /** @throws RdropError INVALID_CONFIG, INVALID_ARGUMENT (two dictionaries without separateDictionaries) */
  constructor(
    readonly config: TextConfig,
    dictionary: Dictionary | Dictionaries,
    readonly bpe: Bpe | null,
  ) {
    checkTextConfig(config);
    this.dictionaries = dictionariesOf(dictionary);
    if (config.separateDictionaries !== true && this.dictionaries.source !== this.dictionaries.target) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        'dictionary: expected one for both languages without separateDictionaries, got two',
      );
    }
  }

  /** The files that hold a pipeline. */
  static fileNames(config: TextConfig): string[] {
    const dictionaries = new Set([dictionaryName(config, 'source'), dictionaryName(config, 'target')]);
    return [...dictionaries, ...(config.bpe > 0 ? [names.codes] : []), names.text];
  }

  /** That of both languages, or of the target. */
  get dictionary(): Dictionary {
    return this.dictionaries.target;
  }

  /**
   * Reads a prepared directory or a run directory.
   *
   * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE.
   */
  static async load(directory: string): Promise<TextPipeline> {
    const config = await readTextConfig(directory);
    const target = await Dictionary.read(join(directory, dictionaryName(config, 'target')));
    const source =
      config.separateDictionaries === true
        ? await Dictionary.read(join(directory, dictionaryName(config, 'source')))
        : target;
    const bpe = config.bpe > 0 ? await Bpe.read(join(directory, names.codes)) : null;
    return new TextPipeline(config, { source, target }, bpe);
  }

  /** Copies the files of a pipeline from one directory into another. */
  static async copy(from: string, to: string): Promise<void> {
    for (const name of TextPipeline.fileNames(await readTextConfig(from))) {
      await writeFileAtomically(join(to, name), await readBytes(join(from, name)));
    }
  }

  /** Writes the files of a pipeline. @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  async write(directory: string): Promise<void> {
    for (const side of ['source', 'target'] as const) {
      if (side === 'source' && this.config.separateDictionaries !== true) continue;
      await this.dictionaries[side].write(join(directory, dictionaryName(this.config, side)));
    }
    await this.bpe?.write(join(directory, names.codes));
    await writeFileAtomically(
      join(directory, names.text),
      `${JSON.stringify({ version: formatVersion, ...this.config }, null, 2)}\n`,
    );
  }

  /** The pieces of a raw line, separated by spaces. */
  segment(rawLine: string, side: Side = 'source'): string {
    const tokens = tokenizeLine(rawLine, this.config[side], this.config);
    return this.bpe === null ? tokens : this.bpe.segment(tokens);
  }

  /** Token ids of a raw line, eos at the end. */
  encode(rawLine: string, side: Side = 'source'): Int32Array {
    return this.dictionaries[side].encode(this.segment(rawLine, side));
  }

  /**
   * The tokenized text of token ids, as `fairseq-generate --remove-bpe` prints it: pieces joined, tokens apart.
   *
   * @param unknown what stands for unk
   * @throws RdropError TOKEN_OUT_OF_RANGE.
   */
  words(tokens: Int32Array, unknown?: string, side: Side = 'target'): string {
    const pieces = this.dictionaries[side].decode(tokens, unknown);
    return joinPieces(pieces, this.bpe === null ? this.config : { pieces: 'subword-nmt' });
  }

  /**
   * Text of token ids: pieces joined, tokens put together, entities resolved. Case and punctuation stay as the model
   * knows them.
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE.
   */
  decode(tokens: Int32Array, side: Side = 'target'): string {
    const text = this.words(tokens, undefined, side);
    return this.config.tokenizer === 'moses' ? mosesDetokenize(text, this.config[side]) : text;
  }
}

/** What every text.json has; the others are written where they are not what is left out. */
const alwaysThere = {
  source: true,
  target: true,
  tokenizer: true,
  normalize: true,
  lowercase: true,
  bpe: true,
} as const;

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

/**
 * Reads text.json of a prepared directory or a run directory.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE.
 */
export async function readTextConfig(directory: string): Promise<TextConfig> {
  const path = join(directory, names.text);
  // A process that was killed while it replaced a prepared directory has left the old one beside its place.
  if (!(await pathExists(directory)))
    await recoverReplaced(directory, (old) => pathExists(join(old, names.text)));
  const text = (await readBytes(path)).toString('utf8');
  try {
    const { version, ...rest } = JSON.parse(withoutMark(text)) as Record<string, unknown>;
    if (version !== formatVersion) throw new Error(`version: expected ${formatVersion}, got ${version}`);
    const config = parseConfig(textSchema.required(alwaysThere), rest, 'text');
    checkTextConfig(config);
    return config;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: not the description of a prepared directory (${reason})`,
      {
        cause: error,
      },
    );
  }
}
