import type { OverlongPolicy } from '../options/translation.js';
import { RdropError } from '../util/errors.js';
import { type LengthLimit, type OverlongCount, tooLong } from './overlong.js';
import type { Sentences } from './sentences.js';

/** Sequences within limits. */
export interface FittedSequences {
  /** Tokens that each may have, the smallest of the limits. */
  most: number;
  /** Where those that are kept stand, counted from 0; null: all are. */
  places: Int32Array | null;
  /** null: nothing was too long. */
  overlong: OverlongCount | null;
}

/**
 * Which sequences stay, where some are longer than a limit: none may be (`refuse`), all (`truncate`: cut by cutSequence), or the others.
 *
 * @param file of which sequence i is line i + 1
 * @param goOn how to ask for another policy
 * @throws RdropError INVALID_ARGUMENT, naming file and line of the first that is too long, or that nothing is left
 */
export function fitSequences(
  sequences: Sentences,
  limits: readonly LengthLimit[],
  { policy, file, goOn }: { policy: OverlongPolicy; file: string; goOn: string },
): FittedSequences {
  const most = Math.min(...limits.map((limit) => limit.most));
  const kept: number[] = [];
  const long: number[] = [];
  for (let i = 0; i < sequences.length; i++) (sequences.at(i)!.length > most ? long : kept).push(i);
  const at = long[0];
  if (at === undefined) return { most, places: null, overlong: null };
  const tokens = sequences.at(at)!.length;
  const first = `${file}:${at + 1}`;
  if (policy === 'refuse') {
    const limit = limits.find((each) => tokens > each.most)!;
    throw tooLong(first, limit, tokens, goOn);
  }
  const overlong: OverlongCount = { policy, count: long.length, first, tokens };
  if (policy === 'truncate') return { most, places: null, overlong };
  if (kept.length === 0) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${file}: expected at least one sequence of at most ${most} tokens, got ${sequences.length} that are longer`,
    );
  }
  return { most, places: Int32Array.from(kept), overlong };
}

/** The first of so many tokens, the last one that of the whole sequence, which ends it. */
export function cutSequence(tokens: Int32Array, most: number): Int32Array {
  if (tokens.length <= most) return tokens;
  const cut = tokens.slice(0, most);
  cut[most - 1] = tokens.at(-1) as number;
  return cut;
}
