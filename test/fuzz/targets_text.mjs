// Text and what prepares it.
import { gzipSync } from 'node:zlib';
import { Dictionary } from '../../dist/text/dictionary.js';
import { readLines } from '../../dist/text/lines/line_reader.js';
import { protect, readProtectedPatterns } from '../../dist/text/moses/protected_patterns.js';
import { Bpe } from '../../dist/text/pieces/bpe.js';
import { Glossaries } from '../../dist/text/pieces/bpe_glossaries.js';
import { readVocabulary } from '../../dist/text/pieces/bpe_vocabulary.js';
import { byLines, bytes, file, fixture, insideGzip, text } from './samples.mjs';

const dictText = 'der 10\ndie 8\nund 7\n@@ 3\nhaus@@ 2 #fairseq:overwrite\n';
const codesText = '#version: 0.2\ne r</w>\nd er</w>\nd ie</w>\nh a\nha us</w>\n';

export const targets = {
  lines: {
    seeds: () => [
      bytes('eins\nzwei\r\n\ufeffdrei'),
      new Uint8Array(gzipSync(bytes('eins\nzwei\n'.repeat(50)))),
    ],
    mutators: [insideGzip, byLines],
    run: file((path) => readLines(path)),
  },
  dictionary: {
    seeds: () => [bytes(dictText), fixture('interchange/dict.txt')],
    tokens: [
      ' #fairseq:overwrite',
      '<s>',
      '<pad>',
      '</s>',
      '<unk>',
      ' -1',
      ' +5',
      ' 1_000',
      ' ٣',
      '\n',
      '\r\n',
      '\u2028',
    ],
    mutators: [byLines],
    run: file((path) => Dictionary.read(path)),
  },
  bpe_codes: {
    seeds: () => [bytes(codesText), fixture('interchange/codes')],
    tokens: ['#version: 0.2\n', '</w>', '@@', ' ', '\n', '\u00a0'],
    mutators: [byLines],
    run: file(async (path) => {
      const bpe = await Bpe.read(path);
      bpe.segment('das haus der und die');
    }),
  },
  bpe_vocabulary: {
    seeds: () => [bytes('der 10\nha@@ 3\nus 2\n')],
    tokens: [' 5', ' -5', ' x', '\n', '@@'],
    mutators: [byLines],
    run: file((path) => readVocabulary(path, 2)),
  },
  glossaries: {
    seeds: () => [bytes('USA\nb.*c\n[a-z]{2,3}')],
    tokens: [
      '(',
      ')',
      '(?:',
      '(?P<a>',
      '(?P=a)',
      '[',
      ']',
      '*',
      '+',
      '{1000}',
      '\\d',
      '\\',
      '|',
      '^',
      '$',
      '(?<=',
    ],
    mutators: [byLines],
    run: async (input) => void new Glossaries(text(input).split('\n')),
  },
  protected_patterns: {
    seeds: () => [fixture('text/patterns.txt'), bytes('<\\/?\\S+\\/?>\nhttps?:\\/\\/\\S+\n')],
    tokens: ['(', ')', '(?i)', '[', ']', '*', '\\S', '\\p{L}', '\\Q', '$1', '{2}'],
    mutators: [byLines],
    run: file(async (path) => void protect('a <b> c http://d.e', await readProtectedPatterns(path))),
  },
};
