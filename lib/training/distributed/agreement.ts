import type { TrainConfig } from '../../options/training.js';
import type { TrainingState } from '../checkpoint.js';
import { timeIsUp } from '../progress.js';
import type { Ranks } from './ranks.js';

/** Bits that the ranks give to each step and to meet(). */
const bits = {
  /** A rank is to end. */
  aborted: 1,
  /** Rank 0 has trained as long as it may. */
  timeUp: 2,
  /** Nobody takes the events of rank 0's fit() any longer. */
  left: 4,
} as const;

/**
 * What comes from outside and ends a run: an abort, the clock, whoever takes its events. All ranks know the same of it at the same
 * point and decide by it alone, so that none does one more step, validation or checkpoint than the others. One process alone knows
 * it at once.
 */
export class Agreement {
  readonly #ranks: Ranks;
  readonly #config: TrainConfig;
  readonly #state: TrainingState;
  #agreed = 0;

  constructor(ranks: Ranks, config: TrainConfig, state: TrainingState) {
    this.#ranks = ranks;
    this.#config = config;
    this.#state = state;
  }

  aborted(signal: AbortSignal): boolean {
    return this.#ranks.alone ? signal.aborted : (this.#agreed & bits.aborted) !== 0;
  }

  timeUp(): boolean {
    return this.#ranks.alone ? timeIsUp(this.#config, this.#state) : (this.#agreed & bits.timeUp) !== 0;
  }

  get left(): boolean {
    return (this.#agreed & bits.left) !== 0;
  }

  /** What this rank tells the others. @param left nobody takes its events any longer; of another rank than the first, that is an abort */
  said(signal: AbortSignal, left = false): number {
    const { first } = this.#ranks;
    const aborted = signal.aborted || (left && !first);
    const timeUp = first && timeIsUp(this.#config, this.#state);
    return (aborted ? bits.aborted : 0) | (timeUp ? bits.timeUp : 0) | (left && first ? bits.left : 0);
  }

  /** What every rank has got of a step. */
  add(flags: number): void {
    this.#agreed |= flags;
  }

  /** A validation was aborted, on every rank. */
  abort(): void {
    this.#agreed |= bits.aborted;
  }

  /** Begins anew with what every rank says. @throws RdropError RANK_LOST, RANK_FAILED, DISPOSED */
  async meet(said: number): Promise<void> {
    if (this.#ranks.alone) return;
    const all = await this.#ranks.gather(Uint8Array.of(said));
    this.#agreed = all.reduce((sum, one) => sum | (one[0] ?? 0), 0);
  }
}
