/** What a language model reads and predicts: blocks of a stream, or lines. */
import type { Pairs } from '../../data/pairs.js';
import type { Sentences } from '../../data/sentences.js';
import { eos } from '../../text/dictionary.js';

/**
 * Blocks of the stream that lines make together: block k predicts its tokens from k·L on, and reads those one place before. The first
 * token of all is predicted from eos. The last block has what is left. Views of one array: nobody may write into them.
 *
 * @param length L, tokens of a block
 */
export function blocksOf(lines: Sentences, length: number): Pairs<Int32Array> {
  let total = 0;
  for (let i = 0; i < lines.length; i++) total += lines.at(i)!.length;
  const stream = new Int32Array(1 + total);
  stream[0] = eos;
  let at = 1;
  for (let i = 0; i < lines.length; i++) {
    const line = lines.at(i)!;
    stream.set(line, at);
    at += line.length;
  }
  const blocks: Pairs<Int32Array> = { source: [], target: [] };
  for (let from = 0; from < total; from += length) {
    const to = Math.min(from + length, total);
    blocks.source.push(stream.subarray(from, to));
    blocks.target.push(stream.subarray(1 + from, 1 + to));
  }
  return blocks;
}

/** Lines that each end in eos, predicted from eos and what is before. */
export const linesOf = (lines: readonly Int32Array[]): Pairs<Int32Array> => ({
  source: lines.map((line) => {
    const read = new Int32Array(line.length);
    read[0] = eos;
    read.set(line.subarray(0, -1), 1);
    return read;
  }),
  target: [...lines],
});
