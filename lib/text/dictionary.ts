import { type DictionaryOptions, dictionarySchema, parseConfig } from '../config.js';
import { RdropError } from '../errors.js';
import { readLines, writeFileAtomically } from '../files.js';
import { compareCodePoints, pythonSpace, words } from './characters.js';

export const bos = 0;
export const pad = 1;
export const eos = 2;
export const unk = 3;

/** The mark of a type that stands twice on purpose: its later line is the one that text is encoded with. */
const overwrite = '#fairseq:overwrite';

/** fairseq reads a line from its end, so that a type may hold spaces; text is never encoded with such a one. */
const entry = new RegExp(`^(.+) ([0-9]{1,15})(?: (${overwrite}))?[${pythonSpace}]*$`, 'sv');

const specials = ['<s>', '<pad>', '</s>', '<unk>'] as const;

const isSpecial = (type: string) => (specials as readonly string[]).includes(type);

/**
 * The types of a model and their ids, order and file format of fairseq's Dictionary: four specials, then the types by
 * falling count, equal counts by code points, then made-up words up to a multiple of paddingFactor.
 */
export class Dictionary {
  private readonly ids = new Map<string, number>();

  private constructor(
    /** By id, the specials included. */
    readonly symbols: readonly string[],
    /** How often each type occurred; 0 for the specials. */
    readonly counts: readonly number[],
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
    const { threshold, nwords, paddingFactor } = parseConfig(
      dictionarySchema,
      options,
      'dictionary',
      'INVALID_ARGUMENT',
    );
    const counts = new Map<string, number>();
    for (const line of lines) {
      for (const word of words(line)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    for (const special of specials) counts.delete(special);
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || compareCodePoints(a[0], b[0]));
    const most = nwords === 0 ? sorted.length : Math.max(0, nwords - specials.length);
    const types = sorted.slice(0, most).filter(([, count]) => count >= threshold);
    const kept = new Set(types.map(([type]) => type));
    for (let i = 0; (types.length + specials.length) % paddingFactor !== 0; i++) {
      const word = `madeupword${String(i).padStart(4, '0')}`;
      if (!kept.has(word)) types.push([word, 0]);
    }
    return Dictionary.ofTypes(types);
  }

  private static ofTypes(types: [string, number][]): Dictionary {
    return new Dictionary(
      [...specials, ...types.map(([type]) => type)],
      [...specials.map(() => 0), ...types.map(([, count]) => count)],
    );
  }

  /**
   * Reads the text of a dict.txt, one "type count" a line; `name` is what an error calls it. A type may come again
   * where the line ends in #fairseq:overwrite: it is then another id with the same text, the one that text gets.
   *
   * @throws RdropError FILE_EMPTY, MALFORMED_FILE (a line of another form, a type twice), naming the line.
   */
  static parse(text: string, name: string): Dictionary {
    if (text === '') throw new RdropError('FILE_EMPTY', `${name}: expected a dictionary, got an empty file`);
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    return Dictionary.ofLines(lines, name);
  }

  /** @throws RdropError as parse(), and FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_UTF8. */
  static async read(path: string): Promise<Dictionary> {
    return Dictionary.ofLines(await readLines(path), path);
  }

  private static ofLines(lines: string[], name: string): Dictionary {
    const seen = new Map<string, number>();
    const types = lines.map((line, i): [string, number] => {
      const [, type, count, again] = entry.exec(line) ?? [];
      if (type === undefined) {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:${i + 1}: expected "type count", got ${JSON.stringify(line.slice(0, 80))}`,
        );
      }
      const first = seen.get(type);
      if (again === undefined && (first !== undefined || isSpecial(type))) {
        throw new RdropError(
          'MALFORMED_FILE',
          `${name}:${i + 1}: the type ${JSON.stringify(type)} is there already, ` +
            (first === undefined ? 'as a special' : `in line ${first}`),
        );
      }
      seen.set(type, i + 1);
      return [type, Number(count)];
    });
    return Dictionary.ofTypes(types);
  }

  /** The content of a dict.txt. */
  toString(): string {
    let text = '';
    const written = new Set<string>(specials);
    for (let id = specials.length; id < this.size; id++) {
      const symbol = this.symbols[id]!;
      text += `${symbol} ${this.counts[id]}${written.has(symbol) ? ` ${overwrite}` : ''}\n`;
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
