import { type OverlongCount, overlongWarning, tooLong, truncate } from '../data/overlong.js';
import type { OverlongPolicy } from '../options/translation.js';
import { unk } from '../text/dictionary.js';
import { piecesWarning, uncutWarning } from '../text/pieces/find_pieces.js';
import type { TextPipeline } from '../text/pipeline.js';
import { YieldTimer } from '../util/async/yield_timer.js';
import type { RdropError } from '../util/errors.js';
import { warn } from '../util/warnings.js';

/** Some lines as the model reads them. */
export interface EncodedLines {
  /** Of all the lines, from 0. */
  count: number;
  /** Those to be translated, without the empty lines and those that are left out. */
  tokens: Int32Array[];
  /** The line of each. */
  places: number[];
  /** What became of lines that were too long. */
  overlong: Map<number, 'truncated' | 'skipped'>;
  /** Why the line behind these is not among them, where one was refused. */
  refused: RdropError | null;
}

export interface SourceOptions {
  /** The model's maxPositions. */
  most: number;
  overlong: OverlongPolicy;
  /** What a warning calls the text. */
  name: string;
  /** What an error calls a line, counted from 0. */
  place: (line: number) => string;
}

/** So many words that the model does not know, of at least so many, are looked into: were they meant to be cut? */
const leastUnknown = 0.2;
const leastTokens = 10;

/** Encodes lines, in one call or several, and counts what there is to warn of. */
export class SourceEncoder {
  readonly #pipeline: TextPipeline;
  readonly #options: SourceOptions;
  #lines = 0;
  #overlong: OverlongCount | null = null;
  #tokens = 0;
  #unknown = 0;

  constructor(pipeline: TextPipeline, options: SourceOptions) {
    this.#pipeline = pipeline;
    this.#options = options;
  }

  /** The next lines; up to the first that is refused. @throws RdropError ABORTED */
  async encode(lines: readonly string[], signal: AbortSignal | undefined): Promise<EncodedLines> {
    const breaks = new YieldTimer('the translation', signal);
    const { most, overlong: policy, place } = this.#options;
    const encoded: EncodedLines = { count: 0, tokens: [], places: [], overlong: new Map(), refused: null };
    for (const line of lines) {
      if (breaks.due()) await breaks.take();
      const tokens = this.#pipeline.encode(line);
      if (tokens.length > most) {
        const first = place(this.#lines);
        if (policy === 'refuse') {
          const limit = { most, option: "the model's maxPositions" };
          encoded.refused = tooLong(
            first,
            limit,
            tokens.length,
            'overlong "truncate" or "skip" (--overlong)',
          );
          break;
        }
        this.#overlong ??= { policy, count: 0, first, tokens: tokens.length };
        this.#overlong.count++;
        encoded.overlong.set(encoded.count, policy === 'skip' ? 'skipped' : 'truncated');
      }
      if (tokens.length > 1 && !(policy === 'skip' && tokens.length > most)) {
        encoded.places.push(encoded.count);
        encoded.tokens.push(truncate(tokens, most));
        this.#tokens += tokens.length - 1;
        for (const token of tokens) if (token === unk) this.#unknown++;
      }
      encoded.count++;
      this.#lines++;
    }
    return encoded;
  }

  /** Warns of the lines so far that were too long. */
  warnOfOverlong(): void {
    if (this.#overlong === null) return;
    warn(overlongWarning(this.#overlong, this.#lines, this.#options.most));
  }

  /** Warns where lines, some or all of those so far, are cut into pieces and should not be, or the other way round. */
  warnOfPieces(lines: readonly string[]): void {
    const { config, bpe } = this.#pipeline;
    const { name } = this.#options;
    let warning = null;
    if (bpe !== null || config.tokenizer === 'moses') {
      const consequence =
        'the run tokenizes or cuts its text itself, and takes them for words; give it whole text';
      warning = piecesWarning(lines, name, consequence);
    } else if (this.#unknown >= leastUnknown * this.#tokens && this.#tokens >= leastTokens) {
      warning = uncutWarning(lines, name, config, this.#unknown / this.#tokens);
    }
    if (warning !== null) warn(warning);
  }
}
