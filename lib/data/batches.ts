import { type BatchPlanOptions, batchPlanSchema } from '../options/batches.js';
import { parseConfig } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';
import { NumpyRandom } from '../util/random/numpy_random.js';

/**
 * Groups sentence pairs into batches as fairseq does (language_pair_dataset.py ordered_indices,
 * data_utils_fast.pyx batch_by_size_vec, and EpochBatchIterator's shuffle with numpy's legacy generator).
 *
 * The measure of a pair is its longer side, of a batch its pairs × its longest measure.
 *
 * @param sourceLengths tokens of each source sentence, eos included
 * @param targetLengths the same of the targets
 * @returns for each batch the indices of its pairs
 * @throws RdropError INVALID_CONFIG; INVALID_ARGUMENT when a pair alone exceeds maxTokens or the counts differ
 */
export function planBatches(
  sourceLengths: Int32Array,
  targetLengths: Int32Array,
  options: BatchPlanOptions,
): Int32Array[] {
  const plan = parseConfig(batchPlanSchema, options, 'batches', 'INVALID_ARGUMENT');
  const batches = groupPairs(sourceLengths, targetLengths, {
    maxTokens: plan.maxTokens,
    multipleOf: plan.multipleOf,
    seed: plan.order === 'fairseq' ? plan.seed : null,
  });
  return plan.order === 'fairseq' ? shuffleBatches(batches, plan.seed, plan.epoch) : batches;
}

/** The batches in the order of one epoch; the list given stays as it is. */
export function shuffleBatches(batches: readonly Int32Array[], seed: number, epoch: number): Int32Array[] {
  const shuffled = [...batches];
  new NumpyRandom(seed + epoch).shuffle(shuffled);
  return shuffled;
}

/**
 * The batches before the epoch's shuffle, short to long. seed null keeps pairs of equal lengths in corpus order.
 * maxSentences: most pairs of a batch; 0 sets no limit.
 */
export function groupPairs(
  sourceLengths: Int32Array,
  targetLengths: Int32Array,
  {
    maxTokens,
    multipleOf,
    maxSentences = 0,
    seed,
  }: { maxTokens: number; multipleOf: number; maxSentences?: number; seed: number | null },
): Int32Array[] {
  const pairs = sourceLengths.length;
  if (targetLengths.length !== pairs) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `batches: expected as many target lengths as source lengths, got ${targetLengths.length} and ${pairs}`,
    );
  }
  const corpusOrder = seed === null ? Int32Array.from({ length: pairs }, (_, i) => i) : undefined;
  const drawn = corpusOrder ?? new NumpyRandom(seed!).permutation(pairs);
  const order = stableSort(stableSort(drawn, targetLengths), sourceLengths);
  const measures = order.map((pair) => Math.max(sourceLengths[pair]!, targetLengths[pair]!));
  measures.forEach((measure, at) => {
    if (measure <= maxTokens) return;
    throw new RdropError(
      'INVALID_ARGUMENT',
      `pair ${order[at]}: expected at most ${maxTokens} tokens (maxTokens), got ${measure}`,
    );
  });
  return cut(order, measures, { maxTokens, multipleOf, maxSentences });
}

/** Counting sort: lengths are small whole numbers, and a big corpus must not hold up the event loop. */
function stableSort(order: Int32Array, lengths: Int32Array): Int32Array {
  let longest = 0;
  for (const length of lengths) if (length > longest) longest = length;
  const next = new Int32Array(longest + 2);
  for (const length of lengths) next[length + 1]!++;
  for (let i = 1; i < next.length; i++) next[i]! += next[i - 1]!;
  const sorted = new Int32Array(order.length);
  for (const pair of order) sorted[next[lengths[pair]!]!++] = pair;
  return sorted;
}

/** The scan: [start, end) is the last admissible batch, [end, at] the pairs after it (the tail). */
function cut(
  order: Int32Array,
  measures: Int32Array,
  { maxTokens, multipleOf, maxSentences }: { maxTokens: number; multipleOf: number; maxSentences: number },
): Int32Array[] {
  const most = maxSentences === 0 ? Number.POSITIVE_INFINITY : maxSentences;
  const batches: Int32Array[] = [];
  let start = 0;
  let end = 0;
  let batchLongest = 0;
  let tailLongest = 0;
  const close = () => {
    if (end > start) batches.push(order.slice(start, end));
    start = end;
  };
  for (let at = 0; at < order.length; at++) {
    const measure = measures[at]!;
    tailLongest = Math.max(tailLongest, measure);
    let longest = Math.max(batchLongest, tailLongest);
    const count = at + 1 - start;
    const overflow = count > most || count * longest > maxTokens;
    if (overflow) {
      const tailOverflow = tailLongest * (at + 1 - end) > maxTokens;
      close();
      if (tailOverflow) {
        end = at;
        close();
        tailLongest = measure;
      }
      longest = tailLongest;
    }
    if (overflow || count < multipleOf || count % multipleOf === 0 || count === most) {
      end = at + 1;
      batchLongest = longest;
      tailLongest = 0;
    }
  }
  close();
  end = order.length;
  close();
  return batches;
}
