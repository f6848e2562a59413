import { type BleuConfig, type BleuOptions, bleuSchema } from '../options/evaluation.js';
import { parseConfig } from '../options/schema/parse.js';
import { pythonFixed } from '../util/python_numbers.js';
import { warn } from '../util/warnings.js';
import { bleuTokenizers, trimEnd } from './bleu_tokenizer.js';
import { joinSignature, type Metric, reproducedSacrebleu, sacrebleuLine } from './metric.js';
import { addNgramMatches, ngramTotal } from './ngram_matches.js';
import { warnOfPieces } from './score_pieces.js';
import { checkedSegments, type References } from './segments.js';
import { unfitTokenizer } from './unfit_tokenizer.js';

export interface BleuScore {
  /** 0..100. */
  score: number;
  /** In percent, for n = 1..maxNgramOrder (4), smoothed. */
  precisions: number[];
  /** 0..1. */
  brevityPenalty: number;
  /** Tokens of the hypotheses. */
  systemLength: number;
  /** Tokens of the references; with several, of the one closest in length to its hypothesis. */
  referenceLength: number;
  /** Matched n-grams, n = 1..maxNgramOrder, before smoothing. */
  counts: number[];
  /** N-grams of the hypotheses, likewise. */
  totals: number[];
  /**
   * sacreBLEU's signature, letter for letter, e.g. `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`. Its version
   * is that of the sacreBLEU reproduced here, so that scores of either program can be compared by their signatures.
   */
  signature: string;
}

/**
 * Corpus BLEU as sacreBLEU 2.6 computes it; by default n-grams up to 4, exponential smoothing, effective order off.
 *
 * @param hypotheses one detokenized sentence an item.
 * @param references one stream of sentences, or several streams of the same length (`references[r][i]`, sacreBLEU's
 *   layout; null where a stream has none).
 * @param options tokenize: '13a' (default) | 'none' | 'intl' | 'char'; lowercase: false; smoothMethod, smoothValue,
 *   maxNgramOrder, effectiveOrder as sacreBLEU's.
 * Warns (UNFIT_TOKENIZER) where references without spaces between words meet a tokenizer that needs them, and (PIECES) where either
 * side looks as if its words were cut into pieces.
 *
 * @throws RdropError INVALID_ARGUMENT (no hypothesis, no reference, not a string, unknown option), LINE_COUNT_MISMATCH.
 * @see Papineni et al. 2002; Post 2018; sacrebleu/metrics/bleu.py
 */
export function bleu(
  hypotheses: readonly string[],
  references: References,
  options: BleuOptions = {},
): BleuScore {
  const score = corpusBleu(hypotheses, references, options);
  warnOfTokenizer(references, options.tokenize);
  warnOfPieces(hypotheses, references);
  return score;
}

/** Warns where BLEU's words are none. */
export function warnOfTokenizer(references: References, tokenize: BleuConfig['tokenize'] = '13a'): void {
  const warning = unfitTokenizer(references, { tokenize, instead: charInstead });
  if (warning !== null) warn(warning);
}

const charInstead =
  'tokenize "char" (--tokenize char) counts characters; sacreBLEU has tokenizers of their own for such languages';

/** `bleu` for callers that have warned before. */
export function corpusBleu(
  hypotheses: readonly string[],
  references: References,
  options: BleuOptions = {},
): BleuScore {
  const config = parseConfig(bleuSchema, options, 'bleu', 'INVALID_ARGUMENT');
  const segments = checkedSegments(hypotheses, references, 'bleu');
  const metric = bleuMetricOf(config);
  const sums = new Float64Array(metric.width);
  hypotheses.forEach((hypothesis, line) => {
    metric.segment(hypothesis, segments.referencesOf(line)).forEach((value, k) => {
      sums[k] = (sums[k] as number) + value;
    });
  });
  return { ...fromSums(sums, config, exact), signature: metric.signature(segments.referenceCount) };
}

/** One line as sacreBLEU prints it in its text format, with two decimals. */
export function formatBleu(bleu: BleuScore): string {
  const precisions = bleu.precisions.map((precision) => pythonFixed(precision, 1)).join('/');
  const ratio = bleu.referenceLength > 0 ? bleu.systemLength / bleu.referenceLength : 0;
  const details =
    ` ${precisions} (BP = ${pythonFixed(bleu.brevityPenalty, 3)} ratio = ${pythonFixed(ratio, 3)} ` +
    `hyp_len = ${bleu.systemLength} ref_len = ${bleu.referenceLength})`;
  return sacrebleuLine('BLEU', bleu.signature, bleu.score, details);
}

/**
 * BLEU as a Metric. The statistics of a segment are both lengths, the matched n-grams and all n-grams of the hypothesis.
 *
 * @throws RdropError INVALID_ARGUMENT.
 */
export function bleuMetric(options: BleuOptions = {}): Metric {
  return bleuMetricOf(parseConfig(bleuSchema, options, 'bleu', 'INVALID_ARGUMENT'));
}

function bleuMetricOf(config: BleuConfig): Metric {
  const tokenize = bleuTokenizers[config.tokenize];
  const tokens = (line: string) => tokenize(trimEnd(config.lowercase ? line.toLowerCase() : line));
  return {
    name: 'BLEU',
    higherIsBetter: true,
    width: 2 + 2 * config.maxNgramOrder,
    segment(hypothesis, references) {
      const system = tokens(hypothesis);
      const alternatives = references.map(tokens);
      const counts = new Array<number>(config.maxNgramOrder).fill(0);
      addNgramMatches(system, alternatives, counts);
      const lengths = alternatives.map((words) => words.length);
      const totals = counts.map((_, order) => ngramTotal(system.length, order + 1));
      return [system.length, closestLength(system.length, lengths), ...counts, ...totals];
    },
    score: (sums) => fromSums(sums, config, exact).score,
    // The precisions are float32; logarithm and exponential give doubles again.
    scoreOfSingles: (sums) => ({ score: fromSums(sums, config, Math.fround).score, single: false }),
    signature: (referenceCount, resampling = {}) =>
      joinSignature(referenceCount, resampling, [
        `case:${config.lowercase ? 'lc' : 'mixed'}`,
        `eff:${config.effectiveOrder ? 'yes' : 'no'}`,
        `tok:${config.tokenize}`,
        `smooth:${smoothing(config)}`,
        `version:${reproducedSacrebleu}`,
      ]),
    line(sums, referenceCount) {
      return formatBleu({ ...fromSums(sums, config, exact), signature: this.signature(referenceCount) });
    },
  };
}

const smoothDefaults = { exp: undefined, floor: 0.1, 'add-k': 1, none: undefined } as const;

const smoothValueOf = ({ smoothMethod, smoothValue }: BleuConfig): number | undefined =>
  smoothValue ?? smoothDefaults[smoothMethod];

function smoothing(config: BleuConfig): string {
  const value = smoothValueOf(config);
  return value === undefined ? config.smoothMethod : `${config.smoothMethod}[${pythonFixed(value, 2)}]`;
}

/** The length closest to the hypothesis's; of two as close, the shorter. */
function closestLength(length: number, candidates: readonly number[]): number {
  return candidates.reduce((best, candidate) => {
    const difference = Math.abs(candidate - length) - Math.abs(best - length);
    return difference < 0 || (difference === 0 && candidate < best) ? candidate : best;
  });
}

const exact = (value: number): number => value;

/** BLEU.compute_bleu of sacreBLEU; `round` gives every intermediate result the precision of the sums. */
function fromSums(
  sums: ArrayLike<number>,
  config: BleuConfig,
  round: (value: number) => number,
): Omit<BleuScore, 'signature'> {
  const { smoothMethod, maxNgramOrder, effectiveOrder } = config;
  const value = smoothValueOf(config) ?? 0;
  const part = (from: number, length: number) => Array.from({ length }, (_, k) => sums[from + k] as number);
  const [systemLength, referenceLength] = part(0, 2) as [number, number];
  const counts = part(2, maxNgramOrder);
  const totals = part(2 + maxNgramOrder, maxNgramOrder);
  const precisions = new Array<number>(maxNgramOrder).fill(0);
  let brevityPenalty = 1;
  if (systemLength < referenceLength) {
    brevityPenalty = systemLength > 0 ? Math.exp(1 - referenceLength / systemLength) : 0;
  }
  const rest = { precisions, brevityPenalty, systemLength, referenceLength, counts, totals };
  if (counts.every((count) => count === 0)) return { score: 0, ...rest };

  let halvings = 1;
  let orders = maxNgramOrder;
  for (let n = 1; n <= maxNgramOrder; n++) {
    const added = smoothMethod === 'add-k' && n > 1 ? round(value) : 0;
    const count = round((counts[n - 1] as number) + added);
    const total = round((totals[n - 1] as number) + added);
    if (total === 0) break;
    if (effectiveOrder) orders = n;
    if (count > 0) precisions[n - 1] = round(round(100 * count) / total);
    else if (smoothMethod === 'exp') {
      halvings *= 2;
      precisions[n - 1] = round(100 / round(halvings * total));
    } else if (smoothMethod === 'floor') precisions[n - 1] = round(round(100 * value) / total);
  }
  // A precision of 0 makes the score 0, as in sacreBLEU.
  const logs = precisions.slice(0, orders).reduce((sum, precision) => sum + Math.log(precision), 0);
  return { score: brevityPenalty * Math.exp(logs / orders), ...rest };
}
