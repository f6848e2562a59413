import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '../../options/schema/parse.js';
import { mergesOf, type TaskTextConfig, taskTextSchema } from '../../options/tasks/text.js';
import { words } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { fileError, readJsonFile, writeFileAtomically } from '../../util/files/files.js';
import { recoverReplaced } from '../../util/files/part_files.js';
import { bos, Dictionary, eos, pad } from '../dictionary.js';
import { lowercase } from '../lowercase.js';
import { mosesDetokenize } from '../moses/detokenizer.js';
import { mosesTokenize } from '../moses/tokenizer.js';
import { Bpe } from '../pieces/bpe.js';
import { joinPieces } from '../pieces/pieces.js';
import { characterOf, charactersOf, checkCharacters, newline } from './characters.js';
import { loadTextTokenizer, type TextTokenizer, tokenizerFiles } from './text_tokenizer.js';

const formatVersion = 1;
const names = { text: 'text.json', dictionary: 'dict.txt', codes: 'codes', labels: 'labels.txt' } as const;

/** What the network reads of an example. */
export interface EncodedText {
  /** Ids, with those that begin, separate and end texts. */
  tokens: Int32Array;
  /** Of each id the segment that it belongs to, 0 or 1. */
  types: Int32Array;
}

/** An example as the lines of a prepared directory hold it: pieces, or the ids of a tokenizer, separated by spaces. */
export interface StoredText {
  /** In `<split>.text`: of a tokenizer the ids of token type 0. */
  text: string;
  /** In `<split>.second`; with one text an example: undefined. Of a tokenizer the ids of token type 1. */
  second: string | undefined;
}

/** From raw text to token ids and back, with the files of a prepared directory or a run of a task other than translation. */
export class TaskText {
  /** @throws RdropError INVALID_CONFIG */
  constructor(
    readonly config: TaskTextConfig,
    /** Of pieces. A tokenizer has ids of its own: then this is empty but for the specials. */
    readonly dictionary: Dictionary,
    readonly bpe: Bpe | null,
    /** Where `pieces` is `huggingface`. */
    readonly tokenizer: TextTokenizer | null = null,
  ) {
    checkTaskText(config);
  }

  /** Number of types V, the specials included. */
  get vocabSize(): number {
    return this.tokenizer?.size ?? this.dictionary.size;
  }

  /** Whether a line of the text ends in eos: all but those of a stream of characters, which have a `\n`. */
  get linesEnd(): boolean {
    return this.config.mode !== 'stream' || this.config.pieces !== 'characters';
  }

  /** The files that hold it; labels.txt of a classification is the data's. */
  static fileNames({ pieces }: TaskTextConfig): string[] {
    if (pieces === 'huggingface') return [...tokenizerFiles, names.text];
    return [names.dictionary, ...(mergesOf(pieces) > 0 ? [names.codes] : []), names.text];
  }

  /**
   * Reads a prepared directory or a run directory.
   *
   * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE
   */
  static async load(directory: string): Promise<TaskText> {
    const config = await readTaskTextConfig(directory);
    if (config.pieces === 'huggingface')
      return TaskText.ofTokenizer(config, await loadTextTokenizer(directory));
    const path = join(directory, names.dictionary);
    const dictionary = await Dictionary.read(path);
    if (config.pieces === 'characters') checkCharacters(dictionary.symbols.slice(4), path);
    const bpe = mergesOf(config.pieces) > 0 ? await Bpe.read(join(directory, names.codes)) : null;
    return new TaskText(config, dictionary, bpe);
  }

  /** @throws RdropError INVALID_CONFIG */
  static ofTokenizer(config: TaskTextConfig, tokenizer: TextTokenizer): TaskText {
    return new TaskText(config, Dictionary.build([], { paddingFactor: 1 }), null, tokenizer);
  }

  /** Copies its files from one directory into another. @throws RdropError as load(), FILE_UNWRITABLE, DISK_FULL */
  static async copy(from: string, to: string): Promise<void> {
    for (const name of TaskText.fileNames(await readTaskTextConfig(from))) {
      await copyFile(join(from, name), join(to, name)).catch((error: unknown) => {
        throw fileError(error, join(to, name), 'write');
      });
    }
  }

  /** Writes its files. @throws RdropError DISK_FULL, FILE_UNWRITABLE */
  async write(directory: string): Promise<void> {
    if (this.tokenizer === null) await this.dictionary.write(join(directory, names.dictionary));
    else await this.tokenizer.write(directory);
    await this.bpe?.write(join(directory, names.codes));
    const content = JSON.stringify({ version: formatVersion, ...this.config }, null, 2);
    await writeFileAtomically(join(directory, names.text), `${content}\n`);
  }

  /** The pieces of a raw line, separated by spaces. */
  segment(line: string): string {
    return segmentTokens(tokensOf(line, this.config), this.config, this.bpe);
  }

  /** Ids of pieces that are separated by spaces, nothing before and nothing behind them. */
  ids(pieces: string): Int32Array {
    return this.dictionary.encode(pieces).slice(0, -1);
  }

  /** Ids of a raw text of one or several lines as a language model reads them. It has no eos where the text has no `\n`. */
  stream(text: string): Int32Array {
    const lines = text.split('\n');
    const last = lines.pop() as string;
    const parts = lines.map((line) =>
      this.linesEnd
        ? this.dictionary.encode(this.segment(line))
        : this.ids(`${this.segment(line)} ${newline}`),
    );
    return join32([...parts, this.ids(this.segment(last))]);
  }

  /** What the network reads of a raw text, or of two. */
  encode(text: string, second?: string): EncodedText {
    return this.sequence(this.stored(text, second));
  }

  /**
   * A raw text, or two, as a prepared directory holds it.
   *
   * @throws RdropError NOT_EXPRESSIBLE for a tokenizer that puts a token of type 0 behind one of type 1
   */
  stored(text: string, second?: string): StoredText {
    if (this.tokenizer === null)
      return {
        text: this.segment(text),
        second: second === undefined ? undefined : this.segment(second),
      };
    const encoded = this.tokenizer.encode(text, second);
    const ids = Array.from(encoded.ids);
    const types = Array.from(encoded.types);
    const begin = types.indexOf(1);
    const of0 = begin < 0 ? ids.length : begin;
    if (types.some((type, at) => type !== (at < of0 ? 0 : 1)))
      throw new RdropError(
        'NOT_EXPRESSIBLE',
        `tokenizer: expected token types 0, then 1, got ${types.slice(0, 40).join(' ')}`,
      );
    const rest = ids.slice(of0).join(' ');
    return { text: ids.slice(0, of0).join(' '), second: second === undefined ? undefined : rest };
  }

  /**
   * What the network reads of a line of a prepared directory. Of pieces: `<s> a </s>`; of two texts `<s> a </s> </s> b </s>`. Of a
   * tokenizer: what its template says.
   *
   * @source fairseq/tasks/sentence_prediction.py: RoBERTa's
   * @throws RdropError MALFORMED_FILE for ids that are none
   */
  sequence({ text, second }: StoredText): EncodedText {
    if (this.tokenizer !== null) return segments(this.#numbers(text), this.#numbers(second ?? ''));
    const first = join32([Int32Array.of(bos), this.dictionary.encode(text)]);
    if (second === undefined) return segments(first, new Int32Array(0));
    return segments(first, join32([Int32Array.of(eos), this.dictionary.encode(second)]));
  }

  #numbers(line: string): Int32Array {
    return Int32Array.from(words(line), (word) => {
      const id = /^[0-9]{1,9}$/.test(word) ? Number(word) : -1;
      if (id >= 0 && id < this.vocabSize) return id;
      throw new RdropError(
        'MALFORMED_FILE',
        `expected ids from 0 to ${this.vocabSize - 1}, got ${JSON.stringify(word.slice(0, 80))}`,
      );
    });
  }

  /**
   * Text of ids: pieces joined, tokens of Moses put together, a line end for each eos (none in a stream of characters).
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE
   */
  decode(tokens: Int32Array): string {
    if (this.tokenizer !== null) return this.tokenizer.decode(tokens);
    const lines: string[] = [];
    let start = 0;
    for (let at = tokens.indexOf(eos); at >= 0; at = tokens.indexOf(eos, start)) {
      lines.push(this.#decodeLine(tokens.subarray(start, at)));
      start = at + 1;
    }
    lines.push(this.#decodeLine(tokens.subarray(start)));
    return lines.join(this.linesEnd ? '\n' : '');
  }

  #decodeLine(tokens: Int32Array): string {
    const pieces = this.dictionary.decode(tokens.filter((token) => token !== bos && token !== pad));
    const { pieces: kind, lang } = this.config;
    if (kind === 'characters') return pieces === '' ? '' : pieces.split(' ').map(characterOf).join('');
    const line = joinPieces(pieces, { pieces: this.bpe === null ? 'none' : 'subword-nmt' });
    return lang === undefined ? line : mosesDetokenize(line, lang);
  }
}

/** Lower-casing, then the tokens of Moses where a language is given: what happens to a line before it is cut into pieces. */
export function tokensOf(line: string, { lang, lowercase: lower }: TaskTextConfig): string {
  const text = lower ? lowercase(line) : line;
  return lang === undefined ? text : mosesTokenize(text, lang);
}

/** The pieces of a line of tokens, separated by single spaces. */
export function segmentTokens(tokens: string, { pieces }: TaskTextConfig, bpe: Bpe | null): string {
  if (pieces === 'characters') return charactersOf(tokens);
  return bpe === null ? tokens : bpe.segment(tokens);
}

function segments(first: Int32Array, second: Int32Array): EncodedText {
  const tokens = join32([first, second]);
  return { tokens, types: new Int32Array(tokens.length).fill(1, first.length) };
}

const join32 = (parts: readonly Int32Array[]): Int32Array => {
  const joined = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
};

/** @throws RdropError INVALID_CONFIG, naming the option. */
export function checkTaskText({ task, pieces, lang, lowercase: lower, mode, pairs }: TaskTextConfig): void {
  const fail = (message: string) => {
    throw new RdropError('INVALID_CONFIG', message);
  };
  if (lang !== undefined && (pieces === 'characters' || pieces === 'huggingface'))
    fail(`lang: has an effect only on pieces "words" and "bpe:N", got "${lang}" for "${pieces}"`);
  if (lower && pieces === 'huggingface')
    fail('lowercase: has no effect on pieces "huggingface", whose tokenizer says what it lower-cases');
  const ofModel = task === 'language-model';
  if (ofModel && pieces === 'huggingface')
    fail(
      'pieces: expected "characters", "words" or "bpe:N" of a language model, got "huggingface", in whose ids nothing ends a line; ' +
        '"bpe:N" learns a byte pair encoding, or with codes and dictionary takes one that is there',
    );
  if (ofModel && mode === undefined)
    fail('mode: expected "stream" or "lines" of a language model, got nothing');
  if (!ofModel && mode !== undefined) fail(`mode: has an effect only on a language model, got "${mode}"`);
  if (ofModel && pairs !== undefined)
    fail(`pairs: has an effect only on classification and regression, got ${pairs}`);
}

/**
 * The description of a directory's text, whatever task it is for; of translation as well.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE
 */
async function readDescription(directory: string): Promise<Record<string, unknown>> {
  const path = join(directory, names.text);
  // A process that was killed while it replaced a prepared directory has left the old one beside its place.
  if (!(await pathExists(directory)))
    await recoverReplaced(directory, (old) => pathExists(join(old, names.text)));
  const value = await readJsonFile(path);
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new RdropError('MALFORMED_FILE', `${path}: expected the description of a prepared directory`);
}

/**
 * What task a prepared directory or a run directory is for: the name in its text.json, `translation` where it has none.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE
 */
export async function taskOfDirectory(directory: string): Promise<'translation' | TaskTextConfig['task']> {
  const { task = 'translation' } = await readDescription(directory);
  if (task === 'translation') return task;
  return parseDescription(directory, () => taskTextSchema.shape.task.parse(task));
}

/**
 * Reads text.json of a prepared directory or a run directory of a task other than translation.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE
 */
export async function readTaskTextConfig(directory: string): Promise<TaskTextConfig> {
  const { version, ...rest } = await readDescription(directory);
  return parseDescription(directory, () => {
    if (version !== formatVersion) throw new Error(`version: expected ${formatVersion}, got ${version}`);
    const config = parseConfig(taskTextSchema.required({ pieces: true, lowercase: true }), rest, 'text');
    checkTaskText(config);
    return config;
  });
}

function parseDescription<T>(directory: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const path = join(directory, names.text);
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: not the description of a prepared directory (${reason})`,
      {
        cause: error,
      },
    );
  }
}
