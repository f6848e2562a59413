import { parseConfig } from '../options/schema/parse.js';
import { type DictionaryOptions, dictionarySchema } from '../options/text.js';
import { compareCodePoints, trimEnd, words } from '../util/characters.js';
import { RdropError } from '../util/errors.js';
import { writeFileAtomically } from '../util/files/files.js';
import { readLines } from './lines/line_reader.js';
import { textLines } from './lines/text_lines.js';
import { pythonInt } from './python_int.js';
import { addWord, type WordCounts } from './word_counts.js';

export const bos = 0;
export const pad = 1;
export const eos = 2;
export const unk = 3;

/** The mark of a type that stands twice on purpose: its later line is the one that text is encoded with. */
const overwrite = '#fairseq:overwrite';

/**
 * A line as fairseq reads it, from its end: a mark, the count that Python's int() makes of what is behind the last space,
 * and all before is the type. A type may hold spaces (text is never encoded with such a one) or nothing at all.
 */
function entryOf(line: string): { type: string; count: bigint; again: boolean } | null {
  const [front, last] = cutAtLastSpace(trimEnd(line)) ?? [];
  if (front === undefined || last === undefined) return null;
  const again = last === overwrite;
  const [type, field] = (again ? cutAtLastSpace(front) : [front, last]) ?? [];
  const count = field === undefined ? null : pythonInt(field);
  return type === undefined || count === null ? null : { type, count, again };
}

function cutAtLastSpace(text: string): [string, string] | null {
  const at = text.lastIndexOf(' ');
  return at < 0 ? null : [text.slice(0, at), text.slice(at + 1)];
}

const specials = ['<s>', '<pad>', '</s>', '<unk>'] as const;

const isSpecial = (type: string) => (specials as readonly string[]).includes(type);

/** What the words begin with that fill a dictionary up. */
const madeUp = 'madeupword';

/** The types of each count, the highest count first: strings are sorted faster by themselves than in pairs with their counts. */
function byCount(counts: WordCounts): [count: number, types: string[]][] {
  const groups = new Map<number, string[]>();
  for (const [type, count] of counts) {
    const types = groups.get(count);
    if (types === undefined) groups.set(count, [type]);
    else types.push(type);
  }
  return [...groups].sort(([a], [b]) => b - a);
}

/** Exact: a bigint where a number would not be. */
type Count = number | bigint;

/**
 * The types of a model and their ids, order and file format of fairseq's Dictionary: four specials, then the types by
 * falling count, equal counts by code points, then made-up words up to a multiple of paddingFactor.
 */
export class Dictionary {
  private readonly ids = new Map<string, number>();

  private constructor(
    /** By id, the specials included. */
    readonly symbols: readonly string[],
    /** How often each type occurred; 0 for the specials. A file of others may say any number, negative ones too. */
    readonly counts: readonly number[],
    private readonly written: readonly Count[],
  ) {
    // The specials are left out: a word of the text that is spelled like one must not end or pad a sentence.
    for (let id = specials.length; id < symbols.length; id++) this.ids.set(symbols[id]!, id);
  }

  /** Number of types V, the four specials included. */
  get size(): number {
    return this.symbols.length;
  }

  /**
   * From segmented lines: types that occur at least `threshold` times, at most nwords with the specials, then the
   * filling.
   *
   * @throws RdropError INVALID_ARGUMENT.
   */
  static build(lines: Iterable<string>, options: DictionaryOptions = {}): Dictionary {
    const counts: WordCounts = new Map();
    for (const line of lines) {
      for (const word of words(line)) addWord(counts, word, 1);
    }
    return Dictionary.ofCounts(counts, options);
  }

  /**
   * As build(), from the counts of pieces; those of the specials are taken out of them.
   *
   * @throws RdropError INVALID_ARGUMENT.
   */
  static ofCounts(counts: WordCounts, options: DictionaryOptions = {}): Dictionary {
    const { threshold, nwords, paddingFactor } = parseConfig(
      dictionarySchema,
      options,
      'dictionary',
      'INVALID_ARGUMENT',
    );
    for (const special of specials) counts.delete(special);
    const most = nwords === 0 ? Number.POSITIVE_INFINITY : Math.max(0, nwords - specials.length);
    const types: string[] = [];
    const written: Count[] = [];
    for (const [count, group] of byCount(counts)) {
      if (count < threshold) break;
      for (const type of group.sort(compareCodePoints).slice(0, most - types.length)) {
        types.push(type);
        written.push(count);
      }
    }
    const taken = new Set(types.filter((type) => type.startsWith(madeUp)));
    for (let i = 0; (types.length + specials.length) % paddingFactor !== 0; i++) {
      const word = `${madeUp}${String(i).padStart(4, '0')}`;
      if (taken.has(word)) continue;
      types.push(word);
      written.push(0);
    }
    return Dictionary.ofTypes(types, written);
  }

  /** Types without the words at the end that fill the dictionary up. */
  get filled(): number {
    let size = this.size;
    while (size > specials.length && this.symbols[size - 1]!.startsWith(madeUp)) size--;
    return size;
  }

  private static ofTypes(types: string[], counts: Count[]): Dictionary {
    const written = [...specials.map((): Count => 0), ...counts];
    return new Dictionary([...specials, ...types], written.map(Number), written);
  }

  /**
   * Reads the text of a dict.txt, one "type count" a line; `name` is what an error calls it. A type may come again
   * where the line ends in #fairseq:overwrite: it is then another id with the same text, the one that text gets.
   *
   * @throws RdropError FILE_EMPTY, MALFORMED_FILE (a line of another form, a type twice), naming the line.
   */
  static parse(text: string, name: string): Dictionary {
    if (text === '') throw new RdropError('FILE_EMPTY', `${name}: expected a dictionary, got an empty file`);
    return Dictionary.ofLines(textLines(text), name);
  }

  /** @throws RdropError as parse(), and FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_UTF8. */
  static async read(path: string): Promise<Dictionary> {
    return Dictionary.ofLines(await readLines(path), path);
  }

  private static ofLines(given: string[], name: string): Dictionary {
    // fairseq leaves the ends of lines to Python, for which a lone CR is one.
    const lines = given.flatMap((line) => line.split('\r'));
    const seen = new Map<string, number>();
    const types: string[] = [];
    const written: Count[] = [];
    lines.forEach((line, i) => {
      const entry = entryOf(line);
      if (entry === null) {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:${i + 1}: expected "type count", got ${JSON.stringify(line.slice(0, 80))}`,
        );
      }
      const { type, count, again } = entry;
      const first = seen.get(type);
      if (!again && (first !== undefined || isSpecial(type))) {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:${i + 1}: the type ${JSON.stringify(type)} is there already, ` +
            (first === undefined ? 'as a special' : `in line ${first}`),
        );
      }
      seen.set(type, i + 1);
      const near = Number(count);
      types.push(type);
      written.push(Number.isSafeInteger(near) ? near : count);
    });
    return Dictionary.ofTypes(types, written);
  }

  /** The content of a dict.txt. */
  toString(): string {
    let text = '';
    const written = new Set<string>(specials);
    for (let id = specials.length; id < this.size; id++) {
      const symbol = this.symbols[id]!;
      text += `${symbol} ${this.written[id]}${written.has(symbol) ? ` ${overwrite}` : ''}\n`;
      written.add(symbol);
    }
    return text;
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  write(path: string): Promise<void> {
    return writeFileAtomically(path, this.toString());
  }

  /** The id of a type, unk when it is not there. */
  id(type: string): number {
    return this.ids.get(type) ?? unk;
  }

  /** Ids of the words of a segmented line, eos at the end. */
  encode(line: string): Int32Array {
    const pieces = words(line);
    const tokens = new Int32Array(pieces.length + 1);
    for (let i = 0; i < pieces.length; i++) tokens[i] = this.ids.get(pieces[i]!) ?? unk;
    tokens[pieces.length] = eos;
    return tokens;
  }

  /**
   * The words of ids, separated by spaces; bos, pad and eos are left out.
   *
   * @param unknown what stands for unk
   * @throws RdropError TOKEN_OUT_OF_RANGE, naming the position.
   */
  decode(tokens: Int32Array, unknown: string = specials[unk]): string {
    const pieces: string[] = [];
    tokens.forEach((token, position) => {
      const symbol = this.symbols[token];
      if (symbol === undefined) {
        throw new RdropError(
          'TOKEN_OUT_OF_RANGE',
          `tokens[${position}]: expected an id from 0 to ${this.size - 1}, got ${token}`,
        );
      }
      if (token === unk) pieces.push(unknown);
      else if (token !== bos && token !== pad && token !== eos) pieces.push(symbol);
    });
    return pieces.join(' ');
  }
}
