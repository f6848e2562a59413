import { groupPairs, shuffleBatches } from '../data/batches.js';
import { packBatch } from '../model/pack.js';
import type { PackedBatch } from '../native/contract.js';

export interface Pairs {
  source: Int32Array[];
  target: Int32Array[];
}

/** Sentences by their number: an array of them, or a SentenceStore. */
export interface Sentences {
  readonly length: number;
  at(index: number): Int32Array | undefined;
}

export const lengthsOf = (sentences: Sentences): Int32Array =>
  Int32Array.from({ length: sentences.length }, (_, i) => sentences.at(i)!.length);

/** Which of how many processes takes batches; the only one, unless said otherwise. */
export interface BatchTaker {
  rank: number;
  size: number;
}

/**
 * The batches of the training data, by epoch (from 1) and place in the epoch. One update takes as many as follow one another as
 * all ranks accumulate together, and deals them out one by one: batch m of the update is rank m mod W's.
 */
export class BatchSource {
  /** Batches of one update, of all ranks. The last update of an epoch takes what is left, as fairseq does. */
  readonly batchesPerUpdate: number;
  readonly #pairs: { source: Sentences; target: Sentences };
  readonly #batches: Int32Array[];
  readonly #seed: number;
  readonly #taker: BatchTaker;
  #order: { epoch: number; batches: Int32Array[] } = { epoch: 0, batches: [] };

  constructor(
    pairs: { source: Sentences; target: Sentences },
    plan: {
      maxTokens: number;
      multipleOf: number;
      maxSentences?: number;
      accumulate: number;
      seed: number;
    },
    taker: BatchTaker = { rank: 0, size: 1 },
  ) {
    this.#pairs = pairs;
    this.#seed = plan.seed;
    this.#taker = taker;
    this.batchesPerUpdate = plan.accumulate * taker.size;
    this.#batches = groupPairs(lengthsOf(pairs.source), lengthsOf(pairs.target), plan);
  }

  get batchesPerEpoch(): number {
    return this.#batches.length;
  }

  get updatesPerEpoch(): number {
    return Math.ceil(this.#batches.length / this.batchesPerUpdate);
  }

  /** Batches of the epoch that are done after the update that begins with batch `first`. */
  after(first: number): number {
    return Math.min(first + this.batchesPerUpdate, this.#batches.length);
  }

  /** This rank's batches of the update that begins with batch `first` of the epoch, packed; at the end of an epoch perhaps none. */
  at(epoch: number, first: number): PackedBatch[] {
    if (this.#order.epoch !== epoch) {
      this.#order = { epoch, batches: shuffleBatches(this.#batches, this.#seed, epoch) };
    }
    const { rank, size } = this.#taker;
    return this.#order.batches
      .slice(first, this.after(first))
      .filter((_, number) => number % size === rank)
      .map((batch) => this.#pack(batch));
  }

  #pack(batch: Int32Array): PackedBatch {
    const pick = (side: Sentences) => Array.from(batch, (pair) => side.at(pair)!);
    return packBatch({ source: pick(this.#pairs.source), target: pick(this.#pairs.target) });
  }
}
