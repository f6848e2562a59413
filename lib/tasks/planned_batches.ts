import { shuffleBatches } from '../data/batches.js';
import type { PackedBatch } from '../native/contract.js';
import type { BatchTaker } from './shares.js';
import type { TrainBatches } from './task.js';

/** What says which batches an epoch has. */
export interface BatchPlan {
  /** Indices of the items of each batch, in an order of no meaning. */
  batches: Int32Array[];
  /** Batches of one update and rank. */
  accumulate: number;
  /** Of the order. */
  seed: number;
  pack: (batch: Int32Array) => PackedBatch;
}

/**
 * Batches that are shuffled anew for each epoch (from 1). One update takes as many as follow one another as all ranks accumulate
 * together, and deals them out one by one: batch m of the update is rank m mod W's.
 */
export class PlannedBatches implements TrainBatches {
  /** Batches of one update, of all ranks. The last update of an epoch takes what is left, as fairseq does. */
  readonly batchesPerUpdate: number;
  readonly #plan: BatchPlan;
  readonly #taker: BatchTaker;
  #order: { epoch: number; batches: Int32Array[] } = { epoch: 0, batches: [] };

  constructor(plan: BatchPlan, taker: BatchTaker = { rank: 0, size: 1 }) {
    this.#plan = plan;
    this.#taker = taker;
    this.batchesPerUpdate = plan.accumulate * taker.size;
  }

  get batchesPerEpoch(): number {
    return this.#plan.batches.length;
  }

  get updatesPerEpoch(): number {
    return Math.ceil(this.batchesPerEpoch / this.batchesPerUpdate);
  }

  /** Batches of the epoch that are done after the update that begins with batch `first`. */
  after(first: number): number {
    return Math.min(first + this.batchesPerUpdate, this.batchesPerEpoch);
  }

  /** This rank's batches of the update that begins with batch `first` of the epoch, packed; at the end of an epoch perhaps none. */
  at(epoch: number, first: number): PackedBatch[] {
    const { batches, seed, pack } = this.#plan;
    if (this.#order.epoch !== epoch) this.#order = { epoch, batches: shuffleBatches(batches, seed, epoch) };
    const { rank, size } = this.#taker;
    return this.#order.batches
      .slice(first, this.after(first))
      .filter((_, number) => number % size === rank)
      .map((batch) => pack(batch));
  }
}
