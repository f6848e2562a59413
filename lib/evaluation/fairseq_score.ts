import {
  type FairseqScoreConfig,
  type FairseqScoreOptions,
  fairseqScoreSchema,
} from '../options/evaluation.js';
import { parseConfig } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';
import { pythonFixed } from '../util/python_numbers.js';
import { splitWords } from './bleu_tokenizer.js';
import { splitCompounds } from './compound_split.js';
import { joinSignature, type Metric } from './metric.js';
import { addNgramMatches, ngramTotal } from './ngram_matches.js';
import { warnOfPieces } from './score_pieces.js';
import { checkedSegments } from './segments.js';

export interface FairseqScore {
  /** 0..100. */
  score: number;
  /** In percent, for n = 1..order, not smoothed. */
  precisions: number[];
  /** 0..1. */
  brevityPenalty: number;
  /** Tokens of the hypotheses, the end of each sentence counted as one. */
  systemLength: number;
  /** Tokens of the references, likewise. */
  referenceLength: number;
  /** Matched n-grams, n = 1..order. */
  counts: number[];
  /** N-grams of the hypotheses, n = 1..order. */
  totals: number[];
  /** The line that fairseq-score prints, as `BLEU4 = 34.64, 69.0/43.3/28.7/19.1 (BP=0.986, ratio=0.986, syslen=…, reflen=…)`. */
  text: string;
}

/**
 * BLEU of tokenized text as `fairseq-score` computes it, the measure of the paper's tables: tokens are what white space
 * separates, no smoothing, one reference. What distinguishes it from sacreBLEU's `tokenize: 'none'`: a sentence without
 * tokens counts as one token (its end), `<unk>` in a reference matches nothing, `<pad>` at either end and `</s>` at the
 * end are cut off.
 *
 * The original reads files with Python's universal line ends and stops at the shorter file; here a line is what the
 * caller says, and unequal numbers are an error.
 *
 * @param hypotheses one tokenized sentence an item, BPE removed.
 * @param references the same number of sentences, tokenized alike.
 * @param options order: 4; ignoreCase: false; compoundSplit: false.
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH.
 * @see fairseq_cli/score.py, fairseq/scoring/bleu.py, fairseq/clib/libbleu/libbleu.cpp
 */
export function fairseqScore(
  hypotheses: readonly string[],
  references: readonly string[],
  options: FairseqScoreOptions = {},
): FairseqScore {
  const config = parseConfig(fairseqScoreSchema, options, 'fairseqScore', 'INVALID_ARGUMENT');
  const { referencesOf, referenceCount } = checkedSegments(hypotheses, references, 'fairseqScore');
  warnOfPieces(hypotheses, references);
  if (referenceCount !== 1) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `fairseqScore: references: expected one reference a sentence, got ${referenceCount}`,
    );
  }
  const metric = fairseqMetricOf(config);
  const sums = new Array<number>(metric.width).fill(0);
  hypotheses.forEach((hypothesis, line) => {
    metric.segment(hypothesis, referencesOf(line)).forEach((value, k) => {
      sums[k] = (sums[k] as number) + value;
    });
  });
  return fromSums(sums, config.order);
}

/**
 * `fairseq-score` as a Metric, so that it can be resampled too (fairseq has no such test). The statistics of a segment are
 * both lengths, the matched n-grams and all n-grams of the hypothesis.
 *
 * @throws RdropError INVALID_ARGUMENT.
 */
export function fairseqMetric(options: FairseqScoreOptions = {}): Metric {
  return fairseqMetricOf(parseConfig(fairseqScoreSchema, options, 'fairseqScore', 'INVALID_ARGUMENT'));
}

function fairseqMetricOf({ order, ignoreCase, compoundSplit }: FairseqScoreConfig): Metric {
  const tokens = (line: string): string[] => {
    const split = compoundSplit ? splitCompounds(line) : line;
    return trimmed([...splitWords(ignoreCase ? split.toLowerCase() : split), endOfSentence]);
  };
  return {
    name: compoundSplit ? 'fairseq-score (compounds split)' : 'fairseq-score',
    higherIsBetter: true,
    width: 2 + 2 * order,
    segment(hypothesis, [reference = '']) {
      const system = tokens(hypothesis);
      const expected = tokens(reference);
      const matchable = expected.map((token) => (token === unknown ? unknownOfReference : token));
      const counts = new Array<number>(order).fill(0);
      addNgramMatches(system, [matchable], counts);
      const totals = counts.map((_, n) => ngramTotal(system.length, n + 1));
      return [system.length, expected.length, ...counts, ...totals];
    },
    score: (sums) => fromSums(sums, order).score,
    scoreOfSingles: (sums) => ({ score: fromSums(sums, order).score, single: false }),
    signature: (referenceCount, resampling = {}) =>
      joinSignature(referenceCount, resampling, [
        `case:${ignoreCase ? 'lc' : 'mixed'}`,
        `order:${order}`,
        'tok:none',
        'smooth:none',
        `compounds:${compoundSplit ? 'split' : 'whole'}`,
      ]),
    line: (sums) => fromSums(sums, order).text,
  };
}

const endOfSentence = '</s>';
const padding = '<pad>';
const unknown = '<unk>';
/** No token of a hypothesis has a space in it. */
const unknownOfReference = ' ';

/** Without padding in front, and without padding and ends of sentence behind, as long as one token is left. */
function trimmed(tokens: string[]): string[] {
  let start = 0;
  while (start < tokens.length && tokens[start] === padding) start++;
  let end = tokens.length;
  while (end - start > 1 && (tokens[end - 1] === endOfSentence || tokens[end - 1] === padding)) end--;
  return tokens.slice(start, end);
}

function fromSums(sums: ArrayLike<number>, order: number): FairseqScore {
  const part = (from: number, length: number) => Array.from({ length }, (_, k) => sums[from + k] as number);
  const [systemLength, referenceLength] = part(0, 2) as [number, number];
  const counts = part(2, order);
  const totals = part(2 + order, order);
  const shares = counts.map((count, n) => ((totals[n] as number) > 0 ? count / (totals[n] as number) : 0));
  const brevityPenalty = Math.min(1, Math.exp(1 - referenceLength / systemLength));
  const logs = shares.reduce((sum, share) => sum + Math.log(share), 0);
  const score = brevityPenalty * Math.exp(logs / order) * 100;
  const precisions = shares.map((share) => share * 100);
  const text =
    `BLEU${order} = ${pythonFixed(score, 2)}, ${precisions.map((each) => pythonFixed(each, 1)).join('/')} ` +
    `(BP=${pythonFixed(brevityPenalty, 3)}, ratio=${pythonFixed(systemLength / referenceLength, 3)}, ` +
    `syslen=${systemLength}, reflen=${referenceLength})`;
  return { score, precisions, brevityPenalty, systemLength, referenceLength, counts, totals, text };
}
