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

/** The batches of the training data, by epoch (from 1) and position (updates done in the epoch). */
export class BatchSource {
  readonly #pairs: { source: Sentences; target: Sentences };
  readonly #batches: Int32Array[];
  readonly #seed: number;
  readonly #accumulate: number;
  #order: { epoch: number; batches: Int32Array[] } = { epoch: 0, batches: [] };

  constructor(
    pairs: { source: Sentences; target: Sentences },
    plan: { maxTokens: number; multipleOf: number; accumulate: number; seed: number },
  ) {
    this.#pairs = pairs;
    this.#seed = plan.seed;
    this.#accumulate = plan.accumulate;
    this.#batches = groupPairs(lengthsOf(pairs.source), lengthsOf(pairs.target), plan);
  }

  get batchesPerEpoch(): number {
    return this.#batches.length;
  }

  /** The last update of an epoch takes what is left, as fairseq does. */
  get updatesPerEpoch(): number {
    return Math.ceil(this.#batches.length / this.#accumulate);
  }

  /** The batches of one update, packed. */
  at(epoch: number, position: number): PackedBatch[] {
    if (this.#order.epoch !== epoch) {
      this.#order = { epoch, batches: shuffleBatches(this.#batches, this.#seed, epoch) };
    }
    const start = position * this.#accumulate;
    return this.#order.batches.slice(start, start + this.#accumulate).map((batch) => this.#pack(batch));
  }

  #pack(batch: Int32Array): PackedBatch {
    const pick = (side: Sentences) => Array.from(batch, (pair) => side.at(pair)!);
    return packBatch({ source: pick(this.#pairs.source), target: pick(this.#pairs.target) });
  }
}
