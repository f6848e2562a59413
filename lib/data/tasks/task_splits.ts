import { join } from 'node:path';
import { lineBlocks, readLines } from '../../text/lines/line_reader.js';
import type { EncodedText, TaskText } from '../../text/tasks/task_text.js';
import { YieldTimer } from '../../util/async/yield_timer.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { ownFiles, pairBlocks } from '../pair_blocks.js';
import type { Split } from '../pairs.js';
import { SentenceStore } from '../sentence_store.js';
import { finiteNumber } from './labels.js';
import { countCodePoints, rawTextName } from './raw_text.js';

/** The splits of a prepared directory of a task, as preparing wrote them. */

export interface SplitWork {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

const work = 'reading data';

/** The sequences of a split of classification or regression, and what is to be predicted of each. */
export interface SequenceSplit {
  /** What the network reads, begin and end included. */
  sequences: SentenceStore;
  /** Of each token its segment, 0 or 1; null where all are 0. */
  tokenTypes: SentenceStore | null;
  /** Classification: the class of each sequence, 0 to C-1; otherwise empty. */
  classes: Int32Array;
  /** Regression: the value of each sequence; otherwise empty. */
  values: Float64Array;
}

/**
 * The lines of a split of a language model as token ids: each with its eos, or in a stream of characters with what the line has
 * (`\n`, and at the very end nothing where the text does not end in one). Put together they are the stream.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, ABORTED
 */
export async function loadTokenLines(
  directory: string,
  split: Split,
  text: TaskText,
  { signal }: SplitWork = {},
): Promise<SentenceStore> {
  const store = new SentenceStore();
  const breaks = new YieldTimer(work, signal);
  for await (const block of lineBlocks(join(directory, `${split}.tokens`), ownFiles)) {
    for (const line of block) {
      store.push(text.linesEnd ? text.dictionary.encode(line) : text.ids(line));
      if (breaks.due()) await breaks.take();
    }
  }
  return store;
}

/**
 * The sequences of a split of classification or regression with their classes or values.
 *
 * @param labels names of the classes in their order (readLabels()); null: regression
 * @throws RdropError LINE_COUNT_MISMATCH (both numbers and paths), UNKNOWN_LABEL and MALFORMED_FILE (name the line),
 *   FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, ABORTED
 */
export async function loadSequences(
  directory: string,
  split: Split,
  text: TaskText,
  labels: readonly string[] | null,
  { signal }: SplitWork = {},
): Promise<SequenceSplit> {
  const path = (kind: string) => join(directory, `${split}.${kind}`);
  const [first, second] = [path('text'), text.config.pairs === true ? path('second') : null];
  const sequences = new SentenceStore();
  const tokenTypes = new SentenceStore();
  let segments = 1;
  const breaks = new YieldTimer(work, signal);
  for await (const rows of togetherBlocks(second === null ? [first] : [first, second])) {
    for (const [line, other] of rows) {
      const { tokens, types } = encoded(text, line as string, other, `${first}:${sequences.length + 1}`);
      sequences.push(tokens);
      tokenTypes.push(types);
      if (types.includes(1)) segments = 2;
      if (breaks.due()) await breaks.take();
    }
  }
  const given = await readLines(path('label'), ownFiles);
  checkCount(first, sequences.length, path('label'), given.length);
  return {
    sequences,
    tokenTypes: segments > 1 ? tokenTypes : null,
    classes: labels === null ? new Int32Array(0) : classesOf(given, labels, path('label')),
    values: labels === null ? valuesOf(given, path('label')) : new Float64Array(0),
  };
}

function encoded(text: TaskText, line: string, second: string | undefined, where: string): EncodedText {
  try {
    return text.sequence({ text: line, second });
  } catch (error) {
    const { code, message } = asRdropError(error);
    throw new RdropError(code, `${where}: ${message}`, { cause: error });
  }
}

/** The classes of names. @throws RdropError UNKNOWN_LABEL, naming the line of `path` */
function classesOf(given: readonly string[], labels: readonly string[], path: string): Int32Array {
  const classes = new Map(labels.map((label, at) => [label, at]));
  return Int32Array.from(given, (label, at) => {
    const found = classes.get(label);
    if (found !== undefined) return found;
    throw new RdropError(
      'UNKNOWN_LABEL',
      `${path}:${at + 1}: expected a label of labels.txt, got ${JSON.stringify(label.slice(0, 80))}`,
    );
  });
}

const valuesOf = (given: readonly string[], path: string): Float64Array =>
  Float64Array.from(given, (text, at) => finiteNumber(text, `${path}:${at + 1}`));

/**
 * Names of the classes of a directory, in their order.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE (a label twice)
 */
export async function readLabels(directory: string): Promise<string[]> {
  const path = join(directory, 'labels.txt');
  const labels = await readLines(path, ownFiles);
  const again = labels.findIndex((label, at) => labels.indexOf(label) < at);
  if (again < 0) return labels;
  throw new RdropError('MALFORMED_FILE', `${path}:${again + 1}: the label is there already`);
}

/**
 * The raw text of a split of classification or regression, an example an item.
 *
 * @throws RdropError LINE_COUNT_MISMATCH, FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8
 */
export async function loadRawTexts(
  directory: string,
  split: 'valid' | 'test',
  pairs: boolean,
): Promise<{ text: string; second: string | undefined }[]> {
  const path = (kind: string) => join(directory, 'raw', `${split}.${kind}`);
  const texts: { text: string; second: string | undefined }[] = [];
  for await (const rows of togetherBlocks(pairs ? [path('text'), path('second')] : [path('text')])) {
    for (const [text, second] of rows) texts.push({ text: text as string, second });
  }
  return texts;
}

/**
 * Characters (code points) of the raw text of a split of a language model, line ends included: what bits per character divide by.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8
 */
export const countCharacters = (directory: string, split: 'valid' | 'test'): Promise<number> =>
  countCodePoints(join(directory, rawTextName(split)));

/** Lines of files that belong together, block by block. @throws RdropError LINE_COUNT_MISMATCH, and as lineBlocks() */
async function* togetherBlocks(paths: readonly string[]): AsyncGenerator<(string | undefined)[][]> {
  const [first, second] = paths as [string, string | undefined];
  if (second === undefined) {
    for await (const block of lineBlocks(first, ownFiles)) yield block.map((line) => [line]);
    return;
  }
  for await (const { source, target } of pairBlocks(first, second, ownFiles))
    yield source.map((line, at) => [line, target[at]]);
}

function checkCount(a: string, linesOfA: number, b: string, linesOfB: number): void {
  if (linesOfA === linesOfB) return;
  throw new RdropError(
    'LINE_COUNT_MISMATCH',
    `texts and labels need the same number of lines: ${a} has ${linesOfA}, ${b} has ${linesOfB}`,
  );
}
