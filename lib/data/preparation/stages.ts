import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PieceFormat, TextConfig } from '../../options/text.js';
import { type Dictionaries, dictionariesOf } from '../../text/dictionaries.js';
import { Dictionary, unk } from '../../text/dictionary.js';
import { LineWriter } from '../../text/lines/line_writer.js';
import { Bpe, learnMerges } from '../../text/pieces/bpe.js';
import { addWords } from '../../text/pieces/bpe_learner.js';
import { type Side, TextPipeline } from '../../text/pipeline.js';
import { addCounts, addWord, type WordCounts } from '../../text/word_counts.js';
import { throwIfAborted, YieldTimer } from '../../util/async/yield_timer.js';
import { words } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import { writeManifest } from '../manifest.js';
import { LongLines } from '../overlong.js';
import type { PairSource } from '../pair_blocks.js';
import type { Pairs, Split } from '../pairs.js';
import { makeDirectoryAtomically } from './prepared_directory.js';

/** The stages that every recipe of preparing shares: from tokens to a prepared directory. */

export interface SideSummary {
  /** Pieces, the eos of each sentence included. */
  tokens: number;
  /** Different pieces. */
  types: number;
  /** Fraction of the tokens that the dictionary does not know. */
  unknownRate: number;
}

export interface SplitSummary {
  pairs: number;
  /** Pairs left out because of their lengths. */
  dropped: number;
  source: SideSummary;
  target: SideSummary;
}

export interface PrepareResult {
  directory: string;
  /** Types of the dictionary, the specials included: of both languages, or of the target. */
  vocabSize: number;
  /** Those of the source, where it has a dictionary of its own. */
  sourceVocabSize?: number;
  /** Merges learned or read; fewer than asked for when no pair was frequent enough. */
  merges: number;
  /** Whose pieces the target text was cut into before, where it was. */
  pieces?: PieceFormat;
  splits: Partial<Record<Split, SplitSummary>>;
}

export interface PrepareProgress {
  /** What is being done, to be shown; each stage has another text, and ends with done equal to total. */
  text: string;
  done: number;
  total: number;
  /** What done and total count. */
  unit: 'bytes' | 'files' | 'lines' | 'merges' | 'words';
  /** Since the stage began. */
  seconds: number;
}

export interface PrepareRun {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  /** Called as the stages advance. */
  onProgress?: ((progress: PrepareProgress) => void) | undefined;
}

/** A split as tokens, before BPE. */
export interface TokenizedSplit {
  tokens: PairSource;
  pairs: number;
  /** The text that the tokens were made of, pair for pair, pieces joined; not kept for training pairs. */
  raw: PairSource | null;
  /** Pairs left out because of their lengths. */
  dropped: number;
}

/** The options of preparing that concern pieces and dictionary. */
export interface PieceConfig {
  out: string;
  overwrite: boolean;
  unlock: boolean;
  bpe: number;
  minFrequency: number;
  codes?: string | undefined;
  threshold: number;
  nwords: number;
  paddingFactor: number;
  separateDictionaries?: boolean | undefined;
  dictionary?: string | undefined;
  targetDictionary?: string | undefined;
}

/** What is taken from files of others; null is to be learned or built. */
export interface GivenPieces {
  bpe: Bpe | null;
  /** Of both languages, or with separateDictionaries of the source. */
  dictionary: Dictionary | null;
  targetDictionary: Dictionary | null;
}

const sides = ['source', 'target'] as const;

/**
 * Reads the codes and the dictionaries that the options name, if they do.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE.
 */
export async function readGivenPieces(
  config: Pick<PieceConfig, 'codes' | 'dictionary' | 'targetDictionary'>,
): Promise<GivenPieces> {
  const bpe = config.codes === undefined ? null : await Bpe.read(config.codes);
  if (bpe?.merges.length === 0) {
    throw new RdropError('MALFORMED_FILE', `${config.codes}: expected BPE codes, the file holds none`);
  }
  const read = async (path: string | undefined) => (path === undefined ? null : await Dictionary.read(path));
  return {
    bpe,
    dictionary: await read(config.dictionary),
    targetDictionary: await read(config.targetDictionary),
  };
}

/**
 * Reports the progress of a stage, a few times a second and at its end.
 *
 * @returns what is to be called with the part that is done.
 */
export function stage(
  text: string,
  total: number,
  unit: PrepareProgress['unit'],
  { onProgress }: PrepareRun,
): (done: number) => void {
  const start = performance.now();
  let told = Number.NEGATIVE_INFINITY;
  return (done) => {
    const now = performance.now();
    if (done < total && now - told < 50) return;
    told = now;
    onProgress?.({ text, done, total, unit, seconds: (now - start) / 1000 });
  };
}

/** What learning needs of the tokenized splits, and writing of all: makes them in a directory for what is in between. */
export type Tokenize = (scratch: string) => Promise<ReadonlyMap<Split, TokenizedSplit>>;

/**
 * Learns the BPE on the training pairs of both languages and builds the dictionary of both or of each, unless they are
 * given, segments every split and makes the directory, whole or not at all. Text goes from file to file in blocks: memory grows with
 * the different words, not with the pairs.
 *
 * @throws RdropError FILE_UNWRITABLE, DISK_FULL, TOO_LARGE, ABORTED, and what `tokenize` throws.
 */
export async function makePrepared(
  tokenize: Tokenize,
  text: TextConfig,
  given: GivenPieces,
  config: PieceConfig,
  run: PrepareRun,
): Promise<PrepareResult> {
  const result: PrepareResult = {
    ...{ directory: config.out, vocabSize: 0, merges: 0 },
    ...(text.pieces !== undefined && text.pieces !== 'none' && { pieces: text.pieces }),
    splits: {},
  };
  const fill = async (directory: string) => {
    const scratch = join(directory, 'scratch');
    await mkdir(scratch);
    await mkdir(join(directory, 'raw'));
    const splits = await tokenize(scratch);
    const bpe = given.bpe ?? (config.bpe > 0 ? await learnBpe(splits.get('train')!, config, run) : null);
    const counts = new Map<Split, Pieces>();
    for (const [split, tokenized] of splits) {
      counts.set(
        split,
        await segmentSplit(join(directory, split), split, tokenized, bpe, { text, out: config.out }, run),
      );
      if (tokenized.raw === null) continue;
      await copyPairs(join(directory, 'raw', split), tokenized.raw, text, run);
    }
    await rm(scratch, { recursive: true });
    throwIfAborted(run.signal, work);
    const dictionaries = dictionariesFor(counts.get('train')!, given, config);
    for (const [split, { source, target }] of counts) {
      const { pairs, dropped } = splits.get(split)!;
      result.splits[split] = {
        pairs,
        dropped,
        source: summarize(source, pairs, dictionaries.source),
        target: summarize(target, pairs, dictionaries.target),
      };
    }
    result.vocabSize = dictionaries.target.size;
    if (config.separateDictionaries === true) result.sourceVocabSize = dictionaries.source.size;
    result.merges = bpe?.merges.length ?? 0;
    const merges = given.bpe?.merges.length ?? text.bpe;
    await new TextPipeline({ ...text, bpe: merges }, dictionaries, bpe).write(directory);
    await writeManifest(directory);
    throwIfAborted(run.signal, work);
  };
  await makeDirectoryAtomically(config.out, fill, config);
  return result;
}

const work = 'preparing text';

/** How often the pieces of each side occur. */
type Pieces = Record<Side, WordCounts>;

/** Calls `each` with both sides of every block, a few milliseconds at a time. */
async function countLines(
  { tokens, pairs }: Pick<TokenizedSplit, 'tokens' | 'pairs'>,
  text: string,
  run: PrepareRun,
  each: (line: string, side: Side) => void,
): Promise<void> {
  const tell = stage(text, 2 * pairs, 'lines', run);
  const breaks = new YieldTimer(work, run.signal);
  let done = 0;
  for await (const block of tokens()) {
    for (const side of sides) {
      for (const line of block[side]) {
        each(line, side);
        done++;
        if (!breaks.due()) continue;
        tell(done);
        await breaks.take();
      }
    }
  }
  tell(2 * pairs);
}

async function learnBpe(train: TokenizedSplit, config: PieceConfig, run: PrepareRun): Promise<Bpe> {
  const { source: counts, target }: Pieces = { source: new Map(), target: new Map() };
  await countLines(train, 'counting words', run, (line, side) => {
    addWords(line, side === 'source' ? counts : target);
  });
  addCounts(counts, target);
  target.clear();
  return learnBpeOf(counts, config.bpe, config.minFrequency, run);
}

/**
 * Learns merges from the counts of words, a few milliseconds at a time.
 *
 * @param counts is empty afterwards: the learner has its own
 * @throws RdropError ABORTED
 */
export async function learnBpeOf(
  counts: WordCounts,
  most: number,
  minFrequency: number,
  run: PrepareRun,
): Promise<Bpe> {
  const merges: [string, string][] = [];
  const tell = stage(`learning ${most} merges from ${counts.size} words`, most, 'merges', run);
  tell(0);
  const breaks = new YieldTimer(work, run.signal);
  for (const merge of learnMerges(counts, most, minFrequency)) {
    if (merge !== null) {
      // The learner has taken all words in: their texts need not stay beside its own.
      if (merges.length === 0) counts.clear();
      merges.push(merge);
    }
    if (!breaks.due()) continue;
    tell(merges.length);
    await breaks.take();
  }
  tell(most);
  return Bpe.ofMerges(merges);
}

/** Writes the pieces of a split, and counts them. */
async function segmentSplit(
  prefix: string,
  split: Split,
  tokenized: TokenizedSplit,
  bpe: Bpe | null,
  { text, out }: { text: TextConfig; out: string },
  run: PrepareRun,
): Promise<Pieces> {
  const counts: Pieces = { source: new Map(), target: new Map() };
  const lengths = { source: new LongLines(), target: new LongLines() };
  const tell = stage(`segmenting ${split}`, 2 * tokenized.pairs, 'lines', run);
  let done = 0;
  const transform = (line: string, side: Side) => {
    const pieces = bpe === null ? line : bpe.segment(line);
    const found = words(pieces);
    for (const piece of found) addWord(counts[side], piece, 1);
    lengths[side].add(found.length + 1);
    return pieces;
  };
  await writePairs(prefix, tokenized.tokens(), text, run, transform, (pairs) => {
    done += pairs;
    tell(done);
  });
  tell(2 * tokenized.pairs);
  for (const side of sides) lengths[side].tell(join(out, `${split}.${text[side]}`));
  return counts;
}

const copyPairs = (prefix: string, pairs: PairSource, text: TextConfig, run: PrepareRun) =>
  writePairs(prefix, pairs(), text, run, (line) => line);

/**
 * Writes both sides of pairs to <prefix>.<language>, transformed line by line, a few milliseconds at a time.
 *
 * @param onLines is called with the number of lines done since the last call.
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE, ABORTED, and what the pairs throw.
 */
export async function writePairs(
  prefix: string,
  pairs: AsyncIterable<Pairs<string>>,
  { source, target }: Record<Side, string>,
  { signal }: PrepareRun,
  transform: (line: string, side: Side) => string,
  onLines?: (lines: number) => void,
): Promise<void> {
  const breaks = new YieldTimer(work, signal);
  const writers: LineWriter[] = [];
  try {
    for (const language of [source, target]) writers.push(await LineWriter.create(`${prefix}.${language}`));
    for await (const block of pairs) {
      for (const [at, side] of sides.entries()) {
        const lines: string[] = [];
        let told = 0;
        for (const line of block[side]) {
          lines.push(transform(line, side));
          if (!breaks.due()) continue;
          onLines?.(lines.length - told);
          told = lines.length;
          await breaks.take();
        }
        onLines?.(lines.length - told);
        await writers[at]!.write(lines);
      }
    }
    for (const writer of writers) await writer.close();
  } catch (error) {
    for (const writer of writers) await writer.abandon();
    throw error;
  }
}

function dictionariesFor(
  { source, target }: Pieces,
  given: GivenPieces,
  { threshold, nwords, paddingFactor, separateDictionaries }: PieceConfig,
): Dictionaries {
  // The specials are taken out of the counts, which tell what the text holds: hence of copies.
  const build = (...counts: WordCounts[]) => {
    const all: WordCounts = new Map();
    for (const each of counts) addCounts(all, each);
    return Dictionary.ofCounts(all, { threshold, nwords, paddingFactor });
  };
  if (separateDictionaries !== true) return dictionariesOf(given.dictionary ?? build(source, target));
  return {
    source: given.dictionary ?? build(source),
    target: given.targetDictionary ?? build(target),
  };
}

/** The pieces of a side, with the eos of each sentence. */
function summarize(counts: WordCounts, pairs: number, dictionary: Dictionary): SideSummary {
  let tokens = pairs;
  let unknown = 0;
  for (const [piece, count] of counts) {
    tokens += count;
    if (dictionary.id(piece) === unk) unknown += count;
  }
  return { tokens, types: counts.size, unknownRate: unknown / tokens };
}
