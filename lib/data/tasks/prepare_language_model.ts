import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LanguageModelConfig } from '../../options/tasks/preparation.js';
import type { TaskTextConfig } from '../../options/tasks/text.js';
import type { LineReading } from '../../text/lines/line_reader.js';
import { newline } from '../../text/tasks/characters.js';
import type { TaskText } from '../../text/tasks/task_text.js';
import { YieldTimer } from '../../util/async/yield_timer.js';
import { words } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import type { Split } from '../pairs.js';
import { type PrepareRun, stage } from '../preparation/stages.js';
import { fileSize } from '../tar_archive.js';
import { heldOut } from './held_out.js';
import { rawTextName } from './raw_text.js';
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
import {
  codePointLength,
  partOfText,
  type TextLine,
  type TextStream,
  textLineBlocks,
} from './text_stream.js';

interface TextSplit {
  path: string;
  /** Without the lines that are left out. */
  text: TextStream;
  /** Of the file, the lines that are left out and those of other splits included. */
  lines: number;
  /** Empty lines of it that are left out, counted where the file is that of training. */
  dropped: number;
}

/**
 * Reads the files of a language model to their ends, and returns what makes its directory: each fault in a file is found before the
 * work begins.
 *
 * @throws RdropError as lineBlocks(); FILE_EMPTY, naming the file without text; INVALID_CONFIG for a fraction that leaves a split empty
 */
export async function readLanguageModel(
  config: LanguageModelConfig,
  text: TaskTextConfig,
  given: GivenTaskPieces,
  reading: LineReading,
  run: PrepareRun,
): Promise<(directory: string, result: PrepareTaskResult) => Promise<void>> {
  const splits = new Map<Split, TextSplit>();
  for (const split of ['train', 'valid', 'test'] as const) {
    const path = config[split];
    if (path === undefined) continue;
    const { found, characters, kept } = await readText(split, path, config, reading, run);
    splits.set(split, found);
    if (split !== 'train' || config.validFraction === undefined) continue;
    const parts =
      config.mode === 'stream' ? endHeldOut(found, characters, config) : linesHeldOut(found, kept, config);
    splits.set('train', { ...found, text: parts.train });
    splits.set('valid', { ...found, text: parts.valid, dropped: 0 });
  }
  return async (directory, result) => {
    await mkdir(join(directory, 'raw'));
    const train = splits.get('train')!;
    const cut = await learnPieces(linesOf(train), train.lines, text, given, config, run);
    const written = new Map<Split, PieceCounts & { characters: number }>();
    const writers = new SplitWriters(directory);
    await writers.during(async () => {
      for (const [split, source] of splits)
        written.set(split, await writeSplit(split, source, cut, writers, run));
    });
    for (const [split, counts] of written) if (counts.lines === 0) throw leftEmpty(split, config);
    const whole = withDictionary(cut, written.get('train')!, given, config);
    for (const [split, counts] of written) {
      const summary = counts.summary(splits.get(split)!.dropped, knownPieces(whole));
      result.splits[split] = { ...summary, characters: counts.characters };
      if (config.mode === 'lines') counts.warn(join(config.out, `${split}.tokens`));
    }
    result.vocabSize = whole.vocabSize;
    result.merges = whole.bpe?.merges.length ?? 0;
    await whole.write(directory);
  };
}

/** Whether a language model of lines has this one. */
const isKept = ({ line }: TextLine): boolean => words(line).length > 0;

async function readText(
  split: Split,
  path: string,
  { mode }: LanguageModelConfig,
  reading: LineReading,
  run: PrepareRun,
): Promise<{ found: TextSplit; characters: number; kept: number }> {
  const total = (await fileSize(path)) ?? 0;
  const tell = stage(`reading ${split}`, total, 'bytes', run);
  let [lines, kept, characters] = [0, 0, 0];
  for await (const block of textLineBlocks(path, { ...reading, onBytes: tell })) {
    for (const item of block) {
      lines++;
      if (isKept(item)) kept++;
      characters += codePointLength(item.line) + (item.ends ? 1 : 0);
    }
  }
  tell(total);
  if (kept === 0) throw new RdropError('FILE_EMPTY', `${path}: expected text, got empty lines alone`);
  const whole: TextStream = () => textLineBlocks(path, reading);
  const text = mode === 'lines' ? chosen(whole, isKept) : whole;
  return { found: { path, text, lines, dropped: mode === 'lines' ? lines - kept : 0 }, characters, kept };
}

/** The lines of a text that are wanted, in its order. */
function chosen(text: TextStream, wants: (line: TextLine, index: number) => boolean): TextStream {
  return async function* () {
    let index = 0;
    for await (const block of text()) yield block.filter((line) => wants(line, index++));
  };
}

type Parts = Record<'train' | 'valid', TextStream>;

/** The first ⌊(1 - fraction) · n⌋ of n characters and the rest, as nanoGPT cuts; of other pieces, whole lines. */
function endHeldOut(
  { text }: TextSplit,
  characters: number,
  { validFraction, pieces }: LanguageModelConfig,
): Parts {
  const cut = Math.floor(characters * (1 - validFraction!));
  const within = pieces === 'characters';
  return {
    train: () => partOfText(text(), 'before', cut, within),
    valid: () => partOfText(text(), 'behind', cut, within),
  };
}

function linesHeldOut(
  { text }: TextSplit,
  lines: number,
  { validFraction, seed }: LanguageModelConfig,
): Parts {
  const held = heldOut(lines, validFraction!, seed);
  return {
    train: chosen(text, (_, index) => held[index] === 0),
    valid: chosen(text, (_, index) => held[index] === 1),
  };
}

async function* linesOf({ text }: TextSplit): AsyncGenerator<string[]> {
  for await (const block of text()) yield block.map(({ line }) => line);
}

async function writeSplit(
  split: Split,
  { text, lines: total }: TextSplit,
  cut: TaskText,
  writers: SplitWriters,
  run: PrepareRun,
): Promise<PieceCounts & { characters: number }> {
  const counts = Object.assign(new PieceCounts(), { characters: 0 });
  const tokens = await writers.of(`${split}.tokens`);
  const raw = split === 'train' ? null : await writers.of(rawTextName(split));
  const tell = stage(`segmenting ${split}`, total, 'lines', run);
  const breaks = new YieldTimer(work, run.signal);
  for await (const block of text()) {
    const lines: string[] = [];
    let untouched = '';
    for (const { line, ends } of block) {
      const pieces = words(cut.segment(line));
      if (!cut.linesEnd && ends) pieces.push(newline);
      // A text that ends where a line does has nothing behind its last line end.
      if (!cut.linesEnd && pieces.length === 0) continue;
      counts.add(pieces, cut.linesEnd ? 1 : 0);
      counts.characters += codePointLength(line) + (ends ? 1 : 0);
      lines.push(pieces.join(' '));
      if (raw !== null) untouched += ends ? `${line}\n` : line;
      if (!breaks.due()) continue;
      tell(Math.min(counts.lines, total - 1));
      await breaks.take();
    }
    await tokens.write(lines);
    await raw?.append(untouched);
  }
  tell(total);
  return counts;
}

const leftEmpty = (split: Split, { validFraction, train }: LanguageModelConfig) =>
  new RdropError(
    'INVALID_CONFIG',
    `prepare.validFraction: expected a fraction of ${train} that leaves both parts some text, got ${validFraction}, which leaves ` +
      `${split} none`,
  );
