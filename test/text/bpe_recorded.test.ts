import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BpeApplyOptions } from '../../lib/options/index.js';
import { Bpe } from '../../lib/text/pieces/bpe.js';
import { countWords, readVocabulary } from '../../lib/text/pieces/bpe_vocabulary.js';
import { recordedText } from '../support/fixtures/text_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

interface Case {
  lines: string[];
  learn: { merges: number; minFrequency: number; totalSymbols: boolean; dictInput: boolean };
  learned: string;
  words?: string;
  apply?: {
    codes: string;
    vocabulary: string | null;
    options: BpeApplyOptions;
    lines: string[];
    pieces: string[];
  };
}
const cases = JSON.parse(recordedText('bpe.json')) as Case[];
const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('random lines and options, against subword-nmt', () => {
  it('learns the same codes', () => {
    expect(cases.filter(({ learn }) => learn.totalSymbols).length).toBeGreaterThan(10);
    expect(cases.filter(({ learn }) => learn.dictInput).length).toBeGreaterThan(10);
    for (const { lines, learn, learned } of cases) {
      const { merges, ...options } = learn;
      expect(Bpe.learn(lines, merges, options).toString()).toBe(learned);
    }
  });

  it('applies the codes of others the same way', async () => {
    const path = join(scratchDirectory(), 'vocabulary');
    const applied = cases.flatMap(({ apply }) => apply ?? []);
    expect(applied.filter(({ vocabulary }) => vocabulary !== null).length).toBeGreaterThan(20);
    expect(applied.filter(({ options }) => options.glossaries).length).toBeGreaterThan(20);
    for (const { codes, vocabulary, options, lines, pieces } of applied) {
      if (vocabulary !== null) writeFileSync(path, vocabulary);
      const bpe = await Bpe.parse(codes, 'codes').with(
        vocabulary === null ? options : { ...options, vocabulary: path },
      );
      expect(lines.map((line) => bpe.segment(line))).toEqual(pieces);
    }
  });

  it('counts the same vocabulary', () => {
    const counted = cases.filter(({ apply }) => apply !== undefined);
    expect(counted.length).toBeGreaterThan(20);
    for (const { apply, words } of counted) {
      const rows = countWords(apply!.lines).map(([word, count]) => `${word} ${count}\n`);
      expect(rows.join('')).toBe(words);
    }
  });
});

describe('bad input', () => {
  it.each([
    [{ merges: -1 }, 'INVALID_ARGUMENT', 'bpe.merges'],
    [{ separator: '' }, 'INVALID_ARGUMENT', 'bpe.separator'],
    [
      { glossaries: ['a', '(b'] },
      'INVALID_ARGUMENT',
      'glossaries[1]: expected a regular expression of Python',
    ],
    [{ glossaries: ['(?i)b'] }, 'INVALID_ARGUMENT', 'is not supported'],
    [{ vocabularyThreshold: 2 }, 'INVALID_ARGUMENT', 'expected together with vocabulary'],
    [{ vocabulary: 'nowhere' }, 'FILE_NOT_FOUND', 'nowhere'],
    [{ seperator: '_' }, 'INVALID_ARGUMENT', 'seperator'],
  ])('%j is refused', async (options, code, message) => {
    const bpe = Bpe.parse('#version: 0.2\na b\n', 'codes');
    await expect(bpe.with(options as object)).rejects.toThrow(fault(code, message));
  });

  it('glossaries that match nothing at all are refused', async () => {
    const bpe = await Bpe.parse('#version: 0.2\na b\n', 'codes').with({ glossaries: ['x*'] });
    expect(() => bpe.segment('ab')).toThrow(fault('INVALID_ARGUMENT', 'at least one character, got "x*"'));
  });

  it('a vocabulary and a dictionary of words name the line', async () => {
    const path = join(scratchDirectory(), 'vocabulary');
    writeFileSync(path, 'a 3\nb 2\nc\n');
    await expect(readVocabulary(path)).rejects.toThrow(fault('MALFORMED_FILE', `${path}:3: expected "word`));
    writeFileSync(path, 'a 3\nb 2\r\nb@@ 1\n');
    expect(await readVocabulary(path, 2)).toEqual(new Set(['a', 'b']));
    expect(() => Bpe.learn(['a 3', 'b 2 c'], 5, { dictInput: true, name: 'words' })).toThrow(
      fault('MALFORMED_FILE', 'words:2: expected "word count", got "b 2 c"'),
    );
  });
});
