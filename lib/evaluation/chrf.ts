import { type ChrfConfig, type ChrfOptions, chrfSchema } from '../options/evaluation.js';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import type { Abortable } from '../util/async/abortable.js';
import { splitWords } from './bleu_tokenizer.js';
import {
  corpusStatistics,
  joinSignature,
  type Metric,
  reproducedSacrebleu,
  sacrebleuLine,
} from './metric.js';
import { addNgramMatches, ngramTotal } from './ngram_matches.js';
import { warnOfPieces } from './score_pieces.js';
import { checkedSegments, type References } from './segments.js';

export interface ChrfScore {
  /** chrF2, chrF2++, … : beta behind the name, a plus sign for each word order. */
  name: string;
  /** 0..100. */
  score: number;
  /** sacreBLEU's, letter for letter. */
  signature: string;
}

/**
 * Corpus chrF (or, with wordOrder 2, chrF++) as sacreBLEU 2.6 computes it: the F score of character (and word) n-grams,
 * precision and recall averaged over the orders; of several references the one with the best score of the segment counts.
 *
 * @param hypotheses one detokenized sentence an item.
 * @param references as `bleu` takes them.
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH, ABORTED.
 * @see Popović 2015, 2017; sacrebleu/metrics/chrf.py
 */
export async function chrf(
  hypotheses: readonly string[],
  references: References,
  options: ChrfOptions = {},
  work: Abortable = {},
): Promise<ChrfScore> {
  checkCall(work, ['signal'], 'chrf');
  const { signal } = work;
  const metric = chrfMetric(options);
  const segments = checkedSegments(hypotheses, references, 'chrf');
  warnOfPieces(hypotheses, references);
  const { sums } = await corpusStatistics(metric, segments, signal);
  return {
    name: metric.name,
    score: metric.score(sums),
    signature: metric.signature(segments.referenceCount),
  };
}

/**
 * chrF as a Metric. The statistics of a segment are, for each order, the n-grams of the hypothesis, of the reference and
 * of both; characters first.
 *
 * @throws RdropError INVALID_ARGUMENT.
 */
export function chrfMetric(options: ChrfOptions = {}): Metric {
  const config = parseConfig(chrfSchema, options, 'chrf', 'INVALID_ARGUMENT');
  const { charOrder, wordOrder, beta, lowercase, whitespace, epsSmoothing } = config;

  const symbols = (line: string): { characters: string[]; words: string[] } => {
    const text = lowercase ? line.toLowerCase() : line;
    return {
      characters: [...(whitespace ? text : splitWords(text).join(''))],
      words: wordOrder > 0 ? chrfWords(text) : [],
    };
  };

  return {
    name: `chrF${beta}${'+'.repeat(wordOrder)}`,
    higherIsBetter: true,
    width: 3 * (charOrder + wordOrder),
    segment(hypothesis, references) {
      const system = symbols(hypothesis);
      let best: number[] = [];
      let bestScore = -1;
      for (const reference of references.map(symbols)) {
        const statistics = [
          ...matchStatistics(system.characters, reference.characters, charOrder),
          ...matchStatistics(system.words, reference.words, wordOrder),
        ];
        const score = fScore(statistics, config, exact).score;
        if (score > bestScore) [best, bestScore] = [statistics, score];
      }
      return best;
    },
    score: (sums) => fScore(sums, config, exact).score,
    scoreOfSingles: (sums) => fScore(sums, config, Math.fround),
    signature: (referenceCount, resampling = {}) =>
      joinSignature(referenceCount, resampling, [
        `case:${lowercase ? 'lc' : 'mixed'}`,
        `eff:${epsSmoothing ? 'no' : 'yes'}`,
        `nc:${charOrder}`,
        `nw:${wordOrder}`,
        `space:${whitespace ? 'yes' : 'no'}`,
        `version:${reproducedSacrebleu}`,
      ]),
    line(sums, referenceCount) {
      return sacrebleuLine(this.name, this.signature(referenceCount), this.score(sums));
    },
  };
}

const asciiPunctuation = /[!-/:-@[-`{-~]/;

/** Words with one ASCII punctuation mark cut off, at the end or else at the beginning: `(hi)` gives `(hi` and `)`. */
function chrfWords(line: string): string[] {
  return splitWords(line).flatMap((word) => {
    const characters = [...word];
    if (characters.length === 1) return [word];
    if (asciiPunctuation.test(characters.at(-1) as string)) return [word.slice(0, -1), word.slice(-1)];
    if (asciiPunctuation.test(characters[0] as string)) return [word.slice(0, 1), word.slice(1)];
    return [word];
  });
}

function matchStatistics(system: readonly string[], reference: readonly string[], orders: number): number[] {
  const matches = new Array<number>(orders).fill(0);
  addNgramMatches(system, [reference], matches);
  return matches.flatMap((match, order) => {
    const total = ngramTotal(reference.length, order + 1);
    // Where the reference has no n-gram of an order, those of the hypothesis do not count.
    return [total > 0 ? ngramTotal(system.length, order + 1) : 0, total, match];
  });
}

const exact = (value: number): number => value;
const epsilon = 1e-16;

/**
 * CHRF._compute_f_score. In single precision a number is a float32 once a float32 went into it; where an order has
 * neither n-grams of the hypothesis nor of the reference, epsilon makes doubles.
 */
function fScore(
  sums: ArrayLike<number>,
  { charOrder, wordOrder, beta, epsSmoothing }: ChrfConfig,
  round: (value: number) => number,
): { score: number; single: boolean } {
  const orders = charOrder + wordOrder;
  const factor = beta ** 2;
  let sum = 0;
  let single = false;
  let effectiveOrders = 0;
  let precision = 0;
  let recall = 0;
  for (let order = 0; order < orders; order++) {
    const ofSystem = sums[3 * order] as number;
    const ofReference = sums[3 * order + 1] as number;
    const matches = sums[3 * order + 2] as number;
    const own = ofSystem > 0 || ofReference > 0 ? round : exact;
    const p = ofSystem > 0 ? round(matches / ofSystem) : own(epsilon);
    const r = ofReference > 0 ? round(matches / ofReference) : own(epsilon);
    if (epsSmoothing) {
      const weighted = ofSystem > 0 ? own(factor * p) : own(factor * epsilon);
      const denominator = own(weighted + r);
      const product = ofSystem > 0 ? own((1 + factor) * p) : own((1 + factor) * epsilon);
      const isSingle = own === round && denominator > 0;
      const term = denominator > 0 ? own(own(product * r) / denominator) : epsilon;
      single ||= isSingle;
      sum = single ? round(round(sum) + round(term)) : sum + term;
    }
    if (ofSystem > 0 && ofReference > 0) {
      precision = round(precision + p);
      recall = round(recall + r);
      effectiveOrders++;
    }
  }
  if (epsSmoothing) {
    const own = single ? round : exact;
    return { score: own(own(100 * sum) / orders), single: single && round !== exact };
  }
  if (effectiveOrders === 0) return { score: 0, single: false };
  precision = round(precision / effectiveOrders);
  recall = round(recall / effectiveOrders);
  if (precision + recall === 0) return { score: 0, single: false };
  const product = round(round((1 + factor) * precision) * recall);
  const score = round(product / round(round(factor * precision) + recall));
  return { score: round(100 * score), single: round !== exact };
}
