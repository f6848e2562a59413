import { type TerOptions, terSchema } from '../options/evaluation.js';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import type { Abortable } from '../util/async/abortable.js';
import {
  corpusStatistics,
  joinSignature,
  type Metric,
  reproducedSacrebleu,
  sacrebleuLine,
} from './metric.js';
import { warnOfPieces } from './score_pieces.js';
import { checkedSegments, type References } from './segments.js';
import { translationEdits } from './ter_edits.js';
import { tokenizeTer } from './ter_tokenizer.js';

export interface TerScore {
  /** Edits per 100 reference words; lower is better. */
  score: number;
  edits: number;
  /** Reference words; with several references, the sum over segments of their average length. */
  referenceLength: number;
  /** sacreBLEU's, letter for letter. */
  signature: string;
}

/**
 * Corpus translation edit rate as sacreBLEU 2.6 computes it (Tercom's). Of several references the one that needs fewest
 * edits counts, over their average length.
 *
 * @param hypotheses one sentence an item.
 * @param references as `bleu` takes them.
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH, ABORTED.
 * @see Snover et al. 2006; sacrebleu/metrics/ter.py
 */
export async function ter(
  hypotheses: readonly string[],
  references: References,
  options: TerOptions = {},
  work: Abortable = {},
): Promise<TerScore> {
  checkCall(work, ['signal'], 'ter');
  const { signal } = work;
  const metric = terMetric(options);
  const segments = checkedSegments(hypotheses, references, 'ter');
  warnOfPieces(hypotheses, references);
  const { sums } = await corpusStatistics(metric, segments, signal);
  const [edits, referenceLength] = sums as unknown as [number, number];
  const signature = metric.signature(segments.referenceCount);
  return { score: metric.score(sums), edits, referenceLength, signature };
}

/**
 * TER as a Metric. The statistics of a segment are the edits and the length of the reference.
 *
 * @throws RdropError INVALID_ARGUMENT.
 */
export function terMetric(options: TerOptions = {}): Metric {
  const config = parseConfig(terSchema, options, 'ter', 'INVALID_ARGUMENT');
  const yes = (value: boolean) => (value ? 'yes' : 'no');
  const rate = (edits: number, length: number, round: (value: number) => number): number =>
    length > 0 ? round(100 * round(edits / length)) : edits > 0 ? 100 : 0;
  return {
    name: 'TER',
    higherIsBetter: false,
    width: 2,
    segment(hypothesis, references) {
      const system = tokenizeTer(hypothesis, config);
      let edits = Number.POSITIVE_INFINITY;
      let length = 0;
      for (const reference of references) {
        // sacreBLEU tokenizes a reference twice, which `normalized` can tell: `a.,2` gets a space more each time.
        let words = tokenizeTer(reference, config);
        if (config.normalized) words = tokenizeTer(words.join(' '), config);
        edits = Math.min(edits, translationEdits(system, words));
        length += words.length;
      }
      return [edits, length / references.length];
    },
    score: (sums) => rate(sums[0] as number, sums[1] as number, (value) => value),
    scoreOfSingles(sums) {
      const [edits, length] = sums as unknown as [number, number];
      return { score: rate(edits, length, Math.fround), single: length > 0 };
    },
    signature: (referenceCount, resampling = {}) =>
      joinSignature(referenceCount, resampling, [
        `case:${config.caseSensitive ? 'mixed' : 'lc'}`,
        'tok:tercom',
        `norm:${yes(config.normalized)}`,
        `punct:${yes(!config.noPunct)}`,
        `asian:${yes(config.asianSupport)}`,
        `version:${reproducedSacrebleu}`,
      ]),
    line(sums, referenceCount) {
      return sacrebleuLine(this.name, this.signature(referenceCount), this.score(sums));
    },
  };
}
