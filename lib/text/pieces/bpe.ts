import { parseConfig } from '../../options/schema/parse.js';
import { type BpeApplyOptions, type BpeOptions, bpeApplySchema } from '../../options/text.js';
import { words } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import { writeFileAtomically } from '../../util/files/files.js';
import { loadPart } from '../../util/load_part.js';
import { once } from '../../util/once.js';
import { RecentCache } from '../../util/recent_cache.js';
import { readLines } from '../lines/line_reader.js';
import { textLines } from '../lines/text_lines.js';
import { ownText } from '../own_text.js';
import { pythonInt } from '../python_int.js';
import { innerRange, trimLine } from '../trim.js';
import { BpeEncoder, type Merge } from './bpe_encoder.js';
import type { Glossaries } from './bpe_glossaries.js';
import { addWords, BpeLearner } from './bpe_learner.js';
import { countsOfLines, readVocabulary, splitUnknown } from './bpe_vocabulary.js';

/** Words whose pieces are kept, most of a corpus's; and the longest of them, in UTF-16 units. */
const cachedWords = 200_000;
const longestCached = 64;

/** bpeApplySchema with its files read. */
interface Application {
  readonly separator: string;
  readonly vocabulary: ReadonlySet<string>;
  readonly glossaries: Glossaries | null;
}

/** How Bpe.learn() learns. */
export interface BpeLearnOptions extends Omit<BpeOptions, 'merges'> {
  /**
   * What an error calls the lines.
   * @default "lines"
   */
  name?: string | undefined;
}

/** Marks a piece that the next one continues, where nothing else is asked for. */
export const usualSeparator = once(() => parseConfig(bpeApplySchema, {}, 'bpe').separator);
const plain = (): Application => ({
  separator: usualSeparator(),
  vocabulary: new Set(),
  glossaries: null,
});

/**
 * Byte pair encoding of words (Sennrich, Haddow, Birch 2016), algorithm and file format of subword-nmt. Files of
 * version 0.2 are written; 0.1, where the end of a word is a symbol of its own, is read as well. Only LF ends a line,
 * here as in the Moses scripts; subword-nmt, which leaves that to Python, ends one at a lone CR too.
 */
export class Bpe {
  private readonly encoder: BpeEncoder;
  /** What a merge joined, by the text of the result. */
  private readonly origins = new Map<string, Merge>();
  private readonly cache = new RecentCache<string>(cachedWords);

  private constructor(
    readonly merges: readonly Merge[],
    readonly version: '0.1' | '0.2' = '0.2',
    private readonly application: Application = plain(),
  ) {
    if (application.vocabulary.size > 0) this.findOrigins();
    this.encoder = new BpeEncoder(merges, version);
  }

  /**
   * Learns at most `merges` merges from lines of words separated by spaces, or with dictInput from lines "word count";
   * fewer when no pair of symbols occurs minFrequency times any more. totalSymbols counts the characters of the text,
   * at the end of words and inside, among the merges.
   *
   * @throws RdropError MALFORMED_FILE for a line that is not "word count".
   */
  static learn(lines: Iterable<string>, merges: number, options: BpeLearnOptions = {}): Bpe {
    const { dictInput = false, name = 'lines' } = options;
    const counts = dictInput ? countsOfLines(lines, name) : new Map<string, number>();
    if (!dictInput) for (const line of lines) addWords(line, counts);
    return Bpe.ofCounts(counts, merges, options);
  }

  /** As learn(), from the words and how often each occurs. */
  static ofCounts(
    counts: ReadonlyMap<string, number>,
    merges: number,
    options: Pick<BpeLearnOptions, 'minFrequency' | 'totalSymbols'> = {},
  ): Bpe {
    const { minFrequency = 2, totalSymbols = false } = options;
    const learned: Merge[] = [];
    for (const merge of learnMerges(counts, merges, minFrequency, totalSymbols)) {
      if (merge !== null) learned.push(merge);
    }
    return Bpe.ofMerges(learned);
  }

  /** From merges in the order in which they were learned. */
  static ofMerges(merges: Iterable<Merge>): Bpe {
    return new Bpe([...merges]);
  }

  /**
   * The same codes, applied otherwise: fewer merges, another separator, a vocabulary, glossaries.
   *
   * @throws RdropError INVALID_ARGUMENT, and for the vocabulary FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY,
   *   INVALID_UTF8, MALFORMED_FILE (names the line).
   */
  async with(options: BpeApplyOptions): Promise<Bpe> {
    const { merges, vocabulary, vocabularyThreshold, glossaries, ...rest } = parseConfig(
      bpeApplySchema,
      options,
      'bpe',
      'INVALID_ARGUMENT',
    );
    return new Bpe(this.merges.slice(0, merges), this.version, {
      separator: rest.separator,
      vocabulary:
        vocabulary === undefined ? new Set() : await readVocabulary(vocabulary, vocabularyThreshold),
      glossaries:
        glossaries.length === 0
          ? null
          : new (await loadPart(() => import('./bpe_glossaries.js'))).Glossaries(glossaries),
    });
  }

  /**
   * Reads the text of a file of codes; `name` is what an error calls it.
   *
   * @throws RdropError FILE_EMPTY, MALFORMED_FILE, naming the line.
   */
  static parse(text: string, name: string): Bpe {
    if (text === '') throw new RdropError('FILE_EMPTY', `${name}: expected BPE codes, got an empty file`);
    return Bpe.ofLines(textLines(text), name);
  }

  /** @throws RdropError as parse(), and FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_UTF8. */
  static async read(path: string): Promise<Bpe> {
    return Bpe.ofLines(await readLines(path), path);
  }

  private static ofLines(lines: string[], name: string): Bpe {
    while (lines.at(-1) === '') lines.pop();
    const header = lines[0] ?? '';
    let version: '0.1' | '0.2' = '0.1';
    if (header.startsWith('#version:')) {
      const found = versionOf(header);
      if (found !== '0.1' && found !== '0.2') {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:1: expected BPE codes of version 0.1 or 0.2, got ${JSON.stringify(header.slice(0, 80))}`,
        );
      }
      version = found;
    }
    const start = header.startsWith('#version:') ? 1 : 0;
    const merges = lines.slice(start).map((line, i): Merge => {
      const parts = trimLine(line).split(' ');
      if (parts.length !== 2 || parts[0] === '' || parts[1] === '') {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:${i + start + 1}: expected two symbols separated by a space, got ${JSON.stringify(line.slice(0, 80))}`,
        );
      }
      return [parts[0]!, parts[1]!];
    });
    return new Bpe(merges, version);
  }

  /** The content of a file of codes. */
  toString(): string {
    const header = this.version === '0.2' ? '#version: 0.2\n' : '#version: 0.1\n';
    return header + this.merges.map(([first, second]) => `${first} ${second}\n`).join('');
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  write(path: string): Promise<void> {
    return writeFileAtomically(path, this.toString());
  }

  /** Splits each word of a line into pieces: "lower" becomes "lo@@ w@@ er". Space around the line stays. */
  segment(line: string): string {
    const [begin, end] = innerRange(line);
    if (begin === end) return line;
    const pieces: string[] = [];
    for (const word of line.slice(begin, end).split(' ')) {
      if (word !== '') pieces.push(this.segmentWord(word));
    }
    return line.slice(0, begin) + pieces.join(' ') + line.slice(end);
  }

  private segmentWord(word: string): string {
    const { glossaries, separator } = this.application;
    const parts = glossaries?.split(word) ?? [word];
    if (parts.length === 1) return this.segmentPart(parts[0]!);
    return parts.map((part) => this.segmentPart(part)).join(`${separator} `);
  }

  private segmentPart(part: string): string {
    const known = this.cache.get(part);
    if (known !== undefined) return known;
    const { glossaries, vocabulary, separator } = this.application;
    const characters = [...part];
    let text = part;
    if (characters.length > 1 && !glossaries?.keeps(part)) {
      let pieces = this.encoder.encode(characters);
      if (vocabulary.size > 0) pieces = splitUnknown(pieces, vocabulary, separator, this.origins);
      text = pieces.join(`${separator} `);
    }
    if (part.length <= longestCached) this.cache.set(ownText(part), ownText(text));
    return text;
  }

  /**
   * Two merges may give the same text; then the one counts whose last line comes first, as in the original, where a
   * merge that stands twice has the rank of its first line.
   */
  private findOrigins(): void {
    const seen = new Set<string>();
    for (const merge of [...this.merges].reverse()) {
      const [first, second] = merge;
      if (seen.has(`${first} ${second}`)) continue;
      seen.add(`${first} ${second}`);
      this.origins.set(first + second, merge);
    }
  }
}

/** The version of a first line as subword-nmt reads it: the last word, without zeros at its end. */
const versionOf = (header: string): string =>
  words(header)
    .at(-1)!
    .replace(/(?:\.0+)*$/, '')
    .split('.')
    .map((part) => pythonInt(part) ?? '?')
    .join('.');

/**
 * Generates merges, and null where it has none yet, so that the caller may show progress and let others work in between. From the
 * first merge on `counts` is not read any more.
 */
export function* learnMerges(
  counts: ReadonlyMap<string, number>,
  merges: number,
  minFrequency: number,
  totalSymbols = false,
): Generator<[string, string] | null> {
  const learner = new BpeLearner();
  for (const _ of learner.take(counts)) yield null;
  const most = totalSymbols ? merges - learner.characters : merges;
  for (let i = 0; i < most; i++) {
    const merge = learner.next(minFrequency);
    if (merge === null) return;
    yield merge;
  }
}
