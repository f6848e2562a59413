import { describe, expect, it } from 'vitest';
import { bleu } from '../../lib/evaluation/bleu.js';
import { bleuTokenizers } from '../../lib/evaluation/bleu_tokenizer.js';
import { chrf } from '../../lib/evaluation/chrf.js';
import { splitCompounds } from '../../lib/evaluation/compound_split.js';
import { fairseqScore } from '../../lib/evaluation/fairseq_score.js';
import { ter } from '../../lib/evaluation/ter.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { lowercase } from '../../lib/text/lowercase.js';
import { mosesDetokenize } from '../../lib/text/moses/detokenizer.js';
import { normalizePunctuation } from '../../lib/text/moses/normalizer.js';
import { sacremosesDetokenize } from '../../lib/text/moses/sacremoses_detokenizer.js';
import { mosesTokenize } from '../../lib/text/moses/tokenizer.js';
import { Bpe } from '../../lib/text/pieces/bpe.js';
import { Glossaries } from '../../lib/text/pieces/bpe_glossaries.js';
import { countsOfLines } from '../../lib/text/pieces/bpe_vocabulary.js';
import { joinPieces } from '../../lib/text/pieces/pieces.js';
import { foreignPattern } from '../../lib/text/regex_dialect.js';
import { familyNames, growthExponent } from '../support/growth.js';

/** A length of text that a linear function takes a few milliseconds for, a quadratic one seconds. */
const long = process.env['RDROP_TEST_LONG'] ? 1_000_000 : 40_000;
const limit = 1.2;

const codes = Bpe.learn(['aaaa aaaa abababab abab .... 1111 中中 😀😀 &amp; http://a.de/b'], 40);
const old = Bpe.parse(codes.toString().replace(/^.*\n/, ''), 'codes');
const glossaries = new Glossaries(['a', '1+', 'http\\S*']);
const dictionary = Dictionary.build(['a ab x y .']);
const address = ['(http[s]?|ftp)://[^:/\\s]+(/\\w+)*/[\\w\\-\\.]+', '[\\w\\-\\.]+@x'];
const doubled = (text: string) => text.slice(text.length / 2) + text.slice(0, text.length / 2);

/** What takes a text, and the share of the length that it is tried with. */
const functions: [name: string, work: (text: string) => unknown, share?: number][] = [
  ['mosesTokenize, German', (text) => mosesTokenize(text, 'de')],
  ['mosesTokenize, English', (text) => mosesTokenize(text, 'en', { aggressive: true, skipXml: true })],
  [
    'mosesTokenize, protected',
    (text) => mosesTokenize(text, 'en', { protectedPatterns: address.slice(0, 1) }),
  ],
  ['mosesTokenize, letters protected', (text) => mosesTokenize(text, 'en', { protectedPatterns: ['[ab]'] })],
  ['normalizePunctuation, German', (text) => normalizePunctuation(text, 'de')],
  ['normalizePunctuation, English', (text) => normalizePunctuation(text, 'en')],
  ['mosesDetokenize', (text) => mosesDetokenize(text, 'en', { uppercase: true })],
  ['sacremosesDetokenize', (text) => sacremosesDetokenize(text, 'en')],
  ['lowercase', lowercase],
  ['Bpe.segment', (text) => codes.segment(text)],
  ['Bpe.segment, version 0.1', (text) => old.segment(text)],
  ['Glossaries', (text) => glossaries.split(text)],
  ['Bpe.learn', (text) => Bpe.learn([text], 500), 0.5],
  ['Bpe.parse', (text) => Bpe.parse(text, 'codes')],
  ...(['subword-nmt', 'sentencepiece', 'wordpiece', 'joiner', 'byte-level'] as const).map(
    (pieces): [string, (text: string) => unknown] => [
      `joinPieces, ${pieces}`,
      (text) => joinPieces(text, { pieces }),
    ],
  ),
  ['countsOfLines', (text) => countsOfLines(text.split('\n'), 'counts')],
  ['Dictionary.parse', (text) => Dictionary.parse(`${text} 1\n`, 'dict.txt')],
  ['Dictionary.build', (text) => Dictionary.build([text])],
  ['Dictionary.encode', (text) => dictionary.encode(text)],
  ['foreignPattern', (text) => foreignPattern(text, 'perl', 'pattern'), 0.25],
  ...Object.entries(bleuTokenizers).map(([name, tokenize]): [string, (text: string) => unknown] => [
    `tokenizer ${name} of BLEU`,
    tokenize,
  ]),
  ['bleu', (text) => bleu([text], [doubled(text)])],
  ['chrf', (text) => chrf([text], [doubled(text)], { wordOrder: 2 }), 0.5],
  ['fairseqScore', (text) => fairseqScore([text], [doubled(text)])],
  // Linear because of its beam and its bound on shifts, with a large factor: both are sacreBLEU's.
  ['ter', (text) => ter([text], [doubled(text)], { normalized: true, asianSupport: true }), 0.1],
  ['splitCompounds', splitCompounds],
];

describe('time grows near linearly with a line, whatever is in it:', () => {
  it.each(functions)('%s', { timeout: 600_000 }, async (_, work, share = 1) => {
    const steep: string[] = [];
    for (const family of familyNames) {
      const exponent = await growthExponent(work, family, long * share, limit);
      if (exponent >= limit) steep.push(`${family}: ${exponent.toFixed(2)}`);
    }
    expect(steep).toEqual([]);
  });
});
