import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bpe } from '../../lib/text/pieces/bpe.js';
import { joinPieces } from '../../lib/text/pieces/pieces.js';
import { recordedLines, recordedText, textFixturePath } from '../support/fixtures/text_fixtures.js';

describe('against what subword-nmt made of the same lines', () => {
  it('learns the same codes: ties, repeated letters, characters beyond the basic plane', () => {
    const bpe = Bpe.learn(recordedLines('words.txt'), 2000);
    expect(bpe.toString()).toBe(recordedText('words.codes.txt'));
    expect(recordedLines('words.txt').map((line) => bpe.segment(line))).toEqual(
      recordedLines('words.pieces.txt'),
    );
  });

  it('stops at the least frequency', () => {
    const bpe = Bpe.learn(recordedLines('hard.de.tokenized.txt'), 400, { minFrequency: 5 });
    expect(bpe.toString()).toBe(recordedText('hard.de.codes.txt'));
    expect(bpe.merges.length).toBeLessThan(400);
  });

  it('splits unknown words and keeps the space around a line', async () => {
    const bpe = await Bpe.read(textFixturePath('hard.de.codes.txt'));
    expect(recordedLines('soup.de.tokenized.txt').map((line) => bpe.segment(line))).toEqual(
      recordedLines('soup.de.pieces.txt'),
    );
  });

  it('reads codes of version 0.1', async () => {
    const bpe = await Bpe.read(textFixturePath('version1.codes.txt'));
    expect(bpe.segment('low lower lowest slower er r </w> e')).toBe(recordedLines('version1.pieces.txt')[0]);
    expect(bpe.toString()).toBe(recordedText('version1.codes.txt'));
  });
});

describe('Bpe', () => {
  it('learns from a word of any length that holds spaces of another kind', () => {
    const learned = Bpe.learn(['a\u00a0'.repeat(2 ** 17)], 20);
    expect(learned.merges.length).toBeGreaterThanOrEqual(17);
    expect(learned.merges.at(-1)?.join('').length).toBeGreaterThan(2 ** 16);
  });

  it('joins what it split', () => {
    const word = fc
      .string({ unit: fc.constantFrom('a', 'b', '@', '😀', '<', '/', 'w', '>'), minLength: 1, maxLength: 12 })
      // A word that ends in the separator cannot be told from a piece; subword-nmt has the same limit.
      .filter((text) => !text.endsWith('@@'));
    const bpe = Bpe.learn(['ab abab @a </w> 😀😀 a@b ab', 'abab ab 😀😀'], 50);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        expect(joinPieces(bpe.segment(words.join(' ')), { pieces: 'subword-nmt' })).toBe(words.join(' '));
      }),
    );
  });

  it('learns nothing where no word has two letters', () => {
    expect(Bpe.learn(['a b c a b c'], 10).toString()).toBe('#version: 0.2\n');
  });

  it.each([
    ['', 'FILE_EMPTY', 'codes: expected BPE codes, got an empty file'],
    ['#version: 0.3\na b\n', 'MALFORMED_FILE', 'codes:1: expected BPE codes of version 0.1 or 0.2'],
    ['#version: 0.2\na b\nabc\n', 'MALFORMED_FILE', 'codes:3: expected two symbols'],
    ['#version: 0.2\na b\n\nc d\n', 'MALFORMED_FILE', 'codes:3: expected two symbols'],
    ['a b\na b c\n', 'MALFORMED_FILE', 'codes:2: expected two symbols'],
  ])('refuses %j', (text, code, message) => {
    expect(() => Bpe.parse(text, 'codes')).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it('writes a file whole and reads it again', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rdrop-bpe-'));
    try {
      const bpe = Bpe.learn(['low lower lowest low lower'], 5);
      await bpe.write(join(directory, 'codes'));
      expect((await Bpe.read(join(directory, 'codes'))).toString()).toBe(bpe.toString());
      expect(await readdir(directory)).toEqual(['codes']);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
