import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  type PrepareConfig,
  type PrepareOptions,
  parseConfig,
  prepareSchema,
  type TextConfig,
  textSchema,
} from '../config.js';
import { RdropError } from '../errors.js';
import { writeFileAtomically } from '../files.js';
import { Bpe, learnMerges } from '../text/bpe.js';
import { countWords } from '../text/bpe_learner.js';
import { words } from '../text/characters.js';
import { Dictionary, unk } from '../text/dictionary.js';
import { mapLines, throwIfAborted } from '../text/map_lines.js';
import { checkTextConfig, type Side, TextPipeline, tokeniseLine } from '../text/pipeline.js';
import { findSide, type Pairs, readParallel, type Split } from './corpus.js';
import { checkPlace, makeDirectoryAtomically } from './prepared_directory.js';

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
  /** Types of the dictionary, the specials included. */
  vocabSize: number;
  /** Merges learned; fewer than asked for when no pair was frequent enough. */
  merges: number;
  splits: Partial<Record<Split, SplitSummary>>;
}

export interface PrepareProgress {
  /** What is being done, to be shown. */
  text: string;
  done: number;
  total: number;
}

export interface PrepareRun {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PrepareProgress) => void) | undefined;
}

const sides = ['source', 'target'] as const;

/**
 * Makes the directory that training reads: tokenised text, one BPE and one dictionary for both languages, learned on
 * the training pairs; validation and test keep every pair, and their raw text beside. The order is that of fairseq's
 * prepare-iwslt14.sh: tokens, then the lengths of training pairs are judged, then BPE. The directory appears whole or
 * not at all.
 *
 * @throws RdropError INVALID_CONFIG, FILE_NOT_FOUND, FILE_EMPTY, FILE_UNREADABLE, INVALID_UTF8, MALFORMED_FILE,
 *   LINE_COUNT_MISMATCH, FILE_UNWRITABLE, DISK_FULL, ABORTED.
 */
export async function prepareCorpus(options: PrepareOptions, run: PrepareRun = {}): Promise<PrepareResult> {
  const config = parseConfig(prepareSchema, options, 'prepare');
  const text = textConfigOf(config);
  checkTextConfig(text);
  await checkPlace(config.out, config.overwrite);

  const prefixes: [Split, string][] = [
    ['train', config.train],
    ['valid', config.valid],
  ];
  if (config.test !== undefined) prefixes.push(['test', config.test]);
  // Everything is read before the work begins: a fault in the last file should not cost the time of the first.
  const raw = new Map<Split, Pairs<string>>();
  for (const [split, prefix] of prefixes) {
    const [source, target] = [await findSide(prefix, config.source), await findSide(prefix, config.target)];
    raw.set(split, await readParallel(source, target));
  }

  const tokens = new Map<Split, Pairs<string>>();
  for (const [split, lines] of raw) tokens.set(split, await tokenisePairs(split, lines, text, run));
  const all = tokens.get('train')!;
  const train = chooseLengths(all, config);
  if (train.source.length === 0) {
    throw new RdropError(
      'INVALID_CONFIG',
      `minLength, maxLength, ratio: all ${all.source.length} training pairs of ${config.train} are left out`,
    );
  }
  tokens.set('train', train);

  const bpe = config.bpe > 0 ? await learnBpe(train, config, run) : null;
  const segmented = new Map<Split, Pairs<string>>();
  for (const [split, lines] of tokens) segmented.set(split, await segmentPairs(split, lines, bpe, run));
  const { source, target } = segmented.get('train')!;
  const dictionary = Dictionary.build(both(source, target), { paddingFactor: config.paddingFactor });

  const result: PrepareResult = {
    directory: config.out,
    vocabSize: dictionary.size,
    merges: bpe?.merges.length ?? 0,
    splits: {},
  };
  for (const [split, lines] of segmented) {
    const pairs = lines.source.length;
    result.splits[split] = {
      pairs,
      dropped: raw.get(split)!.source.length - pairs,
      source: await summarise(lines.source, dictionary, run),
      target: await summarise(lines.target, dictionary, run),
    };
  }

  await makeDirectoryAtomically(config.out, async (directory) => {
    await new TextPipeline(text, dictionary, bpe).write(directory);
    await mkdir(join(directory, 'raw'));
    for (const [split, lines] of segmented) {
      await writePairs(join(directory, split), lines, text);
      if (split !== 'train') await writePairs(join(directory, 'raw', split), raw.get(split)!, text);
    }
    throwIfAborted(run.signal, 'preparing text');
  });
  return result;
}

function textConfigOf(config: PrepareConfig): TextConfig {
  const { source, target, tokenizer, normalize, lowercase, bpe } = config;
  return parseConfig(textSchema, { source, target, tokenizer, normalize, lowercase, bpe }, 'prepare');
}

function* both(first: Iterable<string>, second: Iterable<string>): Generator<string> {
  yield* first;
  yield* second;
}

/** Maps both sides, telling the progress over both. */
async function mapPairs(
  text: string,
  lines: Pairs<string>,
  transform: (line: string, side: Side) => string,
  { signal, onProgress }: PrepareRun,
): Promise<Pairs<string>> {
  const total = lines.source.length + lines.target.length;
  const mapped: Partial<Pairs<string>> = {};
  for (const side of sides) {
    const before = side === 'source' ? 0 : lines.source.length;
    mapped[side] = await mapLines(lines[side], (line) => transform(line, side), {
      signal,
      onProgress: (done) => onProgress?.({ text, done: before + done, total }),
    });
  }
  return mapped as Pairs<string>;
}

const tokenisePairs = (split: Split, lines: Pairs<string>, text: TextConfig, run: PrepareRun) =>
  mapPairs(`tokenising ${split}`, lines, (line, side) => tokeniseLine(line, text[side], text), run);

async function segmentPairs(split: Split, lines: Pairs<string>, bpe: Bpe | null, run: PrepareRun) {
  return bpe === null ? lines : mapPairs(`segmenting ${split}`, lines, (line) => bpe.segment(line), run);
}

/** Moses's clean-corpus-n.perl: both sides within the limits, neither longer than the other times the ratio. */
function chooseLengths({ source, target }: Pairs<string>, config: PrepareConfig): Pairs<string> {
  const longest = config.maxLength === 0 ? Number.POSITIVE_INFINITY : config.maxLength;
  const ratio = config.ratio === 0 ? Number.POSITIVE_INFINITY : config.ratio;
  const chosen: Pairs<string> = { source: [], target: [] };
  source.forEach((line, i) => {
    const [a, b] = [words(line).length, words(target[i]!).length];
    const [short, long] = [Math.min(a, b), Math.max(a, b)];
    if (short < config.minLength || long > longest || (short > 0 && long / short > ratio)) return;
    chosen.source.push(line);
    chosen.target.push(target[i]!);
  });
  return chosen;
}

async function learnBpe({ source, target }: Pairs<string>, config: PrepareConfig, run: PrepareRun) {
  const counts = new Map<string, number>();
  for (const line of both(source, target)) countWords(line, counts);
  const text = `learning ${config.bpe} merges from ${counts.size} words`;
  const merges: [string, string][] = [];
  run.onProgress?.({ text, done: 0, total: config.bpe });
  for (const merge of learnMerges(counts, config.bpe, config.minFrequency)) {
    merges.push(merge);
    if (merges.length % 50 !== 0) continue;
    throwIfAborted(run.signal, 'preparing text');
    run.onProgress?.({ text, done: merges.length, total: config.bpe });
    await setImmediate();
  }
  run.onProgress?.({ text, done: config.bpe, total: config.bpe });
  return Bpe.ofMerges(merges);
}

async function summarise(lines: string[], dictionary: Dictionary, { signal }: PrepareRun) {
  const types = new Set<string>();
  let unknown = 0;
  let tokens = 0;
  const count = (line: string) => {
    const pieces = words(line);
    tokens += pieces.length + 1;
    for (const piece of pieces) {
      types.add(piece);
      if (dictionary.id(piece) === unk) unknown++;
    }
  };
  await mapLines(lines, count, { signal });
  return { tokens, types: types.size, unknownRate: unknown / tokens };
}

async function writePairs(prefix: string, lines: Pairs<string>, text: TextConfig): Promise<void> {
  for (const side of sides) {
    await writeFileAtomically(`${prefix}.${text[side]}`, `${lines[side].join('\n')}\n`);
  }
}
