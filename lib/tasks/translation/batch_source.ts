import { groupPairs } from '../../data/batches.js';
import type { Pairs } from '../../data/pairs.js';
import { lengthsOf, type Sentences } from '../../data/sentences.js';
import { packBatch } from '../../model/pack.js';
import { PlannedBatches } from '../planned_batches.js';
import type { BatchTaker } from '../shares.js';

interface PairBatches {
  maxTokens: number;
  multipleOf: number;
  maxSentences?: number;
  accumulate: number;
  seed: number;
}

/** The batches of sentence pairs, as fairseq makes them. */
export class BatchSource extends PlannedBatches {
  constructor(
    pairs: { source: Sentences; target: Sentences },
    { accumulate, ...plan }: PairBatches,
    taker?: BatchTaker,
  ) {
    const pick = (side: keyof Pairs<unknown>, batch: Int32Array) =>
      Array.from(batch, (pair) => pairs[side].at(pair)!);
    super(
      {
        batches: groupPairs(lengthsOf(pairs.source), lengthsOf(pairs.target), plan),
        accumulate,
        seed: plan.seed,
        pack: (batch) => packBatch({ source: pick('source', batch), target: pick('target', batch) }),
      },
      taker,
    );
  }
}
