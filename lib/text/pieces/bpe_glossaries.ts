import { RdropError } from '../../util/errors.js';
import { foreignPattern } from '../regex_dialect.js';
import { trimLine } from '../trim.js';

interface Glossary {
  readonly pattern: string;
  /**
   * The original's test for a word that the glossary matches whole. Where the pattern has alternatives outside a group,
   * the first of them need not reach the end of the word.
   */
  readonly whole: RegExp;
  readonly inside: RegExp;
}

/** Words and regular expressions of Python whose matches byte pair encoding leaves whole (apply_bpe.py --glossaries). */
export class Glossaries {
  private readonly glossaries: readonly Glossary[];
  private readonly any: RegExp;

  /** @throws RdropError INVALID_ARGUMENT, naming the one that is no regular expression. */
  constructor(patterns: readonly string[]) {
    const sources = patterns.map((pattern, i) => foreignPattern(pattern, 'python', `glossaries[${i}]`));
    this.glossaries = sources.map((source, i) => ({
      pattern: patterns[i]!,
      whole: new RegExp(`^(?:^${source}$)`, 'v'),
      inside: new RegExp(`(${source})`, 'gv'),
    }));
    this.any = new RegExp(`^(${sources.join('|')})$`, 'v');
  }

  /** Whether a part of a word, as split() gives them, is to stay whole. */
  keeps(part: string): boolean {
    return this.any.test(part);
  }

  /** The parts of a word: what the glossaries match, and what is between. */
  split(word: string): string[] {
    let parts = [word];
    for (const glossary of this.glossaries) parts = parts.flatMap((part) => isolate(part, glossary));
    return parts;
  }
}

function isolate(word: string, { pattern, whole, inside }: Glossary): string[] {
  if (whole.test(word) || word.search(inside) < 0) return [word];
  const parts: (string | undefined)[] = [];
  let end = 0;
  for (const found of word.matchAll(inside)) {
    if (found[0] === '') {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `glossaries: expected patterns that match at least one character, got ${JSON.stringify(pattern)}`,
      );
    }
    // Groups of the pattern come out as parts of their own, as from Python's re.split.
    parts.push(word.slice(end, found.index), ...found.slice(1));
    end = found.index + found[0].length;
  }
  parts.push(trimLine(word.slice(end)));
  return parts.filter((part): part is string => part !== undefined && part !== '');
}
