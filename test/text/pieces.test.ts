// Text that other programs cut into pieces: joined as they join it themselves (test/fixtures/text/record_pieces.py), and known
// by its look.
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import type { PieceFormat } from '../../lib/options/index.js';
import {
  findPieces,
  findPiecesOfTypes,
  guessMark,
  piecesWarning,
} from '../../lib/text/pieces/find_pieces.js';
import { joinPieces } from '../../lib/text/pieces/pieces.js';

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/text/pieces.json', import.meta.url), 'utf8'),
) as Record<Exclude<PieceFormat, 'none' | 'joiner'>, { pieces: string; text: string }[]>;
const formats = Object.keys(recorded) as (keyof typeof recorded)[];

describe.each(formats)('%s', (pieces) => {
  it('is joined as its own program joins it', () => {
    expect(recorded[pieces].length).toBe(43);
    for (const line of recorded[pieces]) {
      // The decoder of end-of-word leaves the last space, as BPEDecoder does not.
      expect(joinPieces(line.pieces, { pieces })).toBe(line.text.trim());
    }
  });

  it('is known by its look, line by line and by its types', () => {
    const lines = recorded[pieces].map((line) => line.pieces);
    expect(findPieces(lines)).toMatchObject({ pieces, clear: true });
    expect(findPieces(recorded[pieces].map(({ text }) => text))).toBe(null);
    const counts = new Map<string, number>();
    for (const type of lines.join(' ').split(' ')) counts.set(type, (counts.get(type) ?? 0) + 1);
    expect(findPiecesOfTypes([...counts.keys()], [...counts.values()])).toMatchObject({
      pieces,
      clear: true,
    });
    // Few merges undone, as with a large vocabulary: one token in a hundred is a piece.
    const rare = [...Array.from({ length: 99 }, () => 'a whole line of words .'), ...lines.slice(0, 3)];
    expect(findPieces(rare)?.pieces ?? pieces).toBe(pieces);
  });
});

test.each<[PieceFormat, string | undefined, string, string]>([
  ['none', undefined, 'lo@@ w', 'lo@@ w'],
  // fairseq leaves no mark at the end of what was cut off.
  ['subword-nmt', undefined, 'lo@@ w er@@', 'low er'],
  ['subword-nmt', '~', 'lo~ w@@ er', 'low@@ er'],
  ['subword-nmt', undefined, 'a  b ', 'a  b'],
  ['sentencepiece', undefined, '▁ 日本 ▁the re s', '日本 theres'],
  ['sentencepiece', '_', '_the re _s', 'there s'],
  ['wordpiece', undefined, '##un ##able to', '##unable to'],
  ['end-of-word', '_EOW', 'th ere_EOW is_EOW', 'there is'],
  ['joiner', undefined, 'Hello ￭, wor￭ ld ￭!', 'Hello, world!'],
  ['joiner', undefined, 'a ￭-￭ b ￭ c', 'a-bc'],
  ['joiner', '@', 'wor@ ld @!', 'world!'],
  ['byte-level', undefined, 'Ã¼ber ĠStra ÃŁe', 'über Straße'],
])('%s with the mark %s: %j is %j', (pieces, pieceMark, line, text) => {
  expect(joinPieces(line, { pieces, pieceMark })).toBe(text);
});

test.each<[string, string[], string | null]>([
  ['whole words', ['a dog runs .', 'the cat sits .'], null],
  ['a mark of its own in the text', ['write to me @@ work', 'the ## sign'], null],
  ['headings and hash tags', ['## Title of it', '##Title again', 'text below'], null],
  ['a bar of blocks', ['▁▂▃▄ ▁▂▃ 45 %', 'done', 'and text', 'more text', 'and more of it'], null],
  ['Maltese', ['Ġesù qal lil tiegħu', 'Il- ktieb hu tajjeb', 'Ġorġ mar id- dar'], null],
  ['an empty text', ['', ''], null],
  ['joiners', ['Hello ￭, wor￭ ld ￭!'], 'joiner'],
  [
    'cut sentences of Chinese',
    ['▁ 日本 の 東京 に 行く 人 が 多い', '▁ 今日 は 良い 天気 です'],
    'sentencepiece',
  ],
])('%s', (_, lines, pieces) => {
  const found = findPieces(lines);
  expect(found?.clear ? found.pieces : null).toBe(pieces);
});

test("fairseq's other marks", () => {
  const underscore = recorded.sentencepiece.map(({ pieces }) => pieces.replaceAll('▁', '_'));
  expect(findPieces(underscore)).toMatchObject({ pieces: 'sentencepiece', pieceMark: '_', clear: true });
  const words = recorded['end-of-word'].map(({ pieces }) => pieces.replaceAll('</w>', '_EOW'));
  expect(findPieces(words)).toMatchObject({ pieces: 'end-of-word', pieceMark: '_EOW', clear: true });
  expect(findPieces(['call my_function or _private now', 'the snake_case of it', 'and so on'])).toBe(null);
});

test('another separator is guessed, and no more', () => {
  for (const mark of ['~', '++', '＠＠', '<->', '|']) {
    const lines = recorded['subword-nmt'].map(({ pieces }) => pieces.replaceAll('@@', mark));
    expect(findPieces(lines)).toBe(null);
    expect(guessMark(lines)).toMatchObject({ pieces: 'subword-nmt', pieceMark: mark, clear: false });
  }
  expect(guessMark(recorded['subword-nmt'].map(({ text }) => text))).toBe(null);
});

test('the commas of other scripts are no separators', () => {
  for (const comma of ['،', '，', '、', '፣', '€', '»', '—']) {
    const lines = Array.from(
      'abcdefghijklmnop',
      (letter) => `${letter}x${comma} ${letter}y${comma} ${letter}z`,
    );
    expect(guessMark(lines)).toBe(null);
  }
});

test('text that is scored is told of with any separator', () => {
  for (const [mark, code] of [
    ['||', 'PIECES'],
    ['@@', 'PIECES'],
    ['', undefined],
  ] as const) {
    const lines = recorded['subword-nmt'].map(({ pieces }) => pieces.replaceAll('@@', mark));
    expect(piecesWarning(lines, 'hyp', 'scored as words')?.code).toBe(code);
  }
});

test('a few tokens that look so are mentioned and no more', () => {
  const lines = Array.from({ length: 1000 }, (_, i) => (i % 400 === 7 ? 'my name@@ is' : 'a line of words'));
  expect(findPieces(lines)).toMatchObject({ pieces: 'subword-nmt', clear: false });
  expect(findPieces([...lines, 'name@@', ...lines.map(() => 'words')])).toMatchObject({ clear: false });
});
