import { describe, expect, it } from 'vitest';
import { lowercase } from '../../lib/text/lowercase.js';
import { abbreviations } from '../../lib/text/moses/abbreviations.js';
import { mosesDetokenize } from '../../lib/text/moses/detokenizer.js';
import { normalizePunctuation } from '../../lib/text/moses/normalizer.js';
import { mosesTokenize } from '../../lib/text/moses/tokenizer.js';
import {
  multi30k,
  multi30kHashes,
  multi30kLines,
  recordedHashes,
  recordedLines,
  sha256,
} from '../support/fixtures/text_fixtures.js';

type Step = (line: string, lang: string) => string;

/** By the names that the recording gives them, and whether the input is raw or tokenized. */
const steps: [name: string, input: 'raw' | 'tokenized', step: Step][] = [
  ['tokenized', 'raw', (line, lang) => mosesTokenize(line, lang)],
  ['unescaped', 'raw', (line, lang) => mosesTokenize(line, lang, { escape: false })],
  ['normalized', 'raw', normalizePunctuation],
  ['lowercased', 'raw', lowercase],
  ['detokenized', 'tokenized', mosesDetokenize],
];

describe('against what the Moses scripts made of the same lines', () => {
  for (const [name, input, step] of steps) {
    for (const lang of ['de', 'en']) {
      it.each(['hard', 'soup'])(`${name} ${lang}: %s lines`, (lines) => {
        const raw = recordedLines(`${lines}.${lang}${input === 'raw' ? '' : '.tokenized'}.txt`);
        const expected = recordedLines(`${lines}.${lang}.${name}.txt`);
        expect(raw.length).toBeGreaterThan(30);
        expect(raw.map((line) => step(line, lang))).toEqual(expected);
      });

      it(`${name} ${lang}: all of Multi30k`, (context) => {
        if (multi30k === null) return context.skip('the corpus is not beside the repository');
        const raw = ['train', 'val', 'test_2016_flickr'].flatMap((split) => multi30kLines(split, lang));
        const lines = input === 'raw' ? raw : raw.map((line) => mosesTokenize(line, lang));
        expect(sha256(lines.map((line) => step(line, lang)))).toBe(multi30kHashes().get(`${lang}.${name}`));
      });
    }
  }
});

it.each(['de', 'en'])('knows the abbreviations that the script knows: %s', (lang) => {
  const known = Object.values(abbreviations).flatMap(({ always, beforeNumber }) => [
    ...always,
    ...beforeNumber,
  ]);
  const lines = [...new Set(known)]
    .sort()
    .map((word) => `${word}. A ${word.toLowerCase()}. A ${word.toUpperCase()}. A ${word}. 7 a`);
  const tokens = lines.map((line) => mosesTokenize(line, lang));
  expect(sha256(tokens)).toBe(recordedHashes('abbreviations.sha256').get(lang));
});

describe('the rules, one by one', () => {
  it('keeps numbers, abbreviations and repeated dots together', () => {
    expect(mosesTokenize('Am 3. Mai kostet es z.B. 5,300.5 €...', 'de')).toBe(
      'Am 3. Mai kostet es z.B. 5,300.5 € ...',
    );
    expect(mosesTokenize('No. 7 is no. No. He left.', 'en')).toBe('No. 7 is no . No . He left .');
  });

  it('splits apostrophes as each language does', () => {
    expect(mosesTokenize("it's", 'en', { escape: false })).toBe("it 's");
    expect(mosesTokenize("geht's", 'de', { escape: false })).toBe("geht ' s");
  });

  it('escapes what has a meaning in the file formats', () => {
    const escaped = '&amp; &#124; &lt; &gt; &apos; &quot; &#91; &#93;';
    expect(mosesTokenize('& | < > \' " [ ]', 'en')).toBe(escaped);
    expect(mosesDetokenize('a &#124; b &amp;lt; c', 'en')).toBe('a | b &lt; c');
  });

  it('knows German and English only', () => {
    const expected = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: 'lang: expected one of de, en, got "fr"',
    });
    expect(() => mosesTokenize('a', 'fr')).toThrow(expected);
    expect(() => mosesDetokenize('a', 'fr')).toThrow(expected);
    expect(() => normalizePunctuation('a', 'fr')).toThrow(expected);
  });
});
