import { YieldTimer } from '../util/async/yield_timer.js';
import { pythonFixed } from '../util/python_numbers.js';
import type { Segments } from './segments.js';

export { YieldTimer } from '../util/async/yield_timer.js';

/** The sacreBLEU whose arithmetic is reproduced here; scores with equal signatures are comparable. */
export const reproducedSacrebleu = '2.6.0';

/**
 * A corpus metric as statistics of single segments that add up, and a function of their sums: what resampling needs.
 */
export interface Metric {
  /** As the field prints it: BLEU, chrF2++, TER, fairseq-score. */
  readonly name: string;
  /** Whether a higher score is a better one; of TER a lower one is. */
  readonly higherIsBetter: boolean;
  /** Statistics a segment has. */
  readonly width: number;
  /** The statistics of one segment against its references (one or more). */
  segment(hypothesis: string, references: readonly string[]): number[];
  /** The score (0..100, TER from 0) of sums of statistics, in double precision. */
  score(sums: ArrayLike<number>): number;
  /**
   * The score in the arithmetic of sacreBLEU's bootstrap, whose sums are numpy float32 scalars: from numpy 2 on
   * (NEP 50) a float32 stays one when it meets a Python float.
   */
  scoreOfSingles(sums: Float32Array): SingleScore;
  /** sacreBLEU's signature: the metric's options, how many references, which resampling. */
  signature(referenceCount: number | 'var', resampling?: Resampling): string;
  /** The line that the original program prints, with two decimals. */
  line(sums: ArrayLike<number>, referenceCount: number | 'var'): string;
}

export interface SingleScore {
  score: number;
  /** Whether sacreBLEU has it as a float32; otherwise it is a double. */
  single: boolean;
}

/** What a signature says about resampling. */
export interface Resampling {
  bootstrap?: number;
  randomization?: number;
  seed?: number;
}

/** A signature letter for letter: what all metrics have, then the metric's own, the version last. */
export function joinSignature(
  referenceCount: number | 'var',
  { bootstrap, randomization, seed }: Resampling,
  own: readonly string[],
): string {
  return [
    `nrefs:${referenceCount}`,
    ...(bootstrap === undefined ? [] : [`bs:${bootstrap}`]),
    ...(randomization === undefined ? [] : [`ar:${randomization}`]),
    ...(seed === undefined ? [] : [`seed:${seed}`]),
    ...own,
  ].join('|');
}

/** The line of sacreBLEU's text format; `details` follow the score. */
export function sacrebleuLine(name: string, signature: string, score: number, details = ''): string {
  return `${name}|${signature} = ${pythonFixed(score, 2)}${details}`;
}

/** The statistics of a corpus: `width` numbers a segment, one segment after the other. */
export interface CorpusStatistics {
  readonly metric: Metric;
  readonly segments: number;
  readonly rows: Float64Array;
  readonly sums: Float64Array;
}

/** @throws RdropError ABORTED. */
export async function corpusStatistics(
  metric: Metric,
  { hypotheses, referencesOf }: Segments,
  signal?: AbortSignal,
): Promise<CorpusStatistics> {
  const rows = new Float64Array(hypotheses.length * metric.width);
  const sums = new Float64Array(metric.width);
  const breaks = new YieldTimer(metric.name, signal);
  for (let segment = 0; segment < hypotheses.length; segment++) {
    if (breaks.due()) await breaks.take();
    const own = metric.segment(hypotheses[segment] as string, referencesOf(segment));
    rows.set(own, segment * metric.width);
    own.forEach((value, k) => {
      sums[k] = (sums[k] as number) + value;
    });
  }
  return { metric, segments: hypotheses.length, rows, sums };
}
