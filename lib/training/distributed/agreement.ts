import type { Ranks } from './ranks.js';

/** Bits that the ranks give to each step and to meet(). */
export const stop = {
  /** This rank is to end. */
  aborted: 1,
  /** Rank 0 has trained as long as it may. */
  timeUp: 2,
  /** Nobody waits for the next event of rank 0's fit(). */
  left: 4,
} as const;
export type Stop = keyof typeof stop;

/**
 * What all ranks know at the same point of the run. Each decides by it alone, so that all take the same way: none does one more
 * step, validation or checkpoint than the others.
 */
export class Agreement {
  #agreed = 0;

  constructor(readonly ranks: Ranks) {}

  /** What any rank has said. */
  has(what: Stop): boolean {
    return (this.#agreed & stop[what]) !== 0;
  }

  /** Bits that every rank has got: those of a step. */
  add(bits: number): void {
    this.#agreed |= bits;
  }

  /** Begins anew with the bits of every rank. @throws RdropError RANK_LOST, RANK_FAILED, DISPOSED */
  async meet(bits: number): Promise<void> {
    const all = await this.ranks.gather(Uint8Array.of(bits));
    this.#agreed = all.reduce((sum, one) => sum | (one[0] ?? 0), 0);
  }
}
