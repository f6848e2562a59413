import { RdropError } from '../../util/errors.js';
import { readLines } from '../lines/line_reader.js';
import { foreignPattern } from '../regex_dialect.js';
import { replaceInOrder } from './many_replacements.js';

const compiled = new Map<string, RegExp>();

function compile(pattern: string, where: string): RegExp {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(foreignPattern(pattern, 'perl', where), 'v');
    compiled.set(pattern, expression);
  }
  return expression;
}

const placeholderStart = 'THISISPROTECTED';
const placeholder = (index: number) => `${placeholderStart}${String(index).padStart(3, '0')}`;

/** Could be found inside a placeholder, or reach over the space at its edge. */
const likePlaceholder = /^[THISPROECD0-9 ]+$|^ | $| T|[0-9] /;
const alike = (kept: readonly string[]) =>
  kept.some((part) => part.includes(placeholderStart) || likePlaceholder.test(part));

/** Parts that look like placeholders are replaced inside these as well: with many the text would grow without end. */
const mostLikePlaceholders = 1000;
const longestProtected = 2 ** 26;

/**
 * Puts a placeholder, a word of its own, for everything that one of the patterns matches (tokenizer.perl -protected).
 * Each pattern goes on behind its last match, as if the text began there.
 *
 * @returns the text and what the placeholders stand for.
 * @throws RdropError INVALID_ARGUMENT for a pattern that is none, or that matches nothing at all (the script then
 *   never ends); TOO_LARGE where what is protected looks like the placeholders, so that they would be replaced in turn
 *   (the script then takes all memory).
 */
export function protect(text: string, patterns: readonly string[]): { text: string; kept: string[] } {
  const kept: string[] = [];
  patterns.forEach((pattern, i) => {
    const expression = compile(pattern, `protectedPatterns[${i}]`);
    let rest = text;
    for (let found = expression.exec(rest); found !== null; found = expression.exec(rest)) {
      if (found[0] === '') {
        throw new RdropError(
          'INVALID_ARGUMENT',
          `protectedPatterns[${i}]: expected a pattern that matches at least one character, ` +
            `got ${JSON.stringify(pattern)}`,
        );
      }
      kept.push(found[0]);
      rest = rest.slice(found.index + found[0].length);
    }
  });
  return { text: withPlaceholders(text, kept), kept };
}

function withPlaceholders(text: string, kept: readonly string[]): string {
  if (!alike(kept)) {
    const first = new Map<string, number>();
    kept.forEach((part, i) => {
      if (!first.has(part)) first.set(part, i);
    });
    const numbers = [...first.values()];
    return replaceInOrder(text, [...first.keys()], (part) => ` ${placeholder(numbers[part]!)} `);
  }
  // One after the other, as the script does, whatever comes of it.
  let result = text;
  kept.forEach((part, i) => {
    result = result.replaceAll(part, () => ` ${placeholder(i)} `);
    if (kept.length > mostLikePlaceholders || result.length > longestProtected) {
      throw new RdropError(
        'TOO_LARGE',
        `protectedPatterns: expected at most ${mostLikePlaceholders} matches in a line and ${longestProtected} characters ` +
          `of it once they are protected where matches look like the placeholders (${placeholder(0)}), ` +
          `got ${kept.length} matches`,
      );
    }
  });
  return result;
}

/** Puts back what protect() kept. */
export function restoreProtected(text: string, kept: readonly string[]): string {
  if (kept.length === 0) return text;
  if (alike(kept)) {
    return kept.reduce((result, part, i) => result.replaceAll(placeholder(i), () => part), text);
  }
  // The script takes the numbers in order, so that THISISPROTECTED1000 is THISISPROTECTED100 and a 0.
  return text.replace(/THISISPROTECTED([0-9]{3})/g, (found, number) => kept[Number(number)] ?? found);
}

/**
 * Reads a file of Perl's regular expressions, one a line, such as Moses's basic-protected-patterns.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, INVALID_ARGUMENT (names the line).
 */
export async function readProtectedPatterns(path: string): Promise<string[]> {
  const patterns = await readLines(path);
  patterns.forEach((pattern, i) => {
    compile(pattern, `${path}:${i + 1}`);
  });
  return patterns;
}
