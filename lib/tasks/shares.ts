/** Work that several processes share. */
import { asRdropError, RdropError } from '../util/errors.js';

/** Which of how many processes takes batches; the only one, unless said otherwise. */
export interface BatchTaker {
  rank: number;
  size: number;
}

/** Processes that share work: the ranks of a run. */
export interface Sharers extends BatchTaker {
  readonly alone: boolean;
  /** Bytes of every process, by rank. @throws RdropError RANK_LOST, RANK_FAILED, DISPOSED */
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
}

/** The one process of work that is not shared. */
export const single: Sharers = { rank: 0, size: 1, alone: true, gather: async (bytes) => [bytes] };

/** Whether a piece of work with a number is this rank's: they are dealt out one by one. */
export const isOwn = ({ rank, size }: BatchTaker, number: number): boolean => number % size === rank;

/**
 * What the ranks make of their shares of some work, by rank. An abort on any of them ends it on all, once each has done its share
 * or was aborted itself.
 *
 * @throws RdropError ABORTED on every rank; RANK_LOST, RANK_FAILED, DISPOSED; and what the work throws
 */
export async function gatherShares(ranks: Sharers, work: () => Promise<Uint8Array>): Promise<Uint8Array[]> {
  if (ranks.alone) return [await work()];
  let own: Uint8Array | null = null;
  let message = '';
  try {
    own = await work();
  } catch (error) {
    const aborted = asRdropError(error);
    if (aborted.code !== 'ABORTED') throw error;
    message = aborted.message;
  }
  const sent = new Uint8Array(1 + (own?.length ?? 0));
  sent[0] = own === null ? 1 : 0;
  if (own !== null) sent.set(own, 1);
  const parts = await ranks.gather(sent);
  const by = parts.findIndex((part) => part[0] === 1);
  if (by >= 0) throw new RdropError('ABORTED', message || `the work was aborted on rank ${by}`);
  // Copies, so that numbers of several bytes lie where they must.
  return parts.map((part) => part.slice(1));
}

export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

export const float64Of = ({ buffer, byteOffset, byteLength }: Uint8Array): Float64Array =>
  new Float64Array(buffer as ArrayBuffer, byteOffset, byteLength / 8);

export const int32Of = ({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array<ArrayBuffer> =>
  new Int32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);

/** Sequences of tokens with the numbers that they have among all, as one array: number, length, tokens, and so on. */
export function packNumbered(sequences: ReadonlyMap<number, Int32Array>): Int32Array {
  const total = [...sequences.values()].reduce((sum, { length }) => sum + length, 2 * sequences.size);
  const packed = new Int32Array(total);
  let at = 0;
  for (const [number, tokens] of sequences) {
    packed.set([number, tokens.length], at);
    packed.set(tokens, at + 2);
    at += 2 + tokens.length;
  }
  return packed;
}

/** Puts what packNumbered() packed to its places. */
export function unpackNumbered(packed: Int32Array<ArrayBuffer>, into: Int32Array<ArrayBuffer>[]): void {
  for (let at = 0; at < packed.length; ) {
    const [number, length] = [packed[at]!, packed[at + 1]!];
    into[number] = packed.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
}
