import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { DictionaryOptions } from '../../lib/options/index.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { recordedLines, recordedText } from '../support/fixtures/text_fixtures.js';

const fairseqDictionary = fileURLToPath(new URL('../../../shared/data/iwslt14/dict.txt', import.meta.url));

const recordedCases = JSON.parse(recordedText('dictionary.json')) as {
  built: { lines: string[]; options: DictionaryOptions; text: string }[];
  read: { text: string; symbols: string[]; line: string; ids: number[] }[];
};

describe('Dictionary', () => {
  it('reads and writes the dictionary that fairseq made of IWSLT14', (context) => {
    if (!existsSync(fairseqDictionary)) return context.skip('the dictionary is not beside the repository');
    const text = readFileSync(fairseqDictionary, 'utf8');
    const original = Dictionary.parse(text, 'dict.txt');
    expect(original.size).toBe(10_152);
    expect(original.toString()).toBe(text);
  });

  it('builds the dictionary and the ids that fairseq made of the same lines', () => {
    const lines = recordedLines('soup.de.pieces.txt');
    const dictionary = Dictionary.build(lines);
    expect(dictionary.toString()).toBe(recordedText('soup.de.dict.txt'));
    expect(lines.map((line) => dictionary.encode(line).join(' '))).toEqual(recordedLines('soup.de.ids.txt'));
  });

  it('builds with thresholds and limits what fairseq builds', () => {
    const { built } = recordedCases;
    expect(built.length).toBeGreaterThan(100);
    for (const { lines, options, text } of built) {
      expect(Dictionary.build(lines, options).toString()).toBe(text);
    }
  });

  it('reads types that stand twice as fairseq does, and writes what it reads', () => {
    for (const { text, symbols, line, ids } of recordedCases.read) {
      const dictionary = Dictionary.parse(text, 'dict.txt');
      expect(dictionary.symbols).toEqual(symbols);
      expect([...dictionary.encode(line)]).toEqual([...ids, 2]);
      expect(dictionary.toString()).toBe(text.replaceAll(/ $/gm, ''));
    }
  });

  it.each([{ threshold: -1 }, { nwords: 1.5 }, { paddingFactor: 0 }, { padding: 8 }])(
    'refuses %j',
    (options) => {
      expect(() => Dictionary.build(['a'], options as object)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('dictionary') }),
      );
    },
  );

  it('sorts equal counts by code points and fills up to a multiple', () => {
    const lines = ['b a 😀 \uffee c c', 'madeupword0001'];
    const types = ['c', 'a', 'b', 'madeupword0001', '\uffee', '😀'];
    const filling = [0, 2, 3, 4, 5, 6].map((i) => `madeupword000${i}`);
    expect(Dictionary.build(lines).symbols.slice(4)).toEqual([...types, ...filling]);
    expect(Dictionary.build(lines, { paddingFactor: 1 }).size).toBe(10);
  });

  it('encodes with eos at the end, unknown words as unk, and decodes', () => {
    const dictionary = Dictionary.parse('b 2\na 1\n', 'dict.txt');
    expect(dictionary.size).toBe(6);
    expect([...dictionary.encode(' a  b x\u00a0a ')]).toEqual([5, 4, 3, 5, 2]);
    expect([...dictionary.encode('')]).toEqual([2]);
    expect(dictionary.decode(new Int32Array([0, 5, 4, 3, 1, 2]))).toBe('a b <unk>');
  });

  it('does not take words of the text for its specials', () => {
    const dictionary = Dictionary.build(['<s> </s> <pad> <unk> a']);
    expect(dictionary.symbols.slice(0, 5)).toEqual(['<s>', '<pad>', '</s>', '<unk>', 'a']);
    expect([...dictionary.encode('<s> </s> <pad> <unk> a')]).toEqual([3, 3, 3, 3, 4, 2]);
  });

  it.each([-1, 6, 2 ** 31 - 1])('refuses the id %i', (id) => {
    const dictionary = Dictionary.parse('b 2\na 1\n', 'dict.txt');
    expect(() => dictionary.decode(new Int32Array([4, id]))).toThrow(
      expect.objectContaining({
        code: 'TOKEN_OUT_OF_RANGE',
        message: `tokens[1]: expected an id from 0 to 5, got ${id}`,
      }),
    );
  });

  it.each([
    ['', 'FILE_EMPTY', 'dict.txt: expected a dictionary'],
    ['a 1\nb\n', 'MALFORMED_FILE', 'dict.txt:2: expected "type count", got "b"'],
    ['a 1\nb x\n', 'MALFORMED_FILE', 'dict.txt:2: '],
    ['a 1\nb 1.5\n', 'MALFORMED_FILE', 'dict.txt:2: '],
    ['a 1\n\nb 1\n', 'MALFORMED_FILE', 'dict.txt:2: '],
    ['a 1\nb 1\na 1\n', 'MALFORMED_FILE', 'dict.txt:3: the type "a" is there already, in line 1'],
    ['a 1\n<pad> 1\n', 'MALFORMED_FILE', 'dict.txt:2: the type "<pad>" is there already, as a special'],
  ])('refuses %j', (text, code, message) => {
    expect(() => Dictionary.parse(text, 'dict.txt')).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});
