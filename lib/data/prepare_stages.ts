import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { TextConfig } from '../config.js';
import { RdropError } from '../errors.js';
import { writeFileAtomically } from '../files.js';
import { Bpe, learnMerges } from '../text/bpe.js';
import { countWords } from '../text/bpe_learner.js';
import { words } from '../text/characters.js';
import { type Dictionaries, dictionariesOf } from '../text/dictionaries.js';
import { Dictionary, unk } from '../text/dictionary.js';
import { mapLines, throwIfAborted } from '../text/map_lines.js';
import { type Side, TextPipeline } from '../text/pipeline.js';
import type { Pairs, Split } from './corpus.js';
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

export interface TokenisedSplit {
  tokens: Pairs<string>;
  /** The text that the tokens were made of, pair for pair; not kept for training pairs. */
  raw: Pairs<string> | null;
  dropped: number;
}

/** The options of preparing that concern pieces and dictionary. */
export interface PieceConfig {
  out: string;
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

/** Maps both sides, telling the progress over both. */
export async function mapPairs(
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

/**
 * Learns the BPE on the training pairs of both languages and builds the dictionary of both or of each, unless they are given, segments
 * every split and makes the directory, whole or not at all.
 *
 * @throws RdropError FILE_UNWRITABLE, DISK_FULL, ABORTED.
 */
export async function makePrepared(
  splits: ReadonlyMap<Split, TokenisedSplit>,
  text: TextConfig,
  given: GivenPieces,
  config: PieceConfig,
  run: PrepareRun,
): Promise<PrepareResult> {
  const bpe = given.bpe ?? (config.bpe > 0 ? await learnBpe(splits.get('train')!.tokens, config, run) : null);
  const segmented = new Map<Split, Pairs<string>>();
  for (const [split, { tokens }] of splits) {
    const segment = (line: string) => bpe!.segment(line);
    segmented.set(split, bpe === null ? tokens : await mapPairs(`segmenting ${split}`, tokens, segment, run));
  }
  const train = segmented.get('train')!;
  const dictionaries = dictionariesFor(train, given, config);

  const result: PrepareResult = {
    directory: config.out,
    vocabSize: dictionaries.target.size,
    ...(config.separateDictionaries === true && { sourceVocabSize: dictionaries.source.size }),
    merges: bpe?.merges.length ?? 0,
    splits: {},
  };
  for (const [split, lines] of segmented) {
    result.splits[split] = {
      pairs: lines.source.length,
      dropped: splits.get(split)!.dropped,
      source: await summarise(lines.source, dictionaries.source, run),
      target: await summarise(lines.target, dictionaries.target, run),
    };
  }

  await makeDirectoryAtomically(config.out, async (directory) => {
    const merges = given.bpe?.merges.length ?? text.bpe;
    await new TextPipeline({ ...text, bpe: merges }, dictionaries, bpe).write(directory);
    await mkdir(join(directory, 'raw'));
    for (const [split, lines] of segmented) {
      await writePairs(join(directory, split), lines, text);
      const { raw } = splits.get(split)!;
      if (raw !== null) await writePairs(join(directory, 'raw', split), raw, text);
    }
    throwIfAborted(run.signal, 'preparing text');
  });
  return result;
}

function dictionariesFor(
  { source, target }: Pairs<string>,
  given: GivenPieces,
  { threshold, nwords, paddingFactor, separateDictionaries }: PieceConfig,
): Dictionaries {
  const build = (lines: Iterable<string>) => Dictionary.build(lines, { threshold, nwords, paddingFactor });
  if (separateDictionaries !== true) return dictionariesOf(given.dictionary ?? build(both(source, target)));
  return {
    source: given.dictionary ?? build(source),
    target: given.targetDictionary ?? build(target),
  };
}

function* both(first: Iterable<string>, second: Iterable<string>): Generator<string> {
  yield* first;
  yield* second;
}

async function learnBpe({ source, target }: Pairs<string>, config: PieceConfig, run: PrepareRun) {
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
