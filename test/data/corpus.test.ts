import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findSide, loadCorpus, loadReferences } from '../../lib/data/corpus.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { scratchDirectory } from '../support/scratch.js';

const dictionary = Dictionary.parse('b 2\na 1\n', 'dict.txt');
const config = { source: 'de', target: 'en', tokenizer: 'none', normalize: false, lowercase: false, bpe: 0 };

function directoryOf(files: Record<string, string | Uint8Array>): string {
  const directory = scratchDirectory();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

const prepared = (files: Record<string, string | Uint8Array>) =>
  directoryOf({ 'text.json': JSON.stringify({ version: 1, ...config }), ...files });

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('loadCorpus', () => {
  it('reads both sides as token ids', async () => {
    const directory = prepared({ 'valid.de': 'a b\n\n', 'valid.en': 'b\nx a' });
    const { source, target } = await loadCorpus(directory, 'valid', dictionary);
    expect(source).toEqual([Int32Array.of(5, 4, 2), Int32Array.of(2)]);
    expect(target).toEqual([Int32Array.of(4, 2), Int32Array.of(3, 5, 2)]);
  });

  it.each<[string, Record<string, string | Uint8Array>, string, string]>([
    ['a missing side', { 'train.de': 'a\n' }, 'FILE_NOT_FOUND', 'train.en'],
    ['an empty side', { 'train.de': 'a\n', 'train.en': '' }, 'FILE_EMPTY', 'train.en'],
    [
      'unequal sides',
      { 'train.de': 'a\na\na\n', 'train.en': 'a\nb\n' },
      'LINE_COUNT_MISMATCH',
      'train.de has 3, ',
    ],
    [
      'bytes that are not UTF-8',
      { 'train.de': 'a\n', 'train.en': Uint8Array.of(0xc3) },
      'INVALID_UTF8',
      'train.en:1',
    ],
    ['a broken text.json', { 'text.json': '{' }, 'MALFORMED_FILE', 'text.json'],
    ['another version', { 'text.json': '{"version": 2}' }, 'MALFORMED_FILE', 'expected 1, got 2'],
    ['a text.json of other content', { 'text.json': '[]' }, 'MALFORMED_FILE', 'text.json'],
    ['null for text.json', { 'text.json': 'null' }, 'MALFORMED_FILE', 'text.json'],
    ['an option too few', { 'text.json': '{"version":1,"source":"de"}' }, 'MALFORMED_FILE', 'text.target'],
    [
      'an option too many',
      { 'text.json': JSON.stringify({ version: 1, ...config, extra: 1 }) },
      'MALFORMED_FILE',
      'extra',
    ],
  ])('refuses %s', async (_, files, code, message) => {
    await expect(loadCorpus(prepared(files), 'train', dictionary)).rejects.toThrow(fault(code, message));
  });

  it('refuses a directory that was not prepared', async () => {
    await expect(loadCorpus(directoryOf({}), 'train', dictionary)).rejects.toThrow(
      fault('FILE_NOT_FOUND', 'text.json'),
    );
    await expect(loadReferences(prepared({}), 'test')).rejects.toThrow(fault('FILE_NOT_FOUND', 'raw'));
  });
});

describe('findSide', () => {
  it('prefers the plain file and names both when none is there', async () => {
    const directory = directoryOf({ 'a.de': '', 'a.de.gz': '', 'a.en.gz': '' });
    expect(await findSide(join(directory, 'a'), 'de')).toBe(join(directory, 'a.de'));
    expect(await findSide(join(directory, 'a'), 'en')).toBe(join(directory, 'a.en.gz'));
    await expect(findSide('x/b', 'en')).rejects.toThrow(fault('FILE_NOT_FOUND', 'x/b.en or x/b.en.gz'));
  });
});
