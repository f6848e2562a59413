import { type PieceFormat, pieceMarks } from '../../options/text.js';
import { words } from '../../util/characters.js';
import type { RdropWarning } from '../../util/warnings.js';
import type { PieceConvention } from './pieces.js';

type Format = Exclude<PieceFormat, 'none'>;

/** What a text looks as if it were cut by. */
export interface FoundPieces {
  pieces: Format;
  /** Its mark, where that is not the usual one. */
  pieceMark?: string;
  /** Of the tokens that were looked at, by their marks. */
  share: number;
  /** A token with the mark. */
  example: string;
  /** Enough of them, and where they belong: nothing else is written so. */
  clear: boolean;
}

/**
 * When a format is clear. Cut words alone carry the marks of the first three, 2 to 40 % of the tokens; in text that nobody cut
 * one token in ten thousand looks so. The others mark every word or every line.
 */
const leastOfCutWords = 0.005;
const leastOfWords = 0.2;
const leastOfLines = 0.9;
/** So many look like pieces by chance or by mistake; below that nothing is said. */
const leastToMention = 0.0005;
/** Marks that join to what follows cannot end a line, those that join to what precedes cannot begin one. */
const mostMisplaced = 0.25;
const leastTokens = 2;

interface Rule {
  pieces: Format;
  mark: string;
  marked: (token: string, mark: string) => boolean;
  /** Where a marked token cannot stand. */
  misplaced?: 'first' | 'last';
  /** The end of the line at which every line has a mark. */
  everyLine?: 'first' | 'last';
}

const behind = (token: string, mark: string) => token.length > mark.length && token.endsWith(mark);
const before = (token: string, mark: string) => token.length > mark.length && token.startsWith(mark);

const shapes: Record<Format, Pick<Rule, 'marked' | 'misplaced' | 'everyLine'>> = {
  'subword-nmt': { marked: behind, misplaced: 'last' },
  wordpiece: { marked: before, misplaced: 'first' },
  joiner: { marked: (token, mark) => behind(token, mark) || before(token, mark) },
  sentencepiece: { marked: (token, mark) => token.startsWith(mark), everyLine: 'first' },
  'end-of-word': { marked: (token, mark) => token.endsWith(mark), everyLine: 'last' },
  'byte-level': { marked: before },
};
/** The usual marks, and what fairseq calls wordpiece and _EOW. */
const rules: Rule[] = [
  ...Object.entries(pieceMarks),
  ...([
    ['sentencepiece', '_'],
    ['end-of-word', '_EOW'],
  ] as const),
].map(([pieces, mark]) => ({ pieces: pieces as Format, mark, ...shapes[pieces as Format] }));

class Evidence {
  tokens = 0;
  lines = 0;
  readonly #marked = new Map<Rule, number>();
  readonly #misplaced = new Map<Rule, number>();
  readonly #everyLine = new Map<Rule, number>();
  readonly #examples = new Map<Rule, string>();

  add(token: string, weight: number, place: { first: boolean; last: boolean }): void {
    this.tokens += weight;
    for (const rule of rules) {
      const { mark, marked, misplaced, everyLine } = rule;
      if (!marked(token, mark)) continue;
      const count = (counts: Map<Rule, number>) => counts.set(rule, (counts.get(rule) ?? 0) + weight);
      count(this.#marked);
      if (misplaced !== undefined && place[misplaced]) count(this.#misplaced);
      if (everyLine !== undefined && place[everyLine]) count(this.#everyLine);
      if (!this.#examples.has(rule)) this.#examples.set(rule, token);
    }
  }

  found(): FoundPieces | null {
    let best: FoundPieces | null = null;
    for (const rule of rules) {
      const { pieces, mark, misplaced } = rule;
      const marked = this.#marked.get(rule) ?? 0;
      const share = marked / this.tokens;
      if (marked < leastTokens || share < leastToMention) continue;
      const ofLines = this.lines > 0 ? (this.#everyLine.get(rule) ?? 0) / this.lines : 0;
      const cutWords = pieces === 'subword-nmt' || pieces === 'wordpiece' || pieces === 'joiner';
      const clear = cutWords
        ? share >= leastOfCutWords &&
          (misplaced === undefined || (this.#misplaced.get(rule) ?? 0) <= mostMisplaced * marked)
        : share >= leastOfWords || ofLines >= leastOfLines;
      // A word of a program's text may begin with _ or hold it; a sentence of pieces always begins so.
      if (mark === '_' && !clear) continue;
      const example = this.#examples.get(rule)!;
      const unusual = mark === pieceMarks[pieces] ? {} : { pieceMark: mark };
      const found = { pieces, ...unusual, share, example, clear };
      if (
        best === null ||
        Number(clear) > Number(best.clear) ||
        (clear === best.clear && share > best.share)
      ) {
        best = found;
      }
    }
    return best;
  }
}

const anyMark = new RegExp(rules.map(({ mark }) => mark).join('|'));

/**
 * What lines of tokens look as if they were cut by; null where nothing looks so.
 *
 * @param most lines that are looked at, spread over the text
 */
export function findPieces(lines: readonly string[], most = 2000): FoundPieces | null {
  const step = Math.max(1, Math.floor(lines.length / most));
  const sample = lines.filter((_, i) => i % step === 0);
  if (!sample.some((line) => anyMark.test(line))) return null;
  const evidence = new Evidence();
  for (const line of sample) {
    const tokens = words(line);
    if (tokens.length > 0) evidence.lines++;
    tokens.forEach((token, at) => {
      evidence.add(token, 1, { first: at === 0, last: at === tokens.length - 1 });
    });
  }
  return evidence.found();
}

/** Signs behind words in text that nobody cut, in every script: the commas of Arabic and Chinese as well. */
const punctuation = /^[\p{Terminal_Punctuation}\p{Quotation_Mark}\p{Pe}\p{Pf}\p{Pd}\p{Sc}.…%`’]+$/u;
const leastOfUnknown = 0.02;
/** Lines of a text in memory that a guess is made from. */
const mostGuessed = 2000;

/**
 * Text that looks as if subword-nmt had cut it with another separator: one and the same sign behind many words and never at the end of
 * a line. It is nothing more than a guess.
 */
export function guessMark(lines: readonly string[]): FoundPieces | null {
  const seen = new Map<string, { count: number; last: number; words: Set<string>; example: string }>();
  let tokens = 0;
  for (const line of lines) {
    const found = words(line);
    tokens += found.length;
    found.forEach((token, at) => {
      const mark = /[\p{L}\p{N}]([^\p{L}\p{N}\p{M}]{1,4})$/u.exec(token)?.[1];
      if (mark === undefined || punctuation.test(mark)) return;
      const entry = seen.get(mark) ?? { count: 0, last: 0, words: new Set(), example: token };
      entry.count++;
      entry.words.add(token);
      if (at === found.length - 1) entry.last++;
      seen.set(mark, entry);
    });
  }
  for (const [pieceMark, { count, last, words: different, example }] of seen) {
    const share = count / tokens;
    if (share < leastOfUnknown || different.size < 10 || last > 0.01 * count) continue;
    return { pieces: 'subword-nmt', pieceMark, share, example, clear: false };
  }
  return null;
}

/** What the types of a dictionary look as if they were cut by, weighed by their counts where it has any. */
export function findPiecesOfTypes(types: readonly string[], counts: readonly number[]): FoundPieces | null {
  const evidence = new Evidence();
  const counted = counts.some((count) => count > 0);
  types.forEach((type, i) => {
    evidence.add(type, counted ? Math.max(0, counts[i]!) : 1, { first: false, last: false });
  });
  return evidence.found();
}

/** `train.en: 12.3 % of the tokens look like pieces of subword-nmt, such as "lo@@"`. */
export function describePieces(name: string, { pieces, pieceMark, share, example }: FoundPieces): string {
  const mark = pieceMark === undefined ? '' : ` with the mark ${JSON.stringify(pieceMark)}`;
  const percent = (100 * share).toFixed(share < 0.01 ? 2 : 1);
  return `${name}: ${percent} % of the tokens look like pieces of ${pieces}${mark}, such as ${JSON.stringify(example)}`;
}

/** The warning about text that looks cut where nobody says so, or null. */
export function piecesWarning(
  lines: readonly string[],
  name: string,
  consequence: string,
): RdropWarning | null {
  const found = findPieces(lines, 200) ?? guessMark(lines.slice(0, mostGuessed));
  if (found === null || !(found.clear || found.pieceMark !== undefined)) return null;
  return { code: 'PIECES', message: `${describePieces(name, found)}: ${consequence}` };
}

/**
 * The warning about whole text where pieces of another program are wanted, or null where it is cut or none are.
 *
 * @param unknown share of its words that the model does not know
 */
export function uncutWarning(
  lines: readonly string[],
  name: string,
  { pieces = 'none', pieceMark }: PieceConvention,
  unknown: number,
): RdropWarning | null {
  if (pieces === 'none') return null;
  const mark = pieceMark ?? pieceMarks[pieces];
  if (lines.some((line) => line.includes(mark))) return null;
  return {
    code: 'PIECES',
    message:
      `${name}: ${(100 * unknown).toFixed(1)} % of the words are unknown to the model and none is cut: its training text was in pieces ` +
      `of ${pieces} (mark ${JSON.stringify(mark)}), and what it translates must be cut as its source side was`,
  };
}
