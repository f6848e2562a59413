import { type Iwslt14Options, iwslt14Schema, parseConfig, refuseReplaced, textSchema } from '../config.js';
import { RdropError } from '../errors.js';
import { lowercase } from '../text/lowercase.js';
import { type Side, tokeniseLine } from '../text/pipeline.js';
import { cleanCorpus, type LengthLimits } from './clean_corpus.js';
import type { Pairs, Split } from './corpus.js';
import { iwslt14Languages, readIwslt14 } from './iwslt14_archive.js';
import {
  makePrepared,
  mapPairs,
  type PrepareResult,
  type PrepareRun,
  readGivenPieces,
  type TokenisedSplit,
} from './prepare_stages.js';
import { checkPlace } from './prepared_directory.js';

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
  refuseReplaced(options, 'iwslt14');
  await checkPlace(config.out, config.overwrite);
  const given = await readGivenPieces(config);
  const splits = await tokeniseIwslt14(config.archive, run);
  return makePrepared(splits, textConfig(config.bpe, config.separateDictionaries), given, config, run);
}

/** The stages of the script before BPE, on the text that readIwslt14() finds. */
export async function tokeniseIwslt14(
  archive: string,
  run: PrepareRun,
): Promise<ReadonlyMap<Split, TokenisedSplit>> {
  const reading = `reading ${archive}`;
  const { train, test } = await readIwslt14(archive, {
    signal: run.signal,
    onProgress: (done, total) => run.onProgress?.({ text: reading, done, total }),
  });
  const text = textConfig(0);
  const tokenise = (split: Split, lines: Pairs<string>, lower: boolean) => {
    const config = lower ? text : { ...text, lowercase: false };
    const transform = (line: string, side: Side) => tokeniseLine(line, text[side], config);
    return mapPairs(`tokenising ${split}`, lines, transform, run);
  };

  const tokens = await tokenise('train', train, false);
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
  return new Map<Split, TokenisedSplit>([
    ['train', { tokens: part(false, clean), raw: null, dropped: train.source.length - positions.length }],
    ['valid', { tokens: part(true, clean), raw: rawValid, dropped: 0 }],
    ['test', { tokens: await tokenise('test', test, true), raw: test, dropped: 0 }],
  ]);
}
