import { groupPairs, shuffleBatches } from '../data/batches.js';
import { packBatch } from '../model/pack.js';
import type { PackedBatch } from '../native.js';

export interface Pairs {
  source: Int32Array[];
  target: Int32Array[];
}

export const lengthsOf = (sentences: readonly Int32Array[]) =>
  Int32Array.from(sentences, (sentence) => sentence.length);

/** The batches of the training data, by epoch (from 1) and position (updates done in the epoch). */
export class BatchSource {
  readonly #pairs: Pairs;
  readonly #batches: Int32Array[];
  readonly #seed: number;
  readonly #accumulate: number;
  #order: { epoch: number; batches: Int32Array[] } = { epoch: 0, batches: [] };

  constructor(
    pairs: Pairs,
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
    const pick = (side: Int32Array[]) => Array.from(batch, (pair) => side[pair]!);
    return packBatch({ source: pick(this.#pairs.source), target: pick(this.#pairs.target) });
  }
}
