import {
  type PrepareConfig,
  type PrepareOptions,
  parseConfig,
  prepareSchema,
  refuseReplaced,
  type TextConfig,
  textSchema,
} from '../config.js';
import { RdropError } from '../errors.js';
import { words } from '../text/characters.js';
import { checkTextConfig, tokeniseLine } from '../text/pipeline.js';
import { withinLimits } from './clean_corpus.js';
import { findSide, type Pairs, readParallel, type Split } from './corpus.js';
import {
  makePrepared,
  mapPairs,
  type PrepareResult,
  type PrepareRun,
  readGivenPieces,
  type TokenisedSplit,
} from './prepare_stages.js';
import { checkPlace } from './prepared_directory.js';

/**
 * Makes the directory that training reads: tokenised text, one BPE and one dictionary for both languages (or one for
 * each), learned on the training pairs or given; validation and test keep every pair, and their raw text beside. The order is that of
 * fairseq's prepare-iwslt14.sh: tokens, then the lengths of training pairs are judged, then BPE. The directory appears
 * whole or not at all.
 *
 * @throws RdropError INVALID_CONFIG, FILE_NOT_FOUND, FILE_EMPTY, FILE_UNREADABLE, INVALID_UTF8, MALFORMED_FILE,
 *   LINE_COUNT_MISMATCH, FILE_UNWRITABLE, DISK_FULL, ABORTED.
 */
export async function prepareCorpus(options: PrepareOptions, run: PrepareRun = {}): Promise<PrepareResult> {
  const config = parseConfig(prepareSchema, options, 'prepare');
  refuseReplaced(options, 'prepare');
  const text = textConfigOf(config);
  checkTextConfig(text);
  await checkPlace(config.out, config.overwrite);

  const prefixes: [Split, string][] = [
    ['train', config.train],
    ['valid', config.valid],
  ];
  if (config.test !== undefined) prefixes.push(['test', config.test]);
  // Everything is read before the work begins: a fault in the last file should not cost the time of the first.
  const given = await readGivenPieces(config);
  const raw = new Map<Split, Pairs<string>>();
  for (const [split, prefix] of prefixes) {
    const [source, target] = [await findSide(prefix, config.source), await findSide(prefix, config.target)];
    raw.set(split, await readParallel(source, target));
  }

  const splits = new Map<Split, TokenisedSplit>();
  for (const [split, lines] of raw) {
    const tokenise = (line: string, side: 'source' | 'target') => tokeniseLine(line, text[side], text);
    const tokens = await mapPairs(`tokenising ${split}`, lines, tokenise, run);
    splits.set(
      split,
      split === 'train' ? chooseTraining(tokens, config) : { tokens, raw: lines, dropped: 0 },
    );
  }
  return makePrepared(splits, text, given, config, run);
}

function textConfigOf(config: PrepareConfig): TextConfig {
  const { source, target, tokenizer, normalize, lowercase, bpe, separateDictionaries } = config;
  const text = { source, target, tokenizer, normalize, lowercase, bpe };
  // Left out where it is false, so that the description of a shared dictionary stays what it was.
  return parseConfig(
    textSchema,
    { ...text, ...(separateDictionaries && { separateDictionaries }) },
    'prepare',
  );
}

/** The training pairs within the limits; unlike cleanCorpus() it leaves their text as it is. */
function chooseTraining({ source, target }: Pairs<string>, config: PrepareConfig): TokenisedSplit {
  const tokens: Pairs<string> = { source: [], target: [] };
  source.forEach((line, i) => {
    if (!withinLimits(words(line).length, words(target[i]!).length, config)) return;
    tokens.source.push(line);
    tokens.target.push(target[i]!);
  });
  if (tokens.source.length === 0) {
    throw new RdropError(
      'INVALID_CONFIG',
      `minLength, maxLength, ratio: all ${source.length} training pairs of ${config.train} are left out`,
    );
  }
  return { tokens, raw: null, dropped: source.length - tokens.source.length };
}
