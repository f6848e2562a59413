import type { PrepareConfig } from '../../options/preparation.js';
import type { PieceFormat, TextConfig } from '../../options/text.js';
import { ownText } from '../../text/own_text.js';
import { describePieces, findPieces, guessMark } from '../../text/pieces/find_pieces.js';
import { holdsSpacesInMarks, joinPieces, type PieceConvention } from '../../text/pieces/pieces.js';
import type { Side } from '../../text/pipeline.js';
import { RdropError } from '../../util/errors.js';
import { warn } from '../../util/warnings.js';
import type { PairSource } from '../pair_blocks.js';
import type { Split } from '../pairs.js';

/** Text that another program cut into pieces before it was prepared. */

const sides = ['source', 'target'] as const;

/** Of a line, in UTF-16 units; what comes behind it shows nothing else. */
const longest = 2000;

/** Lines from all over a text of any length: every step-th, where step doubles whenever there are enough of them. */
export class LineSample {
  lines: string[] = [];
  #step = 1;
  #seen = 0;

  add(block: readonly string[]): void {
    for (const line of block) {
      if (this.#seen++ % this.#step !== 0) continue;
      this.lines.push(ownText(line.slice(0, longest)));
      if (this.lines.length < 4000) continue;
      this.lines = this.lines.filter((_, i) => i % 2 === 0);
      this.#step *= 2;
    }
  }
}

/**
 * Whose pieces the target text is cut into: as the options say, or as the text shows where they say nothing. It is reported by a
 * warning (PIECES); so is text of which some looks like pieces, which is then taken as it is.
 *
 * @returns what text.json holds of it: nothing where the pieces are those of prepare itself
 * @throws RdropError INVALID_CONFIG when pieces would be tokenized or cut again, or only some of the splits hold them
 */
export function decidePieces(
  config: PrepareConfig,
  text: TextConfig,
  raw: ReadonlyMap<Split, { sample: Record<Side, LineSample> }>,
): PieceConvention {
  const { pieces: said, pieceMark } = text;
  const whole = text.tokenizer !== 'none' || text.bpe > 0 || config.codes !== undefined;
  if (said !== undefined && said !== 'none') {
    if (whole) throw cutAgain(`prepare.pieces: "${said}"`);
    return { pieces: said, ...(pieceMark !== undefined && { pieceMark }) };
  }
  if (said === 'none') return { pieces: said };

  const train = raw.get('train')!.sample;
  const nameOf = (split: Split, side: Side) => `${config[split]}.${text[side]}`;
  for (const side of whole ? sides : []) {
    const found = findPieces(train[side].lines);
    if (found?.clear) throw cutAgain(describePieces(nameOf('train', side), found));
  }
  if (whole) return {};
  const found = findPieces(train.target.lines) ?? guessMark(train.target.lines);
  if (found === null) return { pieces: 'none' };
  const mark = found.pieceMark === undefined ? '' : ` --piece-mark '${found.pieceMark}'`;
  const flags = `--pieces ${found.pieces}${mark}`;
  const description = describePieces(nameOf('train', 'target'), found);
  if (!found.clear) {
    warn({
      code: 'PIECES',
      message: `${description}; they are taken for words, unless ${flags} (prepare.pieces) says otherwise`,
    });
    return { pieces: 'none' };
  }
  for (const [split, { sample }] of raw) {
    checkSplit(found.pieces, nameOf(split, 'target'), sample.target.lines);
  }
  warn({
    code: 'PIECES',
    message:
      `${description}; they are joined before anything is scored or printed, as with ${flags} ` +
      '(prepare.pieces); --pieces none leaves them as they are',
  });
  return { pieces: found.pieces, ...(found.pieceMark !== undefined && { pieceMark: found.pieceMark }) };
}

const cutAgain = (what: string) =>
  new RdropError(
    'INVALID_CONFIG',
    `${what}: expected text that is whole, or for text that another program has cut into pieces prepare.tokenizer "none" and ` +
      'prepare.bpe 0 (--tokenizer none --bpe 0), since they would be cut again; prepare.pieces "none" takes them for words',
  );

/** Of pieces that hold the spaces in their marks, text without marks would be joined to one word. */
function checkSplit(pieces: PieceFormat, name: string, lines: readonly string[]): void {
  if (!holdsSpacesInMarks(pieces)) return;
  const found = findPieces(lines);
  if (found?.pieces === pieces && found.clear) return;
  throw new RdropError(
    'INVALID_CONFIG',
    `prepare.pieces: expected ${name} in pieces of ${pieces} as the training text is, got none; cut it, or say what they are ` +
      '(--pieces)',
  );
}

/** Both sides with their pieces joined, the source where its lines are cut in the same way. */
export function joinedPairs(pairs: PairSource, source: readonly string[], cut: PieceConvention): PairSource {
  const { pieces = 'none' } = cut;
  if (pieces === 'none') return pairs;
  const join = (line: string) => joinPieces(line, cut);
  const same = !holdsSpacesInMarks(pieces) || findPieces(source)?.pieces === pieces;
  return async function* () {
    for await (const block of pairs()) {
      yield { source: same ? block.source.map(join) : block.source, target: block.target.map(join) };
    }
  };
}
