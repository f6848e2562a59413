import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabeledConfig } from '../../options/tasks/preparation.js';
import type { TaskTextConfig } from '../../options/tasks/text.js';
import type { LineReading } from '../../text/lines/line_reader.js';
import type { TaskText } from '../../text/tasks/task_text.js';
import { YieldTimer } from '../../util/async/yield_timer.js';
import { words } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import { writeFileAtomically } from '../../util/files/files.js';
import type { Split } from '../pairs.js';
import { type PrepareRun, stage } from '../preparation/stages.js';
import { fileSize } from '../tar_archive.js';
import { heldOut, heldOutOfClasses } from './held_out.js';
import { type LabeledRow, labeledRows } from './labeled_rows.js';
import { sortLabels } from './labels.js';
import {
  type GivenTaskPieces,
  knownPieces,
  learnPieces,
  PieceCounts,
  type PrepareTaskResult,
  SplitWriters,
  withDictionary,
  work,
} from './task_pieces.js';

interface LabeledSplit {
  /** Without the rows that are left out. */
  rows: () => AsyncIterable<LabeledRow[]>;
  /** Of the file, those that are left out and those of other splits included. */
  total: number;
  /** Rows whose label training does not have. */
  dropped: number;
}

/** Most labels of a classification. */
const mostLabels = 65_536;

/**
 * Reads the files of classification or regression to their ends, and returns what makes the directory: each fault in a file is found
 * before the work begins.
 *
 * @throws RdropError as labeledRows(); UNKNOWN_LABEL (names the line), ONE_CLASS, TOO_LARGE (more than 65,536 labels), INVALID_CONFIG for
 *   a fraction that leaves a split empty
 */
export async function readLabeled(
  config: LabeledConfig,
  text: TaskTextConfig,
  given: GivenTaskPieces,
  reading: LineReading,
  run: PrepareRun,
): Promise<(directory: string, result: PrepareTaskResult) => Promise<void>> {
  const rowsOf = (path: string, how: LineReading = reading) => labeledRows(path, config, how);
  const { classes, labels } = await readTraining(config, rowsOf, reading, run);
  const splits = new Map<Split, LabeledSplit>();
  const training = () => rowsOf(config.train);
  const total = classes.length;
  splits.set('train', { rows: training, total, dropped: 0 });
  if (config.validFraction !== undefined) {
    const held =
      config.task === 'classification'
        ? heldOutOfClasses(classes, labels.size, config.validFraction, config.seed)
        : heldOut(total, config.validFraction, config.seed);
    checkHeldOut(held, config);
    for (const [split, wanted] of [['train', 0] as const, ['valid', 1] as const])
      splits.set(split, { rows: chosen(training, (_, index) => held[index] === wanted), total, dropped: 0 });
  }
  const wants = ({ label }: LabeledRow) => config.task === 'regression' || labels.has(label);
  for (const split of ['valid', 'test'] as const) {
    const path = config[split];
    if (path === undefined) continue;
    const counted = await checkRows(split, path, rowsOf, { config, labels, wants }, reading, run);
    splits.set(split, { rows: chosen(() => rowsOf(path), wants), ...counted });
  }
  return (directory, result) =>
    writeLabeled(directory, result, splits, config, [...labels.keys()], text, given, run);
}

type RowsOf = (path: string, reading?: LineReading) => AsyncIterable<LabeledRow[]>;

/** The classes of the training rows in the order of their labels. */
async function readTraining(
  config: LabeledConfig,
  rowsOf: RowsOf,
  reading: LineReading,
  run: PrepareRun,
): Promise<{ classes: number[]; labels: ReadonlyMap<string, number> }> {
  const found = new Map<string, number>();
  const first: number[] = [];
  await eachRow('train', config.train, rowsOf, reading, run, ({ label }) => {
    // Of regression labels are numbers, of which there is no end.
    const name = config.task === 'classification' ? label : '';
    let at = found.get(name);
    if (at === undefined) {
      at = found.size;
      found.set(name, at);
      if (found.size > mostLabels) throw tooManyLabels(config);
    }
    first.push(at);
  });
  if (config.task === 'regression') return { classes: first, labels: new Map() };
  if (found.size < 2)
    throw new RdropError(
      'ONE_CLASS',
      `${config.train}: expected at least two labels, got ${JSON.stringify([...found.keys()][0])} in all ${first.length} examples`,
    );
  const labels = new Map(sortLabels(found.keys()).map((label, at) => [label, at]));
  const order = [...found.keys()].map((label) => labels.get(label)!);
  return { classes: first.map((at) => order[at]!), labels };
}

const tooManyLabels = ({ train }: LabeledConfig) =>
  new RdropError(
    'TOO_LARGE',
    `${train}: expected at most ${mostLabels} labels, got more; does the label stand before the text (labelFirst, --label-first)?`,
  );

async function eachRow(
  split: Split,
  path: string,
  rowsOf: RowsOf,
  reading: LineReading,
  run: PrepareRun,
  each: (row: LabeledRow) => void,
): Promise<void> {
  const bytes = (await fileSize(path)) ?? 0;
  const tell = stage(`reading ${split}`, bytes, 'bytes', run);
  for await (const block of rowsOf(path, { ...reading, onBytes: tell })) for (const row of block) each(row);
  tell(bytes);
}

/** Reads a file of validation or test. @throws RdropError UNKNOWN_LABEL, INVALID_CONFIG */
async function checkRows(
  split: Split,
  path: string,
  rowsOf: RowsOf,
  known: {
    config: LabeledConfig;
    labels: ReadonlyMap<string, number>;
    wants: (row: LabeledRow) => boolean;
  },
  reading: LineReading,
  run: PrepareRun,
): Promise<{ total: number; dropped: number }> {
  const { config, labels, wants } = known;
  const skips = config.task === 'classification' && config.unknownLabels === 'skip';
  let [total, dropped] = [0, 0];
  await eachRow(split, path, rowsOf, reading, run, (row) => {
    total++;
    if (wants(row)) return;
    dropped++;
    if (skips) return;
    const names = [...labels.keys()].slice(0, 8).map((label) => JSON.stringify(label.slice(0, 40)));
    throw new RdropError(
      'UNKNOWN_LABEL',
      `${path}:${row.line}: expected a label of ${config.train} (${names.join(', ')}${labels.size > 8 ? ', …' : ''}), got ` +
        `${JSON.stringify(row.label.slice(0, 80))}; unknownLabels "skip" (--unknown-labels skip) leaves such examples out`,
    );
  });
  if (dropped === total)
    throw new RdropError(
      'UNKNOWN_LABEL',
      `${path}: expected examples with labels of ${config.train}, got none; all ${total} were left out`,
    );
  return { total, dropped };
}

function checkHeldOut(held: Uint8Array, { validFraction, train }: LabeledConfig): void {
  const count = held.reduce((sum, each) => sum + each, 0);
  if (count > 0 && count < held.length) return;
  throw new RdropError(
    'INVALID_CONFIG',
    `prepare.validFraction: expected a fraction of ${train} that leaves both parts an example, got ${validFraction} of ` +
      `${held.length}`,
  );
}

/** The rows that are wanted, in their order. */
function chosen(
  rows: () => AsyncIterable<LabeledRow[]>,
  wants: (row: LabeledRow, index: number) => boolean,
): () => AsyncIterable<LabeledRow[]> {
  return async function* () {
    let index = 0;
    for await (const block of rows()) yield block.filter((row) => wants(row, index++));
  };
}

async function writeLabeled(
  directory: string,
  result: PrepareTaskResult,
  splits: ReadonlyMap<Split, LabeledSplit>,
  config: LabeledConfig,
  labels: readonly string[],
  text: TaskTextConfig,
  given: GivenTaskPieces,
  run: PrepareRun,
): Promise<void> {
  await mkdir(join(directory, 'raw'));
  const train = splits.get('train')!;
  const cut = await learnPieces(textsOf(train), 2 * train.total, text, given, config, run);
  const written = new Map<Split, PieceCounts & { ofLabel: Map<string, number> }>();
  const writers = new SplitWriters(directory);
  await writers.during(async () => {
    for (const [split, source] of splits)
      written.set(split, await writeSplit(split, source, cut, writers, run));
  });
  const whole = withDictionary(cut, written.get('train')!, given, config);
  for (const [split, counts] of written) {
    const summary = counts.summary(splits.get(split)!.dropped, knownPieces(whole));
    const ofLabel = Object.fromEntries(labels.map((label) => [label, counts.ofLabel.get(label) ?? 0]));
    result.splits[split] = { ...summary, ...(config.task === 'classification' && { labels: ofLabel }) };
    counts.warn(join(config.out, `${split}.text`));
  }
  result.vocabSize = whole.vocabSize;
  result.merges = whole.bpe?.merges.length ?? 0;
  await whole.write(directory);
  if (config.task === 'classification') {
    result.labels = [...labels];
    await writeFileAtomically(join(directory, 'labels.txt'), labels.map((label) => `${label}\n`).join(''));
  }
}

/** Every text, the second ones of pairs too. */
async function* textsOf({ rows }: LabeledSplit): AsyncGenerator<string[]> {
  for await (const block of rows())
    yield block.flatMap(({ text, second }) => (second === undefined ? [text] : [text, second]));
}

async function writeSplit(
  split: Split,
  { rows, total }: LabeledSplit,
  cut: TaskText,
  writers: SplitWriters,
  run: PrepareRun,
): Promise<PieceCounts & { ofLabel: Map<string, number> }> {
  const counts = Object.assign(new PieceCounts(), { ofLabel: new Map<string, number>() });
  const tell = stage(`segmenting ${split}`, total, 'lines', run);
  const breaks = new YieldTimer(work, run.signal);
  for await (const block of rows()) {
    const written = new Map<string, string[]>();
    const put = (name: string, line: string | undefined) => {
      if (line === undefined) return;
      const lines = written.get(name);
      if (lines === undefined) written.set(name, [line]);
      else lines.push(line);
    };
    for (const { text, second, label } of block) {
      const stored = cut.stored(text, second);
      const first = words(stored.text);
      const other = stored.second === undefined ? undefined : words(stored.second);
      const added = cut.tokenizer !== null ? 0 : other === undefined ? 2 : 4;
      counts.add(other === undefined ? first : [...first, ...other], added);
      counts.ofLabel.set(label, (counts.ofLabel.get(label) ?? 0) + 1);
      put(`${split}.text`, first.join(' '));
      put(`${split}.second`, other?.join(' '));
      put(`${split}.label`, label);
      if (split !== 'train') {
        put(`raw/${split}.text`, text);
        put(`raw/${split}.second`, second);
      }
      if (!breaks.due()) continue;
      tell(Math.min(counts.lines, total - 1));
      await breaks.take();
    }
    for (const [name, lines] of written) await (await writers.of(name)).write(lines);
  }
  tell(total);
  return counts;
}
