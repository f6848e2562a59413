import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checkManifest } from '../../../lib/data/manifest.js';
import type { PrepareProgress } from '../../../lib/data/preparation/stages.js';
import { loadRawTexts, loadSequences, readLabels } from '../../../lib/data/tasks/task_splits.js';
import { TaskText } from '../../../lib/text/tasks/task_text.js';
import { filesOf } from '../../support/prepared_files.js';
import { fault, given, type Options, prepare, valid } from './labeled_files.js';

describe('prepareTask for classification', () => {
  it('makes the files of a prepared directory', async () => {
    const options = given({});
    const result = await prepare(options);
    expect(filesOf(options.out)).toEqual({
      'dict.txt': expect.stringMatching(/^film 3\ngood 2\nso 2\na 1\nbad 1\none 1\nmadeupword0000 0\n/),
      'labels.txt': 'meh\nneg\npos\n',
      'raw/test.text': 'bad\n',
      'raw/valid.text': 'good\nnew film\n',
      'test.label': 'neg\n',
      'test.text': 'bad\n',
      'text.json': expect.any(String),
      'train.label': 'pos\nneg\nneg\npos\nmeh\n',
      'train.text': 'good film\nbad film\na film\ngood one\nso so\n',
      'valid.label': 'pos\nmeh\n',
      'valid.text': 'good\nnew film\n',
    });
    await checkManifest(options.out);
    expect(result).toEqual({
      ...{ directory: options.out, task: 'classification', vocabSize: 16, merges: 0 },
      labels: ['meh', 'neg', 'pos'],
      splits: {
        train: {
          lines: 5,
          dropped: 0,
          tokens: 20,
          types: 6,
          unknownRate: 0,
          labels: { meh: 1, neg: 2, pos: 2 },
        },
        valid: {
          lines: 2,
          dropped: 0,
          tokens: 7,
          types: 3,
          unknownRate: 1 / 7,
          labels: { meh: 1, neg: 0, pos: 1 },
        },
        test: {
          lines: 1,
          dropped: 0,
          tokens: 3,
          types: 1,
          unknownRate: 0,
          labels: { meh: 0, neg: 1, pos: 0 },
        },
      },
    });
    expect(readdirSync(options.root).sort()).toEqual(['data', 'test', 'train', 'valid']);
  });

  it('is read as sequences and classes', async () => {
    const options = given({});
    await prepare(options);
    const text = await TaskText.load(options.out);
    const labels = await readLabels(options.out);
    const { sequences, tokenTypes, classes } = await loadSequences(options.out, 'valid', text, labels);
    expect(sequences.toArray()).toEqual(['good', 'new film'].map((line) => text.encode(line).tokens));
    expect(tokenTypes).toBeNull();
    expect([...classes]).toEqual([2, 0]);
    expect(await loadRawTexts(options.out, 'valid', false)).toEqual([
      { text: 'good', second: undefined },
      { text: 'new film', second: undefined },
    ]);
    writeFileSync(join(options.out, 'valid.label'), 'pos\nmuh\n');
    await expect(loadSequences(options.out, 'valid', text, labels)).rejects.toThrow(
      fault('UNKNOWN_LABEL', 'valid.label:2: expected a label of labels.txt, got "muh"'),
    );
    writeFileSync(join(options.out, 'valid.label'), 'pos\n');
    await expect(loadSequences(options.out, 'valid', text, labels)).rejects.toThrow(
      fault('LINE_COUNT_MISMATCH', 'valid.text has 2'),
    );
  });

  const rows = [
    ['one', 'x'],
    ['two words', 'y'],
    ['thr\u00e9e', 'x'],
  ] as const;
  it.each([
    ['labels first', rows.map(([text, label]) => `${label}\t${text}`), { labelFirst: true }],
    ['a header', ['sentence\tlabel', ...rows.map((row) => row.join('\t'))], { header: true }],
    ['JSON lines', rows.map(([text, label]) => JSON.stringify({ id: 1, text, label })), { format: 'jsonl' }],
    ["TREC's format", rows.map(([text, label]) => `${label}:fine ${text}`), { format: 'trec' }],
    [
      'Windows and gzip',
      gzipSync(`\ufeff${rows.map((row) => row.join('\t')).join('\r\n')}\r\n`),
      { validFraction: undefined },
    ],
  ] as const)('reads %s as it does text, tab, label', async (_, content, extra) => {
    const all = (file: string | string[] | Uint8Array) => ({ train: file, valid: file, test: file });
    const usual = given(all(rows.map((row) => row.join('\t'))));
    await prepare(usual);
    const other = given(all(content instanceof Uint8Array ? content : [...content]), extra);
    await prepare(other);
    expect(filesOf(other.out)).toEqual(filesOf(usual.out));
  });

  it('of TREC keeps fine labels where they are asked for', async () => {
    const file = ['NUM:date When ?', 'NUM:count How many ?', 'DESC:def What : is ?'];
    const options = given({ train: file, valid: file, test: file }, { format: 'trec-fine' });
    expect((await prepare(options)).labels).toEqual(['DESC:def', 'NUM:count', 'NUM:date']);
    expect(filesOf(options.out)['raw/test.text']).toBe('When ?\nHow many ?\nWhat : is ?\n');
  });

  it('reads labels of JSON that are numbers, and texts of several lines', async () => {
    const file = [
      '{"text":"a\\nb","label":1}',
      '{"text":"c","label":"zero"}',
      '{"text":"\\ud800","label":true}',
    ];
    const options = given({ train: file, valid: file, test: file }, { format: 'jsonl' });
    expect((await prepare(options)).labels).toEqual(['1', 'true', 'zero']);
    expect(filesOf(options.out)['raw/valid.text']).toBe('a b\nc\n\ufffd\n');
    expect(filesOf(options.out)['train.text']).toBe('a b\nc\n\ufffd\n');
  });

  it('reads pairs', async () => {
    const file = ['a b\tc\tyes', 'd\te f\tno'];
    const options = given({ train: file, valid: file, test: file }, { pairs: true, pieces: 'characters' });
    await prepare(options);
    const files = filesOf(options.out);
    expect(files['train.text']).toBe('a <space> b\nd\n');
    expect(files['train.second']).toBe('c\ne <space> f\n');
    expect(files['raw/test.second']).toBe('c\ne f\n');
    const text = await TaskText.load(options.out);
    const { sequences, tokenTypes } = await loadSequences(options.out, 'train', text, ['no', 'yes']);
    const expected = [text.encode('a b', 'c'), text.encode('d', 'e f')];
    expect(sequences.toArray()).toEqual(expected.map(({ tokens }) => tokens));
    expect(tokenTypes!.toArray()).toEqual(expected.map(({ types }) => types));
  });

  it('holds a part of every class out, the same for the same seed', async () => {
    const many = Array.from({ length: 200 }, (_, at) => `text ${at}\t${at % 10 === 0 ? 'rare' : 'often'}`);
    const held = async (seed: number) => {
      const { valid: _, ...options } = given({ train: many }, { test: undefined, validFraction: 0.1, seed });
      const { splits } = await prepare(options as Options);
      expect(splits.valid!.labels).toEqual({ often: 18, rare: 2 });
      expect(splits.train!.labels).toEqual({ often: 162, rare: 18 });
      const files = filesOf(options.out);
      const [trained, validated] = ['train.text', 'valid.text'].map((name) =>
        files[name]!.trim().split('\n'),
      );
      expect([...trained!, ...validated!].sort()).toEqual(many.map((row) => row.split('\t')[0]).sort());
      expect(files['raw/valid.text']).toBe(files['valid.text']);
      return files['valid.text'];
    };
    expect(await held(5)).toBe(await held(5));
    expect(await held(5)).not.toBe(await held(6));
  });

  it('takes codes and a dictionary of others', async () => {
    const learned = given({}, { pieces: 'bpe:5' });
    expect((await prepare(learned)).merges).toBe(5);
    const files = filesOf(learned.out);
    const codes = join(learned.out, 'codes');
    const dictionary = join(learned.out, 'dict.txt');
    const taken = given({ train: valid }, { pieces: 'bpe:5', codes, dictionary });
    const { vocabSize, merges } = await prepare({
      ...taken,
      valid: taken.train,
      test: taken.train,
    } as Options);
    expect({ vocabSize, merges }).toEqual({
      vocabSize: files['dict.txt']!.split('\n').length + 3,
      merges: 5,
    });
    expect(filesOf(taken.out)['dict.txt']).toBe(files['dict.txt']);
    expect(filesOf(taken.out)['codes']).toBe(files['codes']);
  });

  it('leaves examples with unknown labels out where that is asked for', async () => {
    const files = { valid: ['x\tnew', 'y\tpos', 'z\tnew'] };
    const options = given(files, { unknownLabels: 'skip' });
    const { splits } = await prepare(options);
    expect(splits.valid).toMatchObject({ lines: 1, dropped: 2 });
    expect(filesOf(options.out)).toMatchObject({
      'valid.text': 'y\n',
      'raw/valid.text': 'y\n',
      'valid.label': 'pos\n',
    });
  });

  it('reports its progress, and leaves nothing behind when it is aborted at any stage', async () => {
    const options = given({}, { pieces: 'bpe:5' });
    const told: PrepareProgress[] = [];
    await prepare(options, { onProgress: (progress: PrepareProgress) => told.push(progress) });
    const stages = new Map(told.map(({ text, done, total }) => [text, done / total]));
    expect([...stages.keys()].join()).toMatch(
      /^reading train,reading valid,reading test,counting words,learning 5 merges from 6 words,segmenting train,segmenting valid,segmenting test$/,
    );
    expect([...stages.values()]).toEqual([...stages.values()].map(() => 1));
    for (const stage of ['reading valid', 'learning', 'segmenting test']) {
      const other = given({}, { pieces: 'bpe:5' });
      const controller = new AbortController();
      const onProgress = ({ text }: PrepareProgress) => {
        if (text.startsWith(stage)) controller.abort();
      };
      const run = prepare(other, { onProgress, signal: controller.signal });
      await expect(run).rejects.toThrow(fault('ABORTED', 'was aborted'));
      expect(existsSync(other.out)).toBe(false);
      expect(readdirSync(other.root).sort()).toEqual(['test', 'train', 'valid']);
    }
  });

  it('replaces a prepared directory only when asked', async () => {
    const options = given({});
    await prepare(options);
    await expect(prepare(options)).rejects.toThrow(fault('FILE_UNWRITABLE', 'is there already'));
    await prepare({ ...options, overwrite: true, pieces: 'characters' } as Options);
    expect(filesOf(options.out)['test.text']).toBe('b a d\n');
    writeFileSync(join(options.out, 'mine'), '');
    await expect(prepare({ ...options, overwrite: true } as Options)).rejects.toThrow(
      fault('FILE_UNWRITABLE', 'mine'),
    );
  });
});

describe('prepareTask for regression', () => {
  it('keeps numbers as they are written, and has no labels', async () => {
    const file = ['a b\t1', 'c\t-2.5', 'd\t3e-2', 'e\t.5', 'f\t+4.'];
    const options = given({ train: file, valid: file, test: file }, { task: 'regression' });
    const result = await prepare(options);
    expect(result.labels).toBeUndefined();
    expect(result.splits.train).not.toHaveProperty('labels');
    expect(existsSync(join(options.out, 'labels.txt'))).toBe(false);
    const text = await TaskText.load(options.out);
    const { values, classes } = await loadSequences(options.out, 'test', text, null);
    expect([...values]).toEqual([1, -2.5, 0.03, 0.5, 4]);
    expect(classes.length).toBe(0);
    writeFileSync(join(options.out, 'test.label'), '1\n2\ninf\n4\n5\n');
    await expect(loadSequences(options.out, 'test', text, null)).rejects.toThrow(
      fault('NON_FINITE', 'test.label:3'),
    );
  });

  it('holds examples out by seed', async () => {
    const file = Array.from({ length: 50 }, (_, at) => `text ${at}\t${at}`);
    const options = given(
      { train: file },
      { task: 'regression', valid: undefined, test: undefined, validFraction: 0.2 },
    );
    const { splits } = await prepare(options);
    expect([splits.train!.lines, splits.valid!.lines]).toEqual([40, 10]);
  });
});
