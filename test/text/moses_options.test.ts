import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lowercase } from '../../lib/text/lowercase.js';
import { mosesDetokenize } from '../../lib/text/moses/detokenizer.js';
import { normalizePunctuation } from '../../lib/text/moses/normalizer.js';
import { readProtectedPatterns } from '../../lib/text/moses/protected_patterns.js';
import { sacremosesDetokenize } from '../../lib/text/moses/sacremoses_detokenizer.js';
import { mosesTokenize } from '../../lib/text/moses/tokenizer.js';
import {
  multi30k,
  multi30kHashes,
  multi30kLines,
  recordedHashes,
  recordedLines,
  sha256,
  textFixturePath,
} from '../support/fixtures/text_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

type Step = (line: string, lang: string) => string;

const protectedPatterns = recordedLines('patterns.txt');

/** By the names that the recording gives them. */
const steps: Record<string, Step> = {
  tokenized: (line, lang) => mosesTokenize(line, lang),
  normalized: (line, lang) => normalizePunctuation(line, lang),
  lowercased: lowercase,
  detokenized: (line, lang) => mosesDetokenize(line, lang),
  aggressive: (line, lang) => mosesTokenize(line, lang, { aggressive: true }),
  protected: (line, lang) => mosesTokenize(line, lang, { protectedPatterns }),
  skipped: (line, lang) => mosesTokenize(line, lang, { skipXml: true }),
  uppercased: (line, lang) => mosesDetokenize(line, lang, { uppercase: true }),
  penn: (line, lang) => normalizePunctuation(line, lang, { penn: true }),
  sacremoses: sacremosesDetokenize,
};

describe('against what the original programs made of the same lines', () => {
  it.each([...recordedHashes('options.sha256')])('%s', (name, hash) => {
    const [lines, lang, what] = name.split('.') as [string, string, string];
    const results = recordedLines(`${lines}.${lang}.txt`).map((line) => steps[what]!(line, lang));
    expect(sha256(results)).toBe(hash);
  });

  it.each(['de', 'en'])('line by line: %s', (lang) => {
    const raw = recordedLines(`hard.${lang}.txt`);
    expect(raw.map((line) => mosesTokenize(line, lang, { protectedPatterns }))).toEqual(
      recordedLines(`hard.${lang}.protected.txt`),
    );
    const tokens = recordedLines(`hard.${lang}.tokenized.txt`);
    expect(tokens.map((line) => sacremosesDetokenize(line, lang))).toEqual(
      recordedLines(`hard.${lang}.sacremoses.txt`),
    );
  });

  it('sacremoses: all of Multi30k', (context) => {
    if (multi30k === null) return context.skip('the corpus is not beside the repository');
    for (const lang of ['de', 'en']) {
      const raw = ['train', 'val', 'test_2016_flickr'].flatMap((split) => multi30kLines(split, lang));
      const lines = raw.map((line) => sacremosesDetokenize(mosesTokenize(line, lang), lang));
      expect(sha256(lines)).toBe(multi30kHashes().get(`${lang}.sacremoses`));
    }
  });
});

describe('every class of character of Unicode 14', () => {
  const lines = recordedLines('codepoints.txt').flatMap((run) => {
    const [first, last] = run.split(' ').map((point) => Number.parseInt(point, 16)) as [number, number];
    return Array.from({ length: last - first + 1 }, (_, i) => {
      const c = String.fromCodePoint(first + i);
      return `${c}'a a${c}b 1${c}2 a'${c} x-${c} ${c}-${c} ${c},${c} 1,${c} A.${c} ${c}. ${c}x ( ${c} ) .${c} 's ${c} 's ' ${c}`;
    });
  });

  it.each([...recordedHashes('codepoints.sha256')])('%s', (name, hash) => {
    const [lang, what] = name.split('.') as [string, string];
    expect(sha256(lines.map((line) => steps[what]!(line, lang)))).toBe(hash);
  });
});

describe('options', () => {
  it('do what they are for', () => {
    expect(mosesTokenize('a well-known U-Bahn - 5-7', 'en', { aggressive: true })).toBe(
      'a well @-@ known U @-@ Bahn - 5 @-@ 7',
    );
    expect(mosesTokenize('<a href="b">', 'en', { skipXml: true })).toBe('<a href="b">');
    expect(mosesDetokenize('" ß , said he . "', 'en', { uppercase: true })).toBe('"SS, said he."');
    expect(normalizePunctuation("``a''", 'en', { penn: true })).toBe('``a"');
    expect(mosesTokenize('See http://a.de/b?c=d.', 'en', { protectedPatterns: ['http:\\S+[a-z]'] })).toBe(
      'See http://a.de/b?c=d .',
    );
  });

  it('are refused when they are unknown', () => {
    for (const call of [
      () => mosesTokenize('a', 'en', { agressive: true } as object),
      () => mosesDetokenize('a', 'en', { upper: true } as object),
      () => normalizePunctuation('a', 'en', { pen: true } as object),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});

describe('protected patterns', () => {
  it.each([
    ['(a', 'protectedPatterns[1]: expected a regular expression of Perl, got "(a"'],
    ['(?i)a', 'the group "(?i)" is not supported'],
    ['(a)\\1', '"\\1" is not supported'],
    ['a++', 'expected a regular expression of Perl'],
    ['[z-a]', 'expected a regular expression of Perl'],
    ['[a', 'a "[" has no "]"'],
    ['[[:nope:]]', 'the class [:nope:] is not supported'],
    ['a\\', 'it ends in a backslash'],
    ['x*', 'protectedPatterns[1]: expected a pattern that matches at least one character, got "x*"'],
  ])('%j is refused', (pattern, message) => {
    expect(() => mosesTokenize('abc', 'en', { protectedPatterns: ['zz', pattern] })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });

  it('are read from a file; an error names the line', async () => {
    expect(await readProtectedPatterns(textFixturePath('patterns.txt'))).toEqual(protectedPatterns);
    const path = join(scratchDirectory(), 'patterns');
    writeFileSync(path, 'a+\n(b\n');
    await expect(readProtectedPatterns(path)).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`${path}:2`) }),
    );
    writeFileSync(path, 'a+\n\n');
    await expect(readProtectedPatterns(path)).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('it is empty') }),
    );
    await expect(readProtectedPatterns(`${path}.no`)).rejects.toThrow(
      expect.objectContaining({ code: 'FILE_NOT_FOUND' }),
    );
  });
});

describe('sacremosesDetokenize', () => {
  it('differs from the script where the port does', () => {
    expect(sacremosesDetokenize("- 's", 'en')).toBe("-'s");
    expect(mosesDetokenize("- 's", 'en')).toBe("- 's");
    expect(sacremosesDetokenize('< a . >', 'de')).toBe('< a. >');
    expect(mosesDetokenize('< a . >', 'de')).toBe('< a . >');
    expect(sacremosesDetokenize('a\u00a0.', 'de')).toBe('a.');
    expect(sacremosesDetokenize('', 'de')).toBe('');
  });

  it('knows German and English only', () => {
    expect(() => sacremosesDetokenize('a', 'fr')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('got "fr"') }),
    );
  });
});
