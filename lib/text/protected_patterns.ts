import { RdropError } from '../errors.js';
import { readLines } from '../util/line_reader.js';
import { foreignPattern } from './foreign_pattern.js';

const compiled = new Map<string, RegExp>();

function compile(pattern: string, where: string): RegExp {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(foreignPattern(pattern, 'perl', where), 'v');
    compiled.set(pattern, expression);
  }
  return expression;
}

const placeholder = (index: number) => `THISISPROTECTED${String(index).padStart(3, '0')}`;

/**
 * Puts a placeholder, a word of its own, for everything that one of the patterns matches (tokenizer.perl -protected).
 * Each pattern goes on behind its last match, as if the text began there.
 *
 * @returns the text and what the placeholders stand for.
 * @throws RdropError INVALID_ARGUMENT for a pattern that is none, or that matches nothing at all (the script then
 *   never ends).
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
  let result = text;
  kept.forEach((part, i) => {
    result = result.replaceAll(part, () => ` ${placeholder(i)} `);
  });
  return { text: result, kept };
}

/** Puts back what protect() kept. */
export function restoreProtected(text: string, kept: readonly string[]): string {
  return kept.reduce((result, part, i) => result.replaceAll(placeholder(i), () => part), text);
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
