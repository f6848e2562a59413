import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkManifest } from '../../../lib/data/manifest.js';
import { prepareTask } from '../../../lib/data/tasks/prepare_task.js';
import { countCharacters, loadTokenLines } from '../../../lib/data/tasks/task_splits.js';
import type { PrepareLanguageModelOptions } from '../../../lib/options/tasks/preparation.js';
import { mosesTokenize } from '../../../lib/text/moses/tokenizer.js';
import { Bpe } from '../../../lib/text/pieces/bpe.js';
import { TaskText } from '../../../lib/text/tasks/task_text.js';
import { filesOf, writeFiles } from '../../support/prepared_files.js';
import { scratchDirectory } from '../../support/scratch.js';

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

type Options = PrepareLanguageModelOptions & { root: string };

function given(files: Record<string, string | Uint8Array>, extra: object = {}): Options {
  const root = scratchDirectory();
  writeFiles(root, files);
  const of = (name: string) => (name in files ? { [name]: join(root, name) } : {});
  const paths = { ...of('train'), ...of('valid'), ...of('test'), out: join(root, 'data') };
  return { root, task: 'language-model', ...paths, ...extra } as Options;
}

const prepare = ({ root: _, ...options }: Options) => prepareTask(options);

/** Every token of a split, as a stream of it is trained on. */
async function streamOf(directory: string, split: 'train' | 'valid' | 'test') {
  const text = await TaskText.load(directory);
  const lines = await loadTokenLines(directory, split, text);
  return { text, ids: Int32Array.from(lines.toArray().flatMap((line) => [...line])) };
}

describe('prepareTask for a language model', () => {
  it('of characters keeps every character, in a stream as in lines', async () => {
    const train = 'To be,\n\n  or\tnot \u{1f600}\nto be';
    const options = given({ train, valid: 'be\nnot\n', test: 'to' }, { pieces: 'characters' });
    const { splits, vocabSize } = await prepare(options);
    const files = filesOf(options.out);
    expect(files['train.tokens']).toBe(
      'T o <space> b e , <newline>\n<newline>\n<space> <space> o r <tab> n o t <space> \u{1f600} <newline>\nt o <space> b e\n',
    );
    expect(files['test.tokens']).toBe('t o\n');
    expect(files).toMatchObject({ 'raw/valid.txt': 'be\nnot\n', 'raw/test.txt': 'to' });
    expect(splits.train).toMatchObject({
      lines: 4,
      characters: [...train].length,
      tokens: [...train].length,
    });
    expect(vocabSize % 8).toBe(0);
    const { text, ids } = await streamOf(options.out, 'train');
    expect(text.decode(ids)).toBe(train);
    expect(ids).toEqual(text.stream(train));
    expect(await countCharacters(options.out, 'valid')).toBe(7);
    await checkManifest(options.out);

    const lines = { ...options, overwrite: true, mode: 'lines' as const };
    expect((await prepare(lines)).splits.train).toMatchObject({ lines: 3, dropped: 1, characters: 23 });
    const other = filesOf(options.out);
    expect(other['train.tokens']).toBe(
      'T o <space> b e ,\n<space> <space> o r <tab> n o t <space> \u{1f600}\nt o <space> b e\n',
    );
    const read = await loadTokenLines(options.out, 'valid', await TaskText.load(options.out));
    expect(read.toArray().map((line) => line.at(-1))).toEqual([2, 2]);
  });

  it('of words and of byte pairs ends each line in eos', async () => {
    const train = "It isn't,\n\nhe said.\nIt is.\n";
    const options = given({ train, valid: 'It said\n' }, { lang: 'en', lowercase: true });
    const { splits } = await prepare(options);
    expect(filesOf(options.out)['train.tokens']).toBe('it isn &apos;t ,\n\nhe said .\nit is .\n');
    expect(splits.train).toMatchObject({ lines: 4, dropped: 0, tokens: 14, types: 8, characters: 27 });
    const { text, ids } = await streamOf(options.out, 'train');
    expect(text.decode(ids)).toBe(train.toLowerCase());

    await prepare({ ...options, pieces: 'bpe:6', overwrite: true });
    const tokens = train
      .toLowerCase()
      .split('\n')
      .slice(0, -1)
      .map((line) => mosesTokenize(line, 'en'));
    const bpe = Bpe.learn(tokens, 6);
    expect(filesOf(options.out)['train.tokens']).toBe(
      `${tokens.map((line) => bpe.segment(line)).join('\n')}\n`,
    );
    expect(filesOf(options.out)['codes']).toBe(bpe.toString());
    const again = await streamOf(options.out, 'train');
    expect(again.text.decode(again.ids)).toBe(train.toLowerCase());
  });

  it('holds the end of a stream out, of characters to the character', async () => {
    const train = 'abcd\nefgh\nijk\u{1f600}\nm';
    const characters = [...train];
    for (const validFraction of [0.1, 0.25, 0.3, 0.5, 0.7, 0.9]) {
      const options = given({ train }, { pieces: 'characters', validFraction });
      await prepare(options);
      const cut = Math.floor(characters.length * (1 - validFraction));
      const [first, second] = [await streamOf(options.out, 'train'), await streamOf(options.out, 'valid')];
      expect(first.text.decode(first.ids)).toBe(characters.slice(0, cut).join(''));
      expect(filesOf(options.out)['raw/valid.txt']).toBe(characters.slice(cut).join(''));
      expect(second.ids.length).toBe(characters.length - cut);
    }
  });

  it('gives any text back, however it is cut', async () => {
    const unit = fc.oneof(
      fc.constantFrom('\n', ' ', '\t', '\u00a0', '\u2028', '\ufeff', '\r', '<'),
      fc.string({ unit: 'binary' }),
    );
    const text = fc.array(unit, { minLength: 4, maxLength: 60 }).map((parts) => `a${parts.join('')}b`);
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        async (made, validFraction) => {
          // What every text file loses: CR before LF.
          const kept = made.replaceAll('\r\n', '\n');
          const cut = Math.floor([...kept].length * (1 - validFraction));
          fc.pre(cut > 0 && [...kept].slice(0, cut).join('').trim() !== '');
          const options = given({ train: made }, { pieces: 'characters', validFraction });
          await prepare(options);
          const [first, second] = [
            await streamOf(options.out, 'train'),
            await streamOf(options.out, 'valid'),
          ];
          expect(first.text.decode(first.ids)).toBe([...kept].slice(0, cut).join(''));
          const unknown = [...second.ids].filter((id) => id === 3).length;
          expect([...second.ids].length).toBe([...kept].length - cut);
          if (unknown === 0) expect(second.text.decode(second.ids)).toBe([...kept].slice(cut).join(''));
          expect(filesOf(options.out)['raw/valid.txt']).toBe([...kept].slice(cut).join(''));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('cuts no line of words in two', async () => {
    const train = 'a a a\nb b b\nc c c\nd d d\n';
    const heldOut = async (validFraction: number) => {
      const options = given({ train }, { validFraction });
      await prepare(options);
      const files = filesOf(options.out);
      expect(files['train.tokens']! + files['valid.tokens']!).toBe(train);
      return files['valid.tokens'];
    };
    expect(await heldOut(0.25)).toBe('d d d\n');
    expect(await heldOut(0.3)).toBe('d d d\n');
    expect(await heldOut(0.5)).toBe('c c c\nd d d\n');
    await expect(heldOut(0.1)).rejects.toThrow(fault('INVALID_CONFIG', 'leaves valid none'));
  });

  it('draws lines that stand for themselves by seed', async () => {
    const train = `${Array.from({ length: 40 }, (_, at) => `line ${at}`).join('\n\n')}\n`;
    const drawn = async (seed: number) => {
      const options = given({ train }, { mode: 'lines', validFraction: 0.25, seed });
      const { splits } = await prepare(options);
      expect(splits).toMatchObject({ train: { lines: 30, dropped: 39 }, valid: { lines: 10, dropped: 0 } });
      const files = filesOf(options.out);
      expect(files['raw/valid.txt']).toBe(files['valid.tokens']);
      return files['valid.tokens'];
    };
    expect(await drawn(1)).toBe(await drawn(1));
    expect(await drawn(1)).not.toBe(await drawn(2));
  });

  it('reads Windows, gzip and a text without a last line end alike', async () => {
    const train = 'ab\ncd\n\nef\n';
    const usual = given({ train, valid: train }, { pieces: 'characters' });
    await prepare(usual);
    for (const other of [`\ufeff${train.replaceAll('\n', '\r\n')}`, gzipSync(train)]) {
      const options = given({ train: other, valid: other }, { pieces: 'characters' });
      await prepare(options);
      expect(filesOf(options.out)).toEqual(filesOf(usual.out));
    }
  });

  it.each([
    [
      'nothing but empty lines',
      { train: '\n \n', valid: 'a\n' },
      {},
      'FILE_EMPTY',
      'train: expected text, got empty lines',
    ],
    ['an empty file', { train: 'a\n', valid: '' }, {}, 'FILE_EMPTY', 'valid'],
    [
      'bytes that are no UTF-8',
      { train: Buffer.from('a\n\xff\n', 'latin1'), valid: 'a\n' },
      {},
      'INVALID_UTF8',
      'train:2',
    ],
    [
      'a line beyond the limit',
      { train: `${'a'.repeat(99)}\n`, valid: 'a\n' },
      { maxLineBytes: 50 },
      'TOO_LARGE',
      'train:1',
    ],
    [
      'gzip data beyond the limit',
      { train: gzipSync('a\n'.repeat(99)), valid: 'a\n' },
      { maxUnpackedBytes: 50 },
      'TOO_LARGE',
      'maxUnpackedBytes',
    ],
    [
      'a seed of a stream',
      { train: 'a\nb\n' },
      { validFraction: 0.5, seed: 1 },
      'INVALID_CONFIG',
      'prepare.seed: has no effect',
    ],
    [
      'pairs',
      { train: 'a\n', valid: 'a\n' },
      { pairs: true },
      'INVALID_CONFIG',
      'prepare.pairs: unknown option',
    ],
    [
      'a tokenizer',
      { train: 'a\n', valid: 'a\n' },
      { pieces: 'huggingface', tokenizer: 'runs/bert' },
      'INVALID_CONFIG',
      'expected "characters", "words" or "bpe:N" of a language model, got "huggingface"',
    ],
    [
      'a dictionary of words for characters',
      { train: 'a\n', valid: 'a\n', dict: 'ab 1\n' },
      { pieces: 'characters', dictionary: 'ROOT/dict' },
      'MALFORMED_FILE',
      'expected characters',
    ],
  ] as const)('refuses %s', async (_, files, extra, code, message) => {
    const options = given(files as Record<string, string | Uint8Array>, extra);
    if (options.dictionary !== undefined)
      options.dictionary = options.dictionary.replace('ROOT', options.root);
    const before = readdirSync(options.root);
    await expect(prepare(options)).rejects.toThrow(fault(code, message));
    expect(readdirSync(options.root)).toEqual(before);
    expect(existsSync(options.out)).toBe(false);
  });
});
