import { describe } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';

/**
 * The references of a corpus: one stream of sentences, or several of the same length (`references[r][i]`, sacreBLEU's
 * layout), where null says that this stream has no reference for that sentence.
 */
export type References = readonly string[] | readonly (readonly (string | null)[])[];

/** A corpus that was checked. */
export interface Segments {
  readonly hypotheses: readonly string[];
  /** The references of one segment, at least one. */
  referencesOf(segment: number): string[];
  /** References a segment; 'var' where segments differ in it, as sacreBLEU's signatures say. */
  readonly referenceCount: number | 'var';
}

/**
 * @param what names the caller in the messages.
 * @throws RdropError INVALID_ARGUMENT (no hypothesis, a segment without a reference, not a string), LINE_COUNT_MISMATCH.
 */
export function checkedSegments(
  hypotheses: readonly string[],
  references: References,
  what: string,
): Segments {
  checkLines(hypotheses, 'hypotheses', what, false);
  if (!Array.isArray(references) || references.length === 0) {
    throw invalid(what, 'references', 'expected at least one array of strings', references);
  }
  const several = Array.isArray(references[0]);
  const streams = (several ? references : [references]) as readonly (readonly (string | null)[])[];
  streams.forEach((stream, r) => {
    const name = several ? `references[${r}]` : 'references';
    checkLines(stream, name, what, several);
    if (stream.length !== hypotheses.length) {
      throw new RdropError(
        'LINE_COUNT_MISMATCH',
        `${what}: expected as many ${name} as hypotheses (${hypotheses.length}), got ${stream.length}`,
      );
    }
  });
  const referencesOf = (segment: number): string[] =>
    streams.map((stream) => stream[segment] as string | null).filter((line) => line !== null);
  let referenceCount: number | 'var' = referencesOf(0).length;
  for (let segment = 0; segment < hypotheses.length; segment++) {
    const own = referencesOf(segment).length;
    if (own === 0) {
      throw invalid(
        what,
        `references[0..${streams.length - 1}][${segment}]`,
        'expected a string in one of them',
        null,
      );
    }
    if (own !== referenceCount) referenceCount = 'var';
  }
  return { hypotheses, referencesOf, referenceCount };
}

function checkLines(lines: readonly unknown[], name: string, what: string, nullable: boolean): void {
  if (!Array.isArray(lines) || lines.length === 0) {
    throw invalid(what, name, 'expected a non-empty array of strings', lines);
  }
  const wrong = lines.findIndex((line) => typeof line !== 'string' && !(nullable && line === null));
  if (wrong >= 0) {
    const expected = nullable ? 'expected a string or null' : 'expected a string';
    throw invalid(what, `${name}[${wrong}]`, expected, lines[wrong]);
  }
}

function invalid(what: string, name: string, expected: string, value: unknown): RdropError {
  return new RdropError('INVALID_ARGUMENT', `${what}: ${name}: ${expected}, got ${describe(value)}`);
}
