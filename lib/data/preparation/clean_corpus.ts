import { checkCall, workOptions } from '../../options/schema/call_options.js';
import { type LineWork, mapLines } from '../../text/map_lines.js';
import { perlSpace } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import type { Pairs } from '../pairs.js';

export interface LengthLimits {
  /** Fewest words of a side. */
  minLength: number;
  /** Most words of a side; 0 sets no limit. */
  maxLength: number;
  /** How many times as many words as the other a side may have; 0 sets no limit. */
  ratio: number;
}

export interface CleanedCorpus {
  pairs: Pairs<string>;
  /** Where each pair stood in the corpus it came from, counted from 0. */
  positions: number[];
}

export interface CleanWork extends LineWork {
  /** What an error calls each side. */
  names?:
    | {
        /** The source, a file for instance. */
        source: string;
        /** The target. */
        target: string;
      }
    | undefined;
}

/** Whether sides of a and b words are within the limits. */
export function withinLimits(a: number, b: number, { minLength, maxLength, ratio }: LengthLimits): boolean {
  const [short, long] = a < b ? [a, b] : [b, a];
  if (short < minLength || (maxLength > 0 && long > maxLength)) return false;
  return ratio === 0 || short === 0 || long / short <= ratio;
}

const spaces = new RegExp(`[${perlSpace}]+`, 'gu');
const overlong = new RegExp(`[^|${perlSpace}]{1001}`, 'u');
const blankFactor = /[ |]\|/;

/**
 * Leaves out pairs as Moses's clean-corpus-n.perl does, and writes the others as it does: one space between words,
 * none around them. A pair goes when a side is empty, outside the limits, or holds a word (or factor) of more than
 * 1000 characters. Vertical bars separate factors if the first pair has one; otherwise they are taken out of the text.
 *
 * @throws RdropError LINE_COUNT_MISMATCH; MALFORMED_FILE for an empty factor, naming side and line; ABORTED.
 */
export async function cleanCorpus(
  { source, target }: Pairs<string>,
  limits: LengthLimits,
  options: CleanWork = {},
): Promise<CleanedCorpus> {
  checkCall(options, [...workOptions, 'names'], 'cleanCorpus');
  const { names = { source: 'source', target: 'target' }, ...work } = options;
  if (source.length !== target.length) {
    throw new RdropError(
      'LINE_COUNT_MISMATCH',
      `the two sides of a parallel corpus need the same number of lines: ${names.source} has ${source.length}, ` +
        `${names.target} has ${target.length}`,
    );
  }
  const factored = source[0]?.includes('|') || target[0]?.includes('|');
  const plain = (line: string) =>
    (factored ? line : line.replaceAll('|', '')).replace(spaces, ' ').replace(/^ | $/g, '');

  const cleaned: CleanedCorpus = { pairs: { source: [], target: [] }, positions: [] };
  let position = -1;
  await mapLines(
    source,
    (line) => {
      position++;
      const a = plain(line);
      const b = plain(target[position]!);
      if (a === '' || b === '') return;
      if (!withinLimits(countWords(a), countWords(b), limits)) return;
      if (overlong.test(a) || overlong.test(b)) return;
      for (const [side, text] of [
        ['source', a],
        ['target', b],
      ] as const) {
        if (!blankFactor.test(text)) continue;
        throw new RdropError(
          'MALFORMED_FILE',
          `${names[side]}:${position + 1}: expected words whose factors, separated by |, are not empty, ` +
            `got ${JSON.stringify(text.slice(0, 80))}`,
        );
      }
      cleaned.pairs.source.push(a);
      cleaned.pairs.target.push(b);
      cleaned.positions.push(position);
    },
    work,
  );
  return cleaned;
}

function countWords(line: string): number {
  let count = 1;
  for (let i = line.indexOf(' '); i >= 0; i = line.indexOf(' ', i + 1)) count++;
  return count;
}
