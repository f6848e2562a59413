import { type BleuOptions, bleuSchema, describe, parseConfig } from '../config.js';
import { RdropError } from '../errors.js';
import { bleuTokenisers, trimEnd } from './bleu_tokenise.js';

const maxOrder = 4;

/** The sacreBLEU whose arithmetic this file reproduces; scores with equal signatures are comparable. */
export const reproducedSacrebleu = '2.6.0';

export interface BleuScore {
  /** 0..100. */
  score: number;
  /** In percent, for n = 1..4, smoothed. */
  precisions: number[];
  /** 0..1. */
  brevityPenalty: number;
  /** Tokens of the hypotheses. */
  systemLength: number;
  /** Tokens of the references; with several, of the one closest in length to its hypothesis. */
  referenceLength: number;
  /** Matched n-grams, n = 1..4. */
  counts: number[];
  /** N-grams of the hypotheses, n = 1..4. */
  totals: number[];
  /**
   * sacreBLEU's signature, letter for letter, e.g. `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`. Its version
   * is that of the sacreBLEU reproduced here, so that scores of either program can be compared by their signatures.
   */
  signature: string;
}

/**
 * Corpus BLEU as sacreBLEU 2.6 computes it by default: n-grams up to 4, exponential smoothing, effective order off.
 *
 * @param hypotheses one detokenised sentence an item.
 * @param references one stream of sentences, or several streams of the same length (`references[r][i]`, sacreBLEU's layout).
 * @param options tokenize: '13a' (default) | 'none' | 'intl' | 'char'; lowercase: false.
 * @throws RdropError INVALID_ARGUMENT (no hypothesis, no reference, not a string, unknown option), LINE_COUNT_MISMATCH.
 * @see Papineni et al. 2002; Post 2018; sacrebleu/metrics/bleu.py
 */
export function bleu(
  hypotheses: readonly string[],
  references: readonly string[] | readonly (readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  const { tokenize, lowercase } = parseConfig(bleuSchema, options, 'bleu', 'INVALID_ARGUMENT');
  const streams = checkedStreams(hypotheses, references);
  const tokenise = bleuTokenisers[tokenize];
  const tokens = (line: string) => tokenise(trimEnd(lowercase ? line.toLowerCase() : line));

  const counts = new Array<number>(maxOrder).fill(0);
  const totals = new Array<number>(maxOrder).fill(0);
  let systemLength = 0;
  let referenceLength = 0;
  hypotheses.forEach((hypothesis, line) => {
    const system = tokens(hypothesis);
    const alternatives = streams.map((stream) => tokens(stream[line] as string));
    countMatches(system, alternatives, counts, totals);
    systemLength += system.length;
    referenceLength += closestLength(
      system.length,
      alternatives.map((words) => words.length),
    );
  });

  return {
    ...fromCounts(counts, totals, systemLength, referenceLength),
    systemLength,
    referenceLength,
    counts,
    totals,
    signature: [
      `nrefs:${streams.length}`,
      `case:${lowercase ? 'lc' : 'mixed'}`,
      'eff:no',
      `tok:${tokenize}`,
      'smooth:exp',
      `version:${reproducedSacrebleu}`,
    ].join('|'),
  };
}

/** One line as sacreBLEU prints it in its text format, with two decimals. */
export function formatBleu(bleu: BleuScore): string {
  const precisions = bleu.precisions.map((precision) => precision.toFixed(1)).join('/');
  const ratio = bleu.referenceLength > 0 ? bleu.systemLength / bleu.referenceLength : 0;
  return (
    `BLEU|${bleu.signature} = ${bleu.score.toFixed(2)} ${precisions} ` +
    `(BP = ${bleu.brevityPenalty.toFixed(3)} ratio = ${ratio.toFixed(3)} ` +
    `hyp_len = ${bleu.systemLength} ref_len = ${bleu.referenceLength})`
  );
}

function checkedStreams(
  hypotheses: readonly string[],
  references: readonly string[] | readonly (readonly string[])[],
): readonly (readonly string[])[] {
  checkLines(hypotheses, 'hypotheses');
  if (!Array.isArray(references) || references.length === 0) {
    throw invalid('references', 'expected at least one array of strings', references);
  }
  const several = Array.isArray(references[0]);
  const streams = (several ? references : [references]) as readonly (readonly string[])[];
  streams.forEach((stream, r) => {
    const name = several ? `references[${r}]` : 'references';
    checkLines(stream, name);
    if (stream.length !== hypotheses.length) {
      throw new RdropError(
        'LINE_COUNT_MISMATCH',
        `bleu: expected as many ${name} as hypotheses (${hypotheses.length}), got ${stream.length}`,
      );
    }
  });
  return streams;
}

function checkLines(lines: readonly string[], name: string): void {
  if (!Array.isArray(lines) || lines.length === 0) {
    throw invalid(name, 'expected a non-empty array of strings', lines);
  }
  const wrong = lines.findIndex((line) => typeof line !== 'string');
  if (wrong >= 0) throw invalid(`${name}[${wrong}]`, 'expected a string', lines[wrong]);
}

function invalid(name: string, expected: string, value: unknown): RdropError {
  return new RdropError('INVALID_ARGUMENT', `bleu: ${name}: ${expected}, got ${describe(value)}`);
}

/**
 * Adds one segment's n-grams to totals and those matched to counts. A hypothesis n-gram is matched as often as the
 * reference with most of it has it: each match uses one up.
 *
 * N-grams are the nodes of a tree whose edges are numbered words; `children` maps (parent, word) to a node, 0 is the
 * root. Small whole numbers make far cheaper keys than joined strings, and a hypothesis leaves the tree at its first
 * word that no reference continues with.
 */
function countMatches(
  system: readonly string[],
  alternatives: readonly (readonly string[])[],
  counts: number[],
  totals: number[],
): void {
  const wordIds = new Map<string, number>();
  for (const words of alternatives) {
    for (const word of words) if (!wordIds.has(word)) wordIds.set(word, wordIds.size);
  }
  const children = new Map<number, number>();
  const available = [0];
  for (const words of alternatives) {
    const ids = words.map((word) => wordIds.get(word) as number);
    const own = new Array<number>(available.length).fill(0);
    for (let start = 0; start < ids.length; start++) {
      let node = 0;
      for (let at = start; at < ids.length && at < start + maxOrder; at++) {
        const key = node * wordIds.size + (ids[at] as number);
        node = children.get(key) ?? own.length;
        if (node === own.length) {
          children.set(key, node);
          own.push(1);
        } else own[node] = (own[node] as number) + 1;
      }
    }
    own.forEach((count, node) => {
      available[node] = Math.max(available[node] ?? 0, count);
    });
  }

  for (let order = 0; order < maxOrder; order++) {
    totals[order] = (totals[order] as number) + Math.max(0, system.length - order);
  }
  const ids = system.map((word) => wordIds.get(word));
  for (let start = 0; start < ids.length; start++) {
    let node: number | undefined = 0;
    for (let order = 0; order < maxOrder; order++) {
      const id = ids[start + order];
      if (id === undefined) break;
      node = children.get(node * wordIds.size + id);
      if (node === undefined) break;
      const left = available[node] as number;
      if (left === 0) continue;
      available[node] = left - 1;
      counts[order] = (counts[order] as number) + 1;
    }
  }
}

/** The length closest to the hypothesis's; of two as close, the shorter. */
function closestLength(length: number, candidates: readonly number[]): number {
  return candidates.reduce((best, candidate) => {
    const difference = Math.abs(candidate - length) - Math.abs(best - length);
    return difference < 0 || (difference === 0 && candidate < best) ? candidate : best;
  });
}

/** BLEU.compute_bleu of sacreBLEU with smooth_method 'exp'. */
function fromCounts(
  counts: readonly number[],
  totals: readonly number[],
  systemLength: number,
  referenceLength: number,
): { score: number; precisions: number[]; brevityPenalty: number } {
  let brevityPenalty = 1;
  if (systemLength < referenceLength) {
    brevityPenalty = systemLength > 0 ? Math.exp(1 - referenceLength / systemLength) : 0;
  }
  const precisions = new Array<number>(maxOrder).fill(0);
  if (counts.every((count) => count === 0)) return { score: 0, precisions, brevityPenalty };
  let smoothing = 1;
  for (let order = 0; order < maxOrder; order++) {
    const count = counts[order] as number;
    const total = totals[order] as number;
    if (total === 0) break;
    if (count === 0) smoothing *= 2;
    precisions[order] = count === 0 ? 100 / (smoothing * total) : (100 * count) / total;
  }
  // A precision of 0 means that the hypotheses have no n-gram of that order: the score is then 0, as in sacreBLEU.
  const meanLog = precisions.reduce((sum, precision) => sum + Math.log(precision), 0) / maxOrder;
  return { score: brevityPenalty * Math.exp(meanLog), precisions, brevityPenalty };
}
