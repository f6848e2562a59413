import { type Iwslt14Options, iwslt14Schema, refuseReplaced } from '../../options/preparation.js';
import { checkCall, workOptions } from '../../options/schema/call_options.js';
import { parseConfig } from '../../options/schema/parse.js';
import { type TextLimits, textSchema } from '../../options/text.js';
import { lowercase } from '../../text/lowercase.js';
import { mapLines } from '../../text/map_lines.js';
import { type Side, tokenizeLine } from '../../text/pipeline.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { pairsOf } from '../pair_blocks.js';
import type { Pairs, Split } from '../pairs.js';
import { cleanCorpus, type LengthLimits } from '../preparation/clean_corpus.js';
import { checkPlace } from '../preparation/prepared_directory.js';
import {
  makePrepared,
  type PrepareResult,
  type PrepareRun,
  readGivenPieces,
  stage,
  type TokenizedSplit,
} from '../preparation/stages.js';
import { iwslt14Languages, readIwslt14 } from './archive.js';

const limits: LengthLimits = { minLength: 1, maxLength: 175, ratio: 1.5 };

/** One clean pair of so many is for validation. */
const validEvery = 23;

const textConfig = (bpe: number, separateDictionaries = false) =>
  parseConfig(
    textSchema,
    {
      ...iwslt14Languages,
      ...{ tokenizer: 'moses', lowercase: 'after', bpe },
      ...(separateDictionaries && { separateDictionaries }),
    },
    'iwslt14',
  );

/**
 * Makes the directory that training reads from the archive of IWSLT'14 German-English, as fairseq's
 * prepare-iwslt14.sh and fairseq-preprocess --joined-dictionary do: tokens, then lengths (1 to 175, ratio 1.5), then
 * lower case; every 23rd clean pair for validation; the five dev and test sets for testing; BPE and dictionary of both
 * languages together (unless they are asked to be separate). The same text, codes, dictionary and ids come out.
 *
 * @throws RdropError INVALID_CONFIG, FILE_NOT_FOUND, FILE_EMPTY, FILE_UNREADABLE, INVALID_UTF8, MALFORMED_FILE,
 *   LINE_COUNT_MISMATCH, FILE_UNWRITABLE, DISK_FULL, ABORTED.
 */
export async function prepareIwslt14(options: Iwslt14Options, run: PrepareRun = {}): Promise<PrepareResult> {
  const config = parseConfig(iwslt14Schema, options, 'iwslt14');
  checkCall(run, workOptions, 'prepareIwslt14');
  throwIfAborted(run.signal, 'preparing text');
  refuseReplaced(options, 'iwslt14');
  await checkPlace(config.out, config.overwrite);
  const given = await readGivenPieces(config);
  const { maxUnpackedBytes } = config;
  const splits = await tokenizeIwslt14(config.archive, run, { maxUnpackedBytes });
  const tokenized = [...splits].map(([split, { tokens, raw, dropped }]): [Split, TokenizedSplit] => [
    split,
    { tokens: pairsOf(tokens), pairs: tokens.source.length, raw: raw && pairsOf(raw), dropped },
  ]);
  const tokenize = () => Promise.resolve(new Map(tokenized));
  return makePrepared(tokenize, textConfig(config.bpe, config.separateDictionaries), given, config, run);
}

/** A split in memory: the archive is small. */
export interface Iwslt14Split {
  tokens: Pairs<string>;
  raw: Pairs<string> | null;
  dropped: number;
}

/** The stages of the script before BPE, on the text that readIwslt14() finds. */
export async function tokenizeIwslt14(
  archive: string,
  run: PrepareRun,
  unpacking: Partial<Pick<TextLimits, 'maxUnpackedBytes'>> = {},
): Promise<ReadonlyMap<Split, Iwslt14Split>> {
  const reading = `reading ${archive}`;
  let tell: ((done: number) => void) | undefined;
  const { train, test } = await readIwslt14(archive, {
    ...unpacking,
    signal: run.signal,
    onProgress: (done, total, unit) => {
      tell ??= stage(reading, total, unit, run);
      tell(done);
    },
  });
  const text = textConfig(0);
  const tokenize = (split: Split, lines: Pairs<string>, lower: boolean) => {
    const config = lower ? text : { ...text, lowercase: false };
    const transform = (line: string, side: Side) => tokenizeLine(line, text[side], config);
    return mapPairs(`tokenizing ${split}`, lines, transform, run);
  };

  const tokens = await tokenize('train', train, false);
  const { pairs, positions } = await cleanCorpus(tokens, limits, { signal: run.signal });
  const clean = await mapPairs('lower-casing train', pairs, lowercase, run);
  const isValid = (_: unknown, i: number) => (i + 1) % validEvery === 0;
  const part = (valid: boolean, { source, target }: Pairs<string>): Pairs<string> => ({
    source: source.filter((line, i) => isValid(line, i) === valid),
    target: target.filter((line, i) => isValid(line, i) === valid),
  });
  if (positions.length < validEvery) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${archive}: expected at least ${validEvery} training pairs within the limits, got ${positions.length}`,
    );
  }
  const rawValid = {
    source: positions.filter(isValid).map((position) => train.source[position]!),
    target: positions.filter(isValid).map((position) => train.target[position]!),
  };
  return new Map<Split, Iwslt14Split>([
    ['train', { tokens: part(false, clean), raw: null, dropped: train.source.length - positions.length }],
    ['valid', { tokens: part(true, clean), raw: rawValid, dropped: 0 }],
    ['test', { tokens: await tokenize('test', test, true), raw: test, dropped: 0 }],
  ]);
}

/** Maps both sides, reporting the progress over both. */
async function mapPairs(
  text: string,
  lines: Pairs<string>,
  transform: (line: string, side: Side) => string,
  run: PrepareRun,
): Promise<Pairs<string>> {
  const total = lines.source.length + lines.target.length;
  const tell = stage(text, total, 'lines', run);
  const mapped: Pairs<string> = { source: [], target: [] };
  for (const side of ['source', 'target'] as const) {
    const before = side === 'source' ? 0 : lines.source.length;
    mapped[side] = await mapLines(lines[side], (line) => transform(line, side), {
      signal: run.signal,
      onProgress: (done) => tell(before + done),
    });
  }
  return mapped;
}
