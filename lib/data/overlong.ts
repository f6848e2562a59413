import { modelSchema } from '../options/model.js';
import type { OverlongPolicy } from '../options/translation.js';
import { eos } from '../text/dictionary.js';
import { RdropError } from '../util/errors.js';
import { type RdropWarning, warn } from '../util/warnings.js';
import type { Pairs } from './pairs.js';

/** Sentences that are longer than a model or a batch takes. */

const sides = ['source', 'target'] as const;

export interface LengthLimit {
  /** Tokens of a sentence, eos included. */
  most: number;
  /** The option that sets it. */
  option: string;
}

/** What became of the sentences that were too long. */
export interface OverlongCount {
  policy: Exclude<OverlongPolicy, 'refuse'>;
  /** Pairs (or sentences) with a side that is too long. */
  count: number;
  /** The first of them, as `file:line`, and its tokens. */
  first: string;
  tokens: number;
}

/** The first tokens of a sentence, its last one eos. */
export function truncate(tokens: Int32Array, most: number): Int32Array {
  if (tokens.length <= most) return tokens;
  const cut = tokens.slice(0, most);
  cut[most - 1] = eos;
  return cut;
}

/**
 * The error of a sentence that is too long where nothing else is asked for.
 *
 * @param place `file:line`
 * @param goOn how to ask for it
 */
export const tooLong = (place: string, { most, option }: LengthLimit, tokens: number, goOn: string) =>
  new RdropError(
    'INVALID_ARGUMENT',
    `${place}: expected at most ${most} tokens with eos (${option}), got ${tokens}; ${goOn} continues without what is too long`,
  );

export interface FitOptions {
  /** The first that a sentence exceeds is named; the smallest holds. */
  limits: readonly LengthLimit[];
  policy: OverlongPolicy;
  /** What an error calls the file of a side. */
  name: (side: 'source' | 'target') => string;
  /** How to ask for another policy. */
  goOn: string;
  /** Which sides are looked at. */
  only?: 'source';
}

export interface FittedPairs {
  /** Within the limits. */
  pairs: Pairs<Int32Array>;
  /** Where each of them stood, counted from 0; null: all are there. */
  places: Int32Array | null;
  /** null: nothing was too long. */
  overlong: OverlongCount | null;
}

/**
 * Sentence pairs within limits: refused, cut, or left out as the policy says.
 *
 * @throws RdropError INVALID_ARGUMENT, naming file and line of the first sentence that is too long, or that nothing is left
 */
export function fitPairs(
  pairs: Pairs<Int32Array>,
  { limits, policy, name, goOn, only }: FitOptions,
): FittedPairs {
  const looked = sides.filter((side) => only === undefined || side === only);
  const most = Math.min(...limits.map((limit) => limit.most));
  const isLong = (at: number) => looked.some((side) => pairs[side][at]!.length > most);
  const long = Array.from(pairs.source.keys()).filter(isLong);
  if (long.length === 0) return { pairs, places: null, overlong: null };
  const at = long[0]!;
  const side = looked.find((each) => pairs[each][at]!.length > most)!;
  const tokens = pairs[side][at]!.length;
  const first = `${name(side)}:${at + 1}`;
  if (policy === 'refuse') {
    throw tooLong(first, limits.find((limit) => tokens > limit.most)!, tokens, goOn);
  }
  const overlong: OverlongCount = { policy, count: long.length, first, tokens };
  if (policy === 'truncate') {
    const cut = (each: 'source' | 'target') =>
      looked.includes(each) ? pairs[each].map((sentence) => truncate(sentence, most)) : pairs[each];
    return { pairs: { source: cut('source'), target: cut('target') }, places: null, overlong };
  }
  const left = new Set(long);
  const places = Int32Array.from(Array.from(pairs.source.keys()).filter((i) => !left.has(i)));
  if (places.length === 0) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${name(side)}: expected at least one pair of at most ${most} tokens with eos, got ${pairs.source.length} that are longer`,
    );
  }
  const kept = (each: 'source' | 'target') => Array.from(places, (i) => pairs[each][i]!);
  return { pairs: { source: kept('source'), target: kept('target') }, places, overlong };
}

/** What is said where sentences were left out or cut. */
export function overlongWarning(
  { policy, count, first, tokens }: OverlongCount,
  total: number,
  most: number,
): RdropWarning {
  const done = policy === 'skip' ? 'left out' : 'cut';
  return {
    code: 'OVERLONG',
    message: `${count} of ${total} sentences have more than ${most} tokens with eos and were ${done}, the first in ${first} (${tokens} tokens)`,
  };
}

/** Counts the lines of a file that a model of the usual size does not take. */
export class LongLines {
  readonly #most = modelSchema.parse({ vocabSize: 5 }).maxPositions;
  #lines = 0;
  #count = 0;
  #first = { line: 0, tokens: 0 };

  /** @param tokens of the next line, eos included */
  add(tokens: number): void {
    this.#lines++;
    if (tokens <= this.#most) return;
    if (this.#count++ === 0) this.#first = { line: this.#lines, tokens };
  }

  /** Warns where there were any. */
  tell(file: string): void {
    if (this.#count === 0) return;
    const { line, tokens } = this.#first;
    warn({
      code: 'OVERLONG',
      message:
        `${this.#count} of ${this.#lines} sentences have more than ${this.#most} tokens with eos, the first in ${file}:${line} ` +
        `(${tokens} tokens): training refuses them unless model.maxPositions or overlong says otherwise`,
    });
  }
}
