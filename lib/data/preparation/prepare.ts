import { join } from 'node:path';
import {
  type PrepareConfig,
  type PrepareOptions,
  prepareSchema,
  refuseReplaced,
} from '../../options/preparation.js';
import { checkCall, workOptions } from '../../options/schema/call_options.js';
import { parseConfig } from '../../options/schema/parse.js';
import { type TextConfig, textSchema } from '../../options/text.js';
import type { LineReading } from '../../text/lines/line_reader.js';
import { checkTextConfig, type Side, tokenizeLine } from '../../text/pipeline.js';
import { throwIfAborted, YieldTimer } from '../../util/async/yield_timer.js';
import { words } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import { findSide } from '../corpus.js';
import { ownFiles, type PairSource, pairBlocks } from '../pair_blocks.js';
import type { Pairs, Split } from '../pairs.js';
import { fileSize } from '../tar_archive.js';
import { withinLimits } from './clean_corpus.js';
import { checkPlace } from './prepared_directory.js';
import { decidePieces, joinedPairs, LineSample } from './prepared_pieces.js';
import {
  makePrepared,
  type PrepareResult,
  type PrepareRun,
  readGivenPieces,
  stage,
  type TokenizedSplit,
  writePairs,
} from './stages.js';

/**
 * Makes the directory that training reads: tokenized text, one BPE and one dictionary for both languages (or one for
 * each), learned on the training pairs or given; validation and test keep every pair, and their raw text beside. The order is that of
 * fairseq's prepare-iwslt14.sh: tokens, then the lengths of training pairs are judged, then BPE. The directory appears
 * whole or not at all.
 *
 * @throws RdropError INVALID_CONFIG, FILE_NOT_FOUND, FILE_EMPTY, FILE_UNREADABLE, INVALID_UTF8, MALFORMED_FILE,
 *   TOO_LARGE (a line or what a .gz unpacks to; the message names the option), LINE_COUNT_MISMATCH, FILE_UNWRITABLE,
 *   DISK_FULL, ABORTED.
 */
export async function prepareCorpus(options: PrepareOptions, run: PrepareRun = {}): Promise<PrepareResult> {
  const config = parseConfig(prepareSchema, options, 'prepare');
  checkCall(run, workOptions, 'prepareCorpus');
  throwIfAborted(run.signal, 'preparing text');
  refuseReplaced(options, 'prepare');
  const text = textConfigOf(config);
  checkTextConfig(text);
  await checkPlace(config.out, config.overwrite);

  const prefixes: [Split, string][] = [
    ['train', config.train],
    ['valid', config.valid],
  ];
  if (config.test !== undefined) prefixes.push(['test', config.test]);
  // Everything is read once before the work begins: a fault in the last file should not cost the time of the first.
  const given = await readGivenPieces(config);
  const { maxLineBytes, maxUnpackedBytes } = config;
  const reading = { limits: { maxLineBytes, maxUnpackedBytes }, signal: run.signal };
  const raw = new Map<Split, RawSplit>();
  for (const [split, prefix] of prefixes) {
    const [source, target] = [await findSide(prefix, config.source), await findSide(prefix, config.target)];
    const sample = { source: new LineSample(), target: new LineSample() };
    const pairs = await countPairs(split, source, target, { reading, sample }, run);
    raw.set(split, { pairs, lines: () => pairBlocks(source, target, reading), sample });
  }
  const cut = decidePieces(config, text, raw);
  const tokenize = async (scratch: string) => {
    const splits = new Map<Split, TokenizedSplit>();
    for (const [split, lines] of raw) {
      splits.set(
        split,
        await tokenizeSplit(split, lines, join(scratch, split), { ...text, ...cut }, config, run),
      );
    }
    return splits;
  };
  return makePrepared(tokenize, { ...text, ...cut }, given, config, run);
}

interface RawSplit {
  pairs: number;
  lines: PairSource;
  /** Lines of each side from all over it. */
  sample: Record<Side, LineSample>;
}

/** Reads both files to the end, so that every fault in them is found, and takes a sample of their lines. */
async function countPairs(
  split: Split,
  source: string,
  target: string,
  { reading, sample }: { reading: LineReading; sample: RawSplit['sample'] },
  run: PrepareRun,
): Promise<number> {
  const total = ((await fileSize(source)) ?? 0) + ((await fileSize(target)) ?? 0);
  const tell = stage(`reading ${split}`, total, 'bytes', run);
  let pairs = 0;
  for await (const block of pairBlocks(source, target, { ...reading, onBytes: tell })) {
    pairs += block.source.length;
    sample.source.add(block.source);
    sample.target.add(block.target);
  }
  tell(total);
  return pairs;
}

/** Writes the tokens of a split beside; of the training pairs those within the limits, which keep their text. */
async function tokenizeSplit(
  split: Split,
  { pairs, lines, sample }: RawSplit,
  prefix: string,
  text: TextConfig,
  config: PrepareConfig,
  run: PrepareRun,
): Promise<TokenizedSplit> {
  const tell = stage(`tokenizing ${split}`, 2 * pairs, 'lines', run);
  let done = 0;
  let kept = 0;
  const tokenized = async function* (): AsyncGenerator<Pairs<string>> {
    const breaks = new YieldTimer('preparing text', run.signal);
    for await (const block of lines()) {
      const tokens: Pairs<string> = { source: [], target: [] };
      for (const side of ['source', 'target'] as const) {
        for (const line of block[side]) {
          tokens[side].push(tokenizeLine(line, text[side], text));
          done++;
          if (!breaks.due()) continue;
          tell(done);
          await breaks.take();
        }
      }
      const chosen = split === 'train' ? withinAllLimits(tokens, config) : tokens;
      kept += chosen.source.length;
      yield chosen;
    }
  };
  await writePairs(prefix, tokenized(), text, run, (line) => line);
  tell(2 * pairs);
  if (kept === 0) {
    throw new RdropError(
      'INVALID_CONFIG',
      `minLength, maxLength, ratio: all ${pairs} training pairs of ${config.train} are left out`,
    );
  }
  return {
    tokens: () => pairBlocks(`${prefix}.${text.source}`, `${prefix}.${text.target}`, ownFiles),
    pairs: kept,
    raw: split === 'train' ? null : joinedPairs(lines, sample.source.lines, text),
    dropped: pairs - kept,
  };
}

/** The pairs within the limits; unlike cleanCorpus() it leaves their text as it is. */
function withinAllLimits({ source, target }: Pairs<string>, config: PrepareConfig): Pairs<string> {
  const kept = source.map((line, i) => withinLimits(words(line).length, words(target[i]!).length, config));
  return { source: source.filter((_, i) => kept[i]), target: target.filter((_, i) => kept[i]) };
}

function textConfigOf(config: PrepareConfig): TextConfig {
  const { source, target, tokenizer, normalize, lowercase, bpe, separateDictionaries } = config;
  const { pieces, pieceMark } = config;
  const text = {
    ...{ source, target, tokenizer, normalize, lowercase, bpe },
    ...(pieces !== undefined && { pieces }),
    ...(pieceMark !== undefined && { pieceMark }),
  };
  // Left out where it is false, so that the description of a shared dictionary stays what it was.
  return parseConfig(
    textSchema,
    { ...text, ...(separateDictionaries && { separateDictionaries }) },
    'prepare',
  );
}
