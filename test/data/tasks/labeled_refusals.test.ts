import { readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fault, given, prepare } from './labeled_files.js';

describe('prepareTask refuses', () => {
  const broken: [string, Record<string, string | string[] | Uint8Array>, object, string, string][] = [
    [
      'an unknown label',
      { test: ['bad\tneg', 'x\tpso'] },
      {},
      'UNKNOWN_LABEL',
      'test:2: expected a label of ROOT/train ("meh", "neg", "pos"), got "pso"',
    ],
    [
      'nothing but unknown labels',
      { test: ['x\tpso'] },
      { unknownLabels: 'skip' },
      'UNKNOWN_LABEL',
      'all 1 were left out',
    ],
    [
      'one class alone',
      { train: ['a\tx', 'b\tx'] },
      {},
      'ONE_CLASS',
      'train: expected at least two labels, got "x" in all 2',
    ],
    [
      'an empty text',
      { train: ['a\tx', ' \ty'] },
      {},
      'MALFORMED_FILE',
      'train:2: expected a text, got an empty one',
    ],
    [
      'an empty second text',
      { train: ['a\t\tx'] },
      { pairs: true },
      'MALFORMED_FILE',
      'train:1: expected a second text',
    ],
    ['an empty label', { train: ['a\t '] }, {}, 'MALFORMED_FILE', 'train:1: expected a label'],
    ['an empty line', { valid: ['good\tpos', ''] }, {}, 'MALFORMED_FILE', 'valid:2: expected 2 columns'],
    [
      'a line without a tab',
      { train: ['a\tx', 'b y'] },
      {},
      'MALFORMED_FILE',
      'train:2: expected 2 columns with tabs between them (text, label), got 1 in "b y"',
    ],
    ['a tab too many', { train: ['a\tb\tx'] }, {}, 'MALFORMED_FILE', 'train:1: expected 2 columns'],
    [
      'a header alone',
      { train: 'text\tlabel\n' },
      { header: true },
      'FILE_EMPTY',
      'train: expected at least one example',
    ],
    ['an empty file', { valid: '' }, {}, 'FILE_EMPTY', 'valid'],
    [
      'bytes that are no UTF-8',
      { train: Buffer.from('a\tx\n\xff\ty\n', 'latin1') },
      {},
      'INVALID_UTF8',
      'train:2',
    ],
    [
      'broken gzip data',
      { test: gzipSync('x\tneg\n').subarray(0, 12) },
      {},
      'MALFORMED_FILE',
      'test: broken gzip',
    ],
    [
      'JSON that is none',
      { train: ['{"text":"a","label":"x"}', '{'] },
      { format: 'jsonl' },
      'MALFORMED_FILE',
      'train:2: expected a JSON object, got "{"',
    ],
    [
      'JSON without a label',
      { train: ['{"text":"a"}'] },
      { format: 'jsonl' },
      'MALFORMED_FILE',
      'train:1: expected a field "label"',
    ],
    [
      'JSON without a second text',
      { train: ['{"text":"a","label":1}'] },
      { format: 'jsonl', pairs: true },
      'MALFORMED_FILE',
      'train:1: expected a field "second"',
    ],
    [
      'a label of several lines',
      { train: ['{"text":"a","label":"x\\ny"}'] },
      { format: 'jsonl' },
      'MALFORMED_FILE',
      'train:1: expected a label of one line',
    ],
    [
      'no TREC',
      { train: ['NUM When?'] },
      { format: 'trec' },
      'MALFORMED_FILE',
      'train:1: expected "COARSE:fine question"',
    ],
    [
      'a word for a number',
      { train: ['a\t1', 'b\ttwo'] },
      { task: 'regression' },
      'MALFORMED_FILE',
      'train:2: expected a number, got "two"',
    ],
    [
      'a number that is none',
      { train: ['a\t1', 'b\tNaN'] },
      { task: 'regression' },
      'NON_FINITE',
      'train:2: expected a finite number, got "NaN"',
    ],
    ['a number without end', { train: ['a\t1e999'] }, { task: 'regression' }, 'NON_FINITE', 'train:1'],
    ['hexadecimal', { train: ['a\t0x10'] }, { task: 'regression' }, 'MALFORMED_FILE', 'train:1'],
    ['a file that is not there', {}, { test: 'nowhere' }, 'FILE_NOT_FOUND', 'nowhere'],
    [
      'no validation',
      {},
      { valid: undefined },
      'INVALID_CONFIG',
      'prepare.valid: expected a file or, instead of it, validFraction (--valid-fraction), got neither',
    ],
    ['two validations', {}, { validFraction: 0.5 }, 'INVALID_CONFIG', 'got both'],
    [
      'a fraction that leaves nothing',
      {},
      { valid: undefined, validFraction: 0.01 },
      'INVALID_CONFIG',
      'got 0.01 of 5',
    ],
    ['a seed that draws nothing', {}, { seed: 3 }, 'INVALID_CONFIG', 'prepare.seed: has no effect'],
    [
      'codes without pieces',
      {},
      { codes: 'x' },
      'INVALID_CONFIG',
      'prepare.codes: has no effect without pieces "bpe:N"',
    ],
    [
      'a threshold beside a dictionary',
      {},
      { dictionary: 'x', threshold: 2 },
      'INVALID_CONFIG',
      'prepare.threshold: has no effect where prepare.dictionary',
    ],
    [
      'a tokenizer without its pieces',
      {},
      { tokenizer: 'x' },
      'INVALID_CONFIG',
      'prepare.tokenizer: has no effect',
    ],
    [
      'pieces without their tokenizer',
      {},
      { pieces: 'huggingface' },
      'INVALID_CONFIG',
      'prepare.tokenizer: expected a directory',
    ],
    [
      'a header of JSON',
      {},
      { format: 'jsonl', header: true },
      'INVALID_CONFIG',
      'prepare.header: has no effect',
    ],
    ['pairs of TREC', {}, { format: 'trec', pairs: true }, 'INVALID_CONFIG', 'prepare.pairs: has no effect'],
    [
      'a language of characters',
      {},
      { pieces: 'characters', lang: 'en' },
      'INVALID_CONFIG',
      'lang: has an effect only on',
    ],
    ['pieces that are none', {}, { pieces: 'bpe:0' }, 'INVALID_CONFIG', 'prepare.pieces: expected "words"'],
    ['a mode', {}, { mode: 'lines' }, 'INVALID_CONFIG', 'prepare.mode: unknown option'],
    [
      'another task',
      {},
      { task: 'translation' },
      'INVALID_CONFIG',
      'prepare.task: expected one of language-model, classification, regression',
    ],
  ];
  it.each(broken)('%s', async (_, files, extra, code, message) => {
    const options = given(files, extra);
    const before = readdirSync(options.root);
    await expect(prepare(options)).rejects.toThrow(fault(code, message.replace('ROOT', options.root)));
    expect(readdirSync(options.root)).toEqual(before);
  });
});
