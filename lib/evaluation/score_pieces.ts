import { piecesWarning } from '../text/pieces/find_pieces.js';
import { warn } from '../util/warnings.js';
import type { References } from './segments.js';

const consequence =
  'they are scored as words, which is another metric; join them first (rdrop score --pieces, joinPieces of the library)';

/** Warns where hypotheses or references look as if another program had cut their words into pieces. */
export function warnOfPieces(hypotheses: readonly string[], references: References): void {
  const [first] = references;
  const stream = (Array.isArray(first) ? first : references) as readonly (string | null)[];
  for (const [name, lines] of [
    ['hypotheses', hypotheses],
    ['references', stream.filter((line) => line !== null)],
  ] as const) {
    const warning = piecesWarning(lines, name, consequence);
    if (warning !== null) warn(warning);
  }
}
