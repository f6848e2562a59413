import type { Packed, PackedBatch } from '../native/contract.js';
import { describe } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';

/**
 * Ragged sequences as token ids, without padding: sentence pairs for an encoder-decoder; for a decoder what it reads, and what it
 * predicts at each position; for an encoder texts, with a class or a value of each.
 */
export interface Batch {
  /** Tokens of each source sentence, eos included; of a decoder or an encoder, those of each sequence that it reads. */
  source: readonly Int32Array[];
  /**
   * Tokens of each target sentence, eos included. Of a decoder as many as its source has, each the one that follows; of an encoder
   * one number, the class from 0 on, or no list at all where `values` has numbers.
   */
  target: readonly Int32Array[];
  /** The type of each source token, of an encoder with `tokenTypes`. Left out: all 0. */
  tokenTypes?: readonly Int32Array[] | undefined;
  /** A number for each source, of an encoder whose output is a value; `target` is then empty. Left out: there are none. */
  values?: readonly number[] | Float64Array | undefined;
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

const invalid = (message: string): RdropError => new RdropError('INVALID_ARGUMENT', message);

/** @throws RdropError INVALID_ARGUMENT; what the network at hand wants besides is checked natively */
export function packBatch(batch: Batch): PackedBatch {
  if (typeof batch !== 'object' || batch === null) {
    throw invalid(`batch: expected {source, target}, got ${describe(batch)}`);
  }
  const source = pack(batch.source, 'source');
  const target = pack(batch.target, 'target');
  const packed: PackedBatch = { source, target };
  const [name, labels] = batch.values === undefined ? ['targets', batch.target] : ['values', batch.values];
  if (batch.values !== undefined) packed.values = packValues(batch.values);
  if (batch.source.length !== labels.length || batch.source.length === 0) {
    throw invalid(
      `batch: expected as many sources as ${name}, at least one, got ${batch.source.length} and ${labels.length}`,
    );
  }
  if (batch.values !== undefined && batch.target.length > 0) {
    throw invalid(`batch: expected no targets beside values, got ${batch.target.length}`);
  }
  if (batch.tokenTypes !== undefined) {
    const types = pack(batch.tokenTypes, 'tokenTypes');
    if (String(types.offsets) !== String(source.offsets)) {
      throw invalid('batch: expected tokenTypes with as many numbers as each source has tokens');
    }
    packed.tokenTypes = types.tokens;
  }
  return packed;
}

function packValues(values: unknown): Float64Array {
  if (!Array.isArray(values) && !(values instanceof Float64Array)) {
    throw invalid(`values: expected an array of numbers, got ${describe(values)}`);
  }
  values.forEach((value: unknown, i: number) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw invalid(`value ${i}: expected a finite number, got ${describe(value)}`);
    }
  });
  return Float64Array.from(values);
}
