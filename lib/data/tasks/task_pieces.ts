import { join } from 'node:path';
import type { PrepareTaskConfig } from '../../options/tasks/preparation.js';
import { mergesOf, type PreparedTask, type TaskTextConfig } from '../../options/tasks/text.js';
import { Dictionary, unk } from '../../text/dictionary.js';
import { LineWriter } from '../../text/lines/line_writer.js';
import { Bpe } from '../../text/pieces/bpe.js';
import { addWords } from '../../text/pieces/bpe_learner.js';
import { checkCharacters } from '../../text/tasks/characters.js';
import { TaskText, tokensOf } from '../../text/tasks/task_text.js';
import { loadTextTokenizer } from '../../text/tasks/text_tokenizer.js';
import { addWord, type WordCounts } from '../../text/word_counts.js';
import { YieldTimer } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { LongLines } from '../overlong.js';
import type { Split } from '../pairs.js';
import { learnBpeOf, type PrepareRun, stage } from '../preparation/stages.js';

/** What the tasks share of preparing: pieces, dictionary, account. */

export const work = 'preparing text';

export interface TaskSplitSummary {
  /** Examples, or lines of a language model's text. */
  lines: number;
  /** Left out: empty lines of a language model of lines, labels that training does not have. */
  dropped: number;
  /** Pieces, with those that begin, separate and end lines and texts. */
  tokens: number;
  /** Different pieces. */
  types: number;
  /** Fraction of the tokens that the dictionary does not know. */
  unknownRate: number;
  /** Of a language model: characters (code points) of the raw text, line ends included. */
  characters?: number;
  /** Of classification: how many examples each label has. */
  labels?: Record<string, number>;
}

export interface PrepareTaskResult {
  directory: string;
  task: PreparedTask;
  /** Types of the dictionary, or ids of the tokenizer, the specials included. */
  vocabSize: number;
  /** Merges learned or read; fewer than asked for when no pair was frequent enough. */
  merges: number;
  /** Of classification: the labels in the order of their classes. */
  labels?: string[];
  splits: Partial<Record<Split, TaskSplitSummary>>;
}

/** The pieces of a split as they are written, counted. */
export class PieceCounts {
  readonly counts: WordCounts = new Map();
  lines = 0;
  /** Tokens that are none of the text: begin, separation, end. */
  added = 0;
  readonly #long = new LongLines();

  /**
   * @param pieces the pieces of an example
   * @param added tokens that it has beside them
   */
  add(pieces: readonly string[], added: number): void {
    for (const piece of pieces) addWord(this.counts, piece, 1);
    this.lines++;
    this.added += added;
    this.#long.add(pieces.length + added);
  }

  /** Warns of lines so long that no model reads them. */
  warn(path: string): void {
    this.#long.tell(path);
  }

  summary(dropped: number, knows: (piece: string) => boolean): TaskSplitSummary {
    let tokens = this.added;
    let unknown = 0;
    for (const [piece, count] of this.counts) {
      tokens += count;
      if (!knows(piece)) unknown += count;
    }
    const types = this.counts.size;
    return { lines: this.lines, dropped, tokens, types, unknownRate: tokens === 0 ? 0 : unknown / tokens };
  }
}

/** Codes, dictionary and tokenizer of others, read before the work begins; null: to be learned or built. */
export interface GivenTaskPieces {
  bpe: Bpe | null;
  dictionary: Dictionary | null;
  text: TaskText | null;
}

/** @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE, NOT_EXPRESSIBLE */
export async function readGivenTaskPieces(
  config: PrepareTaskConfig,
  text: TaskTextConfig,
): Promise<GivenTaskPieces> {
  const { codes, dictionary } = config;
  const tokenizer = 'tokenizer' in config ? config.tokenizer : undefined;
  const bpe = codes === undefined ? null : await Bpe.read(codes);
  if (bpe?.merges.length === 0)
    throw new RdropError('MALFORMED_FILE', `${codes}: expected BPE codes, the file holds none`);
  const read = dictionary === undefined ? null : await Dictionary.read(dictionary);
  if (text.pieces === 'characters') checkCharacters(read?.symbols.slice(4) ?? [], dictionary as string);
  return {
    bpe,
    dictionary: read,
    text: tokenizer === undefined ? null : TaskText.ofTokenizer(text, await loadTextTokenizer(tokenizer)),
  };
}

/**
 * The text of a task before its dictionary is known, which is enough to cut text into pieces; the byte pair encoding is learned on
 * these lines unless it is given.
 */
export async function learnPieces(
  lines: AsyncIterable<readonly string[]>,
  total: number,
  text: TaskTextConfig,
  given: GivenTaskPieces,
  config: PrepareTaskConfig,
  run: PrepareRun,
): Promise<TaskText> {
  if (given.text !== null) return given.text;
  const merges = mergesOf(text.pieces);
  const bpe = merges === 0 ? null : (given.bpe ?? (await learn()));
  const cut = given.bpe === null ? text : { ...text, pieces: `bpe:${given.bpe.merges.length}` as const };
  return new TaskText(cut, Dictionary.build([], { paddingFactor: 1 }), bpe);

  async function learn(): Promise<Bpe> {
    const counts: WordCounts = new Map();
    const tell = stage('counting words', total, 'lines', run);
    const breaks = new YieldTimer(work, run.signal);
    let done = 0;
    for await (const block of lines) {
      for (const line of block) {
        addWords(tokensOf(line, text), counts);
        done++;
        if (!breaks.due()) continue;
        tell(done);
        await breaks.take();
      }
    }
    tell(total);
    return learnBpeOf(counts, merges, config.minFrequency, run);
  }
}

/** The text with the dictionary that is given, or built of the training pieces. @throws RdropError MALFORMED_FILE */
export function withDictionary(
  { config, bpe, tokenizer }: TaskText,
  train: PieceCounts,
  given: GivenTaskPieces,
  { threshold, nwords, paddingFactor }: PrepareTaskConfig,
): TaskText {
  if (given.text !== null) return given.text;
  // The specials are taken out of the counts, which tell what the text holds: hence of a copy.
  const built = () => Dictionary.ofCounts(new Map(train.counts), { threshold, nwords, paddingFactor });
  return new TaskText(config, given.dictionary ?? built(), bpe, tokenizer);
}

/** Whether a text knows a piece; a tokenizer knows its own. */
export const knownPieces = ({ dictionary, tokenizer }: TaskText) =>
  tokenizer === null ? (piece: string) => dictionary.id(piece) !== unk : () => true;

/** The files of a directory that are being written, by name. */
export class SplitWriters {
  readonly #writers = new Map<string, LineWriter>();

  constructor(readonly directory: string) {}

  /** The writer of a file, which is made when it is first asked for. @throws RdropError DISK_FULL, FILE_UNWRITABLE */
  async of(name: string): Promise<LineWriter> {
    const there = this.#writers.get(name);
    if (there !== undefined) return there;
    const made = await LineWriter.create(join(this.directory, name));
    this.#writers.set(name, made);
    return made;
  }

  /** Calls `fill`, then flushes and closes every file. */
  async during(fill: () => Promise<void>): Promise<void> {
    try {
      await fill();
      for (const writer of this.#writers.values()) await writer.close();
    } catch (error) {
      for (const writer of this.#writers.values()) await writer.abandon();
      throw error;
    }
  }
}
