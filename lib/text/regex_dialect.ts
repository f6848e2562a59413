import {
  alnum,
  alpha,
  lower,
  perlSpace,
  perlWord,
  punctuation,
  pythonSpace,
  pythonWord,
} from '../util/characters.js';
import { RdropError } from '../util/errors.js';

/** Whose regular expression a pattern is. */
export type Dialect = 'perl' | 'python';

interface Classes {
  readonly w: string;
  readonly d: string;
  readonly s: string;
}

/** The inside of a bracket expression for each class that an escape names; on Unicode text. */
const classes: Readonly<Record<Dialect, Classes>> = {
  perl: { w: perlWord, d: '\\p{Nd}', s: perlSpace },
  python: { w: pythonWord, d: '\\p{Nd}', s: pythonSpace },
};

const posix: Readonly<Record<string, string>> = {
  alpha,
  alnum,
  digit: '\\p{Nd}',
  lower,
  upper: '\\p{Uppercase}',
  punct: punctuation,
  space: perlSpace,
  word: perlWord,
  xdigit: '0-9A-Fa-f\\uff10-\\uff19\\uff21-\\uff26\\uff41-\\uff46',
};

const syntaxCharacter = /[\^$\\.*+?()[\]{}|/]/;
const classSyntaxCharacter = /[()[\]{}/\-\\|&!#%,:;<=>@`~^]/;

class Translation {
  /** In UTF-16 units; always between two characters. */
  private at = 0;

  constructor(
    private readonly pattern: string,
    private readonly dialect: Dialect,
  ) {}

  /** The pattern for a RegExp with the flag v. */
  run(): string {
    let result = '';
    while (this.at < this.pattern.length) result += this.term();
    return result;
  }

  /** The character here, if there is one. */
  private here(): string | undefined {
    const point = this.pattern.codePointAt(this.at);
    return point === undefined ? undefined : String.fromCodePoint(point);
  }

  /** The character here, which is gone past. */
  private next(): string | undefined {
    const character = this.here();
    this.at += character?.length ?? 1;
    return character;
  }

  /** Goes past what a regular expression with the flag y finds here. */
  private take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.at;
    const found = expression.exec(this.pattern);
    if (found !== null) this.at += found[0].length;
    return found;
  }

  private term(): string {
    const character = this.next()!;
    switch (character) {
      case '\\': {
        const { set, text } = this.escape();
        if (set !== undefined) return `[${set}]`;
        if (text !== undefined) return text;
        return this.assertion();
      }
      case '[':
        return this.bracket();
      case '(':
        return this.group();
      case '.':
        return '[^\\n]';
      case '{': {
        const bounds = this.take(/([0-9]*)(,?)([0-9]*)\}/y);
        if (bounds !== null && bounds[0] !== '}' && bounds[0] !== ',}') {
          return `{${bounds[1] || '0'}${bounds[2]}${bounds[3]}}`;
        }
        if (bounds !== null) this.at -= bounds[0].length;
        return '\\{';
      }
      case ']':
      case '}':
      case '/':
        return `\\${character}`;
      default:
        return character;
    }
  }

  private group(): string {
    const opening = this.take(/\?(?::|=|!|<=|<!)/y);
    if (opening !== null) return `(${opening[0]}`;
    if (this.take(this.dialect === 'perl' ? /\?P?<\w+>/y : /\?P<\w+>/y) !== null) return '(';
    if (this.pattern[this.at] === '?' || this.pattern[this.at] === '*') {
      throw new Error(`the group "(${this.pattern.slice(this.at, this.at + 3)}" is not supported`);
    }
    return '(';
  }

  /** Behind a backslash: a class, as the inside of a bracket expression, or one character; else nothing is taken. */
  private escape(): { set?: string; text?: string; character?: string } {
    const letter = this.here();
    if (letter === undefined) throw new Error('it ends in a backslash');
    const own = classes[this.dialect];
    const kind = letter.toLowerCase();
    if (kind === 'w' || kind === 'd' || kind === 's') {
      this.at++;
      return { set: kind === letter ? own[kind] : `[^${own[kind]}]` };
    }
    if ('tnrf'.includes(letter)) {
      this.at++;
      return { text: `\\${letter}` };
    }
    const code =
      this.take(/x([0-9A-Fa-f]{2})/y) ??
      this.take(this.dialect === 'perl' ? /x\{([0-9A-Fa-f]{1,6})\}/y : /u([0-9A-Fa-f]{4})/y);
    if (code !== null) return { text: `\\u{${code[1]}}` };
    if (this.dialect === 'perl') {
      const property = this.take(/([pP])(?:\{(?:Is)?([A-Za-z_=]+)\}|([A-Z]))/y);
      if (property !== null) return { set: `\\${property[1]}{${property[2] ?? property[3]}}` };
    }
    if (/^[A-Za-z0-9]$/.test(letter)) return {};
    this.at++;
    return { text: syntaxCharacter.test(letter) ? `\\${letter}` : letter, character: letter };
  }

  private assertion(): string {
    const letter = this.next()!;
    const word = classes[this.dialect].w;
    switch (letter) {
      case 'b':
        return `(?:(?<=[${word}])(?![${word}])|(?<![${word}])(?=[${word}]))`;
      case 'B':
        return `(?:(?<=[${word}])(?=[${word}])|(?<![${word}])(?![${word}]))`;
      case 'A':
        return '^';
      case 'z':
      case 'Z':
        if (letter === 'Z' || this.dialect === 'perl') return '$';
    }
    throw new Error(`"\\${letter}" is not supported`);
  }

  private bracket(): string {
    let result = this.take(/\^/y) === null ? '[' : '[^';
    for (let first = true; ; first = false) {
      const from = this.member(first);
      if (from === null) return `${result}]`;
      if (from.length > 0 && this.pattern[this.at] === '-' && this.pattern[this.at + 1] !== ']') {
        this.at++;
        const to = this.member(false);
        if (to === null || from.startsWith('[') || to.startsWith('[')) throw new Error('a range of classes');
        result += `${from}-${to}`;
      } else result += from;
    }
  }

  /** A character or, in brackets, a class; null at the end of the bracket expression. */
  private member(first: boolean): string | null {
    const character = this.next();
    if (character === undefined) throw new Error('a "[" has no "]"');
    if (character === ']' && !first) return null;
    if (character === '[' && this.dialect === 'perl') {
      const named = this.take(/:(\^?)(\w+):\]/y);
      if (named !== null) {
        const set = posix[named[2]!];
        if (set === undefined) throw new Error(`the class [:${named[2]}:] is not supported`);
        return `[${named[1]}${set}]`;
      }
    }
    if (character === '\\') {
      const { set, text, character: literal } = this.escape();
      if (set !== undefined) return `[${set}]`;
      if (literal !== undefined) return literalInClass(literal);
      if (text !== undefined) return text;
      if (this.pattern[this.at] === 'b') {
        this.at++;
        return '\\u0008';
      }
      throw new Error(`"\\${this.here()}" is not supported in brackets`);
    }
    return literalInClass(character);
  }
}

const literalInClass = (character: string) =>
  classSyntaxCharacter.test(character) ? `\\${character}` : character;

/**
 * A regular expression of Perl or Python as one of JavaScript: escapes and classes mean what they mean there, on
 * Unicode text. Groups that change how the rest is read, back references and possessive quantifiers are refused.
 *
 * @param where what an error calls the pattern.
 * @throws RdropError INVALID_ARGUMENT.
 */
export function foreignPattern(pattern: string, dialect: Dialect, where: string): string {
  const name = dialect === 'perl' ? 'Perl' : 'Python';
  try {
    if (pattern === '') throw new Error('it is empty');
    const translated = new Translation(pattern, dialect).run();
    new RegExp(translated, 'v');
    return translated;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${where}: expected a regular expression of ${name}, got ${JSON.stringify(pattern)} (${reason})`,
      { cause: error },
    );
  }
}
