import type { Packed, PackedBatch } from '../native/contract.js';
import { describe } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';

/** Ragged sentence pairs as token ids, eos included, no padding. */
export interface Batch {
  /** Tokens of each source sentence, eos included. */
  source: readonly Int32Array[];
  /** Tokens of each target sentence, eos included. */
  target: readonly Int32Array[];
}

/**
 * Sentences one after another, with the offsets of their ends.
 *
 * @throws RdropError INVALID_ARGUMENT; the range of the ids is checked natively
 */
export function pack(sentences: readonly Int32Array[], side: string): Packed {
  if (!Array.isArray(sentences)) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${side}: expected an array of Int32Array, got ${describe(sentences)}`,
    );
  }
  const offsets = new Int32Array(sentences.length + 1);
  sentences.forEach((sentence: unknown, i) => {
    if (!(sentence instanceof Int32Array) || sentence.length === 0) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `${side} of pair ${i}: expected an Int32Array with at least eos, got ${describe(sentence)}`,
      );
    }
    offsets[i + 1] = offsets[i]! + sentence.length;
  });
  const tokens = new Int32Array(offsets[sentences.length]!);
  sentences.forEach((sentence: Int32Array, i) => {
    tokens.set(sentence, offsets[i]!);
  });
  return { tokens, offsets };
}

/** @throws RdropError INVALID_ARGUMENT */
export function packBatch(batch: Batch): PackedBatch {
  if (typeof batch !== 'object' || batch === null) {
    throw new RdropError('INVALID_ARGUMENT', `batch: expected {source, target}, got ${describe(batch)}`);
  }
  const source = pack(batch.source, 'source');
  const target = pack(batch.target, 'target');
  if (batch.source.length !== batch.target.length || batch.source.length === 0) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `batch: expected as many sources as targets, at least one, got ${batch.source.length} and ${batch.target.length}`,
    );
  }
  return { source, target };
}
