import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Dictionary } from '../../lib/text/dictionary.js';
import { readProtectedPatterns } from '../../lib/text/moses/protected_patterns.js';
import { Bpe } from '../../lib/text/pieces/bpe.js';
import { countsOfLines, readVocabulary } from '../../lib/text/pieces/bpe_vocabulary.js';
import { scratchDirectory } from '../support/scratch.js';

/** How fairseq and subword-nmt read each text, null where they refuse it: record.py beside the files. */
const recorded = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/text/readers/${name}.json`, import.meta.url), 'utf8'));

function fileOf(text: string): string {
  const path = join(scratchDirectory(), 'file');
  writeFileSync(path, text);
  return path;
}

/** What comes of the work, null where it is refused with a coded error. */
async function attempt<T>(work: () => T | Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    expect(error).toMatchObject({ code: 'MALFORMED_FILE', message: expect.stringMatching(/:[0-9]+: /) });
    return null;
  }
}

describe('a dict.txt is read as fairseq reads it', () => {
  const dictionaries: [string, { types: [string, string][]; ids: Record<string, number> } | null][] =
    recorded('dictionaries');
  it.each(dictionaries)('%j', async (text, read) => {
    const own = await attempt(() => Dictionary.read(fileOf(text)));
    if (read === null) return expect(own).toBeNull();
    expect(own!.symbols.slice(4)).toEqual(read.types.map(([type]) => type));
    // The specials have ids of their own whatever a file says: text must not end or pad a sentence.
    for (const [type, id] of Object.entries(read.ids)) expect(own!.id(type)).toBe(id);
    const exact = own!.toString().split('\n').slice(0, -1);
    exact.forEach((line, i) => {
      expect(
        line
          .replace(/ #fairseq:overwrite$/, '')
          .split(' ')
          .at(-1),
      ).toBe(read.types[i]![1]);
    });
    expect(Dictionary.parse(own!.toString(), 'again').symbols).toEqual(own!.symbols);
  });
});

describe('the files of subword-nmt are read as it reads them', () => {
  const { vocabularies, counts, codes } = recorded('vocabularies');
  it.each(vocabularies as [string, number | null, string[] | null][])(
    'vocabulary %j with threshold %s',
    async (text, threshold, words) => {
      const own = await attempt(() => readVocabulary(fileOf(text), threshold ?? undefined));
      expect(own && [...own].sort()).toEqual(words);
    },
  );

  it.each(counts as [string, [string, string][] | null][])('counts %j', async (text, words) => {
    const own = await attempt(() => countsOfLines(text.split('\n').slice(0, -1), 'counts'));
    expect(own && [...own].map(([word, count]) => [word, String(count)]).sort()).toEqual(words);
  });

  it.each(codes as [string, { pieces: string } | null][])('codes %j', async (text, read) => {
    const own = await attempt(async () => (await Bpe.read(fileOf(text))).segment('abc ab'));
    expect(own).toBe(read === null ? null : read.pieces);
  });
});

describe('a byte-order mark, which an editor wrote, is no part of', () => {
  it('a dictionary', async () => {
    expect((await Dictionary.read(fileOf('\ufeffa 5\r\nb 4\r\n'))).toString()).toBe('a 5\nb 4\n');
  });
  it('codes', async () => {
    const bpe = await Bpe.read(fileOf('\ufeff#version: 0.2\r\na b</w>\r\n'));
    expect(bpe.toString()).toBe('#version: 0.2\na b</w>\n');
  });
  it('a text in memory, which is read as the file is', () => {
    expect(Dictionary.parse('\ufeffa 5\r\nb 4\r\n', 'text').toString()).toBe('a 5\nb 4\n');
    const bpe = Bpe.parse('\ufeff#version: 0.2\r\na b</w>\r\n\r\n', 'text');
    expect(bpe.toString()).toBe('#version: 0.2\na b</w>\n');
  });
  it('a vocabulary', async () => {
    expect([...(await readVocabulary(fileOf('\ufeffa 5\r\n')))]).toEqual(['a']);
  });
  it('patterns', async () => {
    expect(await readProtectedPatterns(fileOf('\ufeffa+\r\nb\r\n'))).toEqual(['a+', 'b']);
  });
});
