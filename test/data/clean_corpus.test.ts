import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cleanCorpus, withinLimits } from '../../lib/data/preparation/clean_corpus.js';
import { iwslt14Fixture, recordedIwslt14 } from '../support/fixtures/iwslt14_fixtures.js';
import { sha256 } from '../support/fixtures/text_fixtures.js';

const lines = (name: string) => readFileSync(iwslt14Fixture(name), 'utf8').split('\n').slice(0, -1);
const soup = (name: string) => ({
  source: lines(`clean.${name}.de`),
  target: lines(`clean.${name}.en`),
});

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

const limits = {
  script: { minLength: 1, maxLength: 175, ratio: 1.5 },
  narrow: { minLength: 2, maxLength: 4, ratio: 2 },
  loose: { minLength: 1, maxLength: 0, ratio: 0 },
};

describe('cleanCorpus', () => {
  const recorded = recordedIwslt14('clean.txt').trimEnd().split('\n');

  it.each(recorded.map((line) => line.split(' ')))(
    'keeps what clean-corpus-n.perl keeps: %s, %s',
    async (...row) => {
      const [name, which, hash, ...retained] = row as [string, keyof typeof limits, string, ...string[]];
      const { pairs, positions } = await cleanCorpus(soup(name), limits[which]);
      expect(positions.map((position) => position + 1)).toEqual(retained.map(Number));
      expect(positions.length).toBeGreaterThan(10);
      expect(sha256([...pairs.source, ...pairs.target])).toBe(hash);
    },
  );

  it('names the line with an empty factor, as the script does', async () => {
    const said = recordedIwslt14('clean.empty.txt').trimEnd();
    expect(said).toBe('There is a blank factor in clean.empty.en on line 5: j||k');
    const names = { source: 'clean.empty.de', target: 'clean.empty.en' };
    await expect(cleanCorpus(soup('empty'), limits.script, { names })).rejects.toThrow(
      fault('MALFORMED_FILE', 'clean.empty.en:5: expected words whose factors'),
    );
    const turned = { source: soup('empty').target, target: soup('empty').source };
    await expect(cleanCorpus(turned, limits.script)).rejects.toThrow(fault('MALFORMED_FILE', 'source:5: '));
  });

  it('refuses sides of different length, and stops when it is aborted', async () => {
    await expect(cleanCorpus({ source: ['a'], target: [] }, limits.script)).rejects.toThrow(
      fault('LINE_COUNT_MISMATCH', 'source has 1, target has 0'),
    );
    const signal = AbortSignal.abort();
    await expect(cleanCorpus(soup('plain'), limits.script, { signal })).rejects.toThrow(
      fault('ABORTED', 'preparing text'),
    );
    expect(await cleanCorpus({ source: [], target: [] }, limits.script)).toEqual({
      pairs: { source: [], target: [] },
      positions: [],
    });
  });
});

describe('withinLimits', () => {
  it.each([
    [2, 3, limits.script, true],
    [3, 2, limits.script, true],
    [3, 5, limits.script, false],
    [175, 175, limits.script, true],
    [176, 175, limits.script, false],
    [0, 1, limits.script, false],
    [0, 9, { minLength: 0, maxLength: 9, ratio: 1 }, true],
    [1, 9, { minLength: 0, maxLength: 9, ratio: 0 }, true],
    [2, 9, { minLength: 2, maxLength: 8, ratio: 0 }, false],
  ])('%i and %i words in %j: %s', (a, b, within, expected) => {
    expect(withinLimits(a, b, within)).toBe(expected);
  });
});
