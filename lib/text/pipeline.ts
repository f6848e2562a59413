import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig, type TextConfig, textSchema } from '../config.js';
import { RdropError } from '../errors.js';
import { fileError, writeFileAtomically } from '../files.js';
import { Bpe, joinPieces } from './bpe.js';
import { mosesDetokenise } from './detokenise.js';
import { Dictionary } from './dictionary.js';
import { languages } from './languages.js';
import { lowercase } from './lowercase.js';
import { normalisePunctuation } from './normalise.js';
import { mosesTokenise } from './tokenise.js';

export type Side = 'source' | 'target';

const formatVersion = 1;
const names = { dictionary: 'dict.txt', codes: 'codes', text: 'text.json' } as const;

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
  if (config.tokenizer === 'none' && !config.normalize) return;
  const option = config.tokenizer === 'moses' ? 'tokenizer "moses"' : 'normalize';
  for (const side of ['source', 'target'] as const) {
    if ((languages as readonly string[]).includes(config[side])) continue;
    throw new RdropError(
      'INVALID_CONFIG',
      `${side}: ${option} knows ${languages.join(' and ')}, got "${config[side]}"; ` +
        'for other languages tokenise beforehand and choose tokenizer "none"',
    );
  }
}

/** Lower-casing (unless it comes after), then normalisation, then tokens: what happens to a line before BPE. */
export function tokeniseLine(line: string, lang: string, config: TextConfig): string {
  let text = line;
  if (config.lowercase === true) text = lowercase(text);
  if (config.normalize) text = normalisePunctuation(text, lang);
  if (config.tokenizer === 'moses') text = mosesTokenise(text, lang);
  return config.lowercase === 'after' ? lowercase(text) : text;
}

/** From raw text to token ids and back, with the dictionary, codes and options of a prepared directory. */
export class TextPipeline {
  /** The files that hold a pipeline; `codes` is there only if config.bpe is above 0. */
  static readonly copyFiles: string[] = [names.dictionary, names.codes, names.text];

  constructor(
    readonly config: TextConfig,
    readonly dictionary: Dictionary,
    readonly bpe: Bpe | null,
  ) {
    checkTextConfig(config);
  }

  /**
   * Reads a prepared directory or a run directory.
   *
   * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE.
   */
  static async load(directory: string): Promise<TextPipeline> {
    const config = await readTextConfig(directory);
    const dictionary = await Dictionary.read(join(directory, names.dictionary));
    const bpe = config.bpe > 0 ? await Bpe.read(join(directory, names.codes)) : null;
    return new TextPipeline(config, dictionary, bpe);
  }

  /** Copies the files of a pipeline from one directory into another. */
  static async copy(from: string, to: string): Promise<void> {
    const { bpe } = await readTextConfig(from);
    for (const name of TextPipeline.copyFiles) {
      if (name === names.codes && bpe === 0) continue;
      await writeFileAtomically(join(to, name), await readBytes(join(from, name)));
    }
  }

  /** Writes the files of a pipeline. @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  async write(directory: string): Promise<void> {
    await this.dictionary.write(join(directory, names.dictionary));
    await this.bpe?.write(join(directory, names.codes));
    await writeFileAtomically(
      join(directory, names.text),
      `${JSON.stringify({ version: formatVersion, ...this.config }, null, 2)}\n`,
    );
  }

  /** The pieces of a raw line, separated by spaces. */
  segment(rawLine: string, side: Side = 'source'): string {
    const tokens = tokeniseLine(rawLine, this.config[side], this.config);
    return this.bpe === null ? tokens : this.bpe.segment(tokens);
  }

  /** Token ids of a raw line, eos at the end. */
  encode(rawLine: string, side: Side = 'source'): Int32Array {
    return this.dictionary.encode(this.segment(rawLine, side));
  }

  /**
   * The tokenised text of token ids, as `fairseq-generate --remove-bpe` prints it: pieces joined, tokens apart.
   *
   * @param unknown what stands for unk
   * @throws RdropError TOKEN_OUT_OF_RANGE.
   */
  words(tokens: Int32Array, unknown?: string): string {
    const pieces = this.dictionary.decode(tokens, unknown);
    return this.bpe === null ? pieces : joinPieces(pieces);
  }

  /**
   * Text of token ids: pieces joined, tokens put together, entities resolved. Case and punctuation stay as the model
   * knows them.
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE.
   */
  decode(tokens: Int32Array, side: Side = 'target'): string {
    const text = this.words(tokens);
    return this.config.tokenizer === 'moses' ? mosesDetokenise(text, this.config[side]) : text;
  }
}

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
  const text = (await readBytes(path)).toString('utf8');
  try {
    const { version, ...rest } = JSON.parse(text) as Record<string, unknown>;
    if (version !== formatVersion) throw new Error(`version: expected ${formatVersion}, got ${version}`);
    const config = parseConfig(textSchema.required(), rest, 'text');
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
