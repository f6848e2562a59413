import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { bpeCommand } from '../../lib/cli/bpe.js';
import { prepareCommand } from '../../lib/cli/prepare.js';
import { filterLines } from '../../lib/cli/shared/line_filter.js';
import { textCommand } from '../../lib/cli/text.js';
import { recordedHashes, recordedText, sha256, textFixturePath } from '../support/fixtures/text_fixtures.js';
import { runCommand } from '../support/run_command.js';
import { scratchDirectory } from '../support/scratch.js';

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('rdrop text', () => {
  it.each([
    [['tokenize'], '.txt', '.tokenized.txt'],
    [['tokenize', '--no-escape'], '.txt', '.unescaped.txt'],
    [['detokenize'], '.tokenized.txt', '.detokenized.txt'],
    [['normalize'], '.txt', '.normalized.txt'],
  ])('%j writes what the Moses script writes', async (args, input, expected) => {
    for (const lang of ['de', 'en']) {
      const lines = recordedText(`hard.${lang}${input}`);
      const { output, thrown } = await runCommand(textCommand(), [...args, '--lang', lang], [lines]);
      expect(thrown).toBeNull();
      expect(output).toBe(recordedText(`hard.${lang}${expected}`));
    }
  });

  it.each([
    [['tokenize', '--aggressive'], 'aggressive'],
    [['tokenize', '--protected', textFixturePath('patterns.txt')], 'protected'],
    [['tokenize', '--skip-xml'], 'skipped'],
    [['detokenize', '--uppercase'], 'uppercased'],
    [['detokenize', '--as', 'sacremoses'], 'sacremoses'],
    [['normalize', '--penn'], 'penn'],
  ])('%j writes what the original writes', async (args, what) => {
    for (const lang of ['de', 'en']) {
      const lines = recordedText(`hard.${lang}.txt`);
      const { output, thrown } = await runCommand(textCommand(), [...args, '--lang', lang], [lines]);
      expect(thrown).toBeNull();
      const hash = recordedHashes('options.sha256').get(`hard.${lang}.${what}`);
      expect(sha256(output.split('\n').slice(0, -1))).toBe(hash);
    }
  });

  it('lowercase writes what the Moses script writes', async () => {
    const { output } = await runCommand(textCommand(), ['lowercase'], [recordedText('soup.de.txt')]);
    expect(output).toBe(recordedText('soup.de.lowercased.txt'));
  });

  it('tokenize lower-cases, then normalizes, then tokenizes', async () => {
    const args = ['tokenize', '--lang', 'en', '--lowercase', '--normalize'];
    // The Kelvin sign is a letter of ASCII only once it is in lower case.
    expect((await runCommand(textCommand(), args, ['“\u212a’s GO.”'])).output).toBe(
      '&quot; k &apos;s go . &quot;\n',
    );
    expect((await runCommand(textCommand(), args.slice(0, 4), ['“GO.”\n'])).output).toBe('“ go . ”\n');
    expect((await runCommand(textCommand(), args.slice(0, 3), ['“GO.”\n'])).output).toBe('“ GO . ”\n');
  });

  it.each([
    [['tokenize'], 'lang: expected one of de, en, got nothing'],
    [['detokenize', '--lang', 'fr'], 'lang: expected one of de, en, got "fr"'],
    [['normalize', '--lang', ''], 'lang: expected one of de, en, got ""'],
    [['detokenize', '--lang', 'de', '--as', 'perl'], 'detokenize.as'],
    [['detokenize', '--lang', 'de', '--as', 'sacremoses', '--uppercase'], 'sacremoses has no such option'],
    [['tokenize', '--lang', 'de', '--protected', textFixturePath('hard.de.txt')], 'hard.de.txt:'],
  ])('%j is refused', async (args, message) => {
    const { thrown } = await runCommand(textCommand(), args);
    expect(thrown).toEqual(fault('INVALID_ARGUMENT', message));
  });
});

describe('the lines of standard input', () => {
  const filter = async (chunks: Uint8Array[]) => {
    const output = new PassThrough();
    const written = output.setEncoding('utf8').toArray();
    const end = await filterLines((line) => `[${line}]`, { input: Readable.from(chunks), output }).then(
      () => null,
      (error: unknown) => error,
    );
    output.end();
    return { text: (await written).join(''), end };
  };

  it('are found wherever the chunks are cut, characters included', async () => {
    const bytes = Buffer.from('äö\n\n😀 x\r\nlast');
    for (let size = 1; size <= bytes.length; size++) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      expect(await filter(chunks)).toEqual({ text: '[äö]\n[]\n[😀 x\r]\n[last]\n', end: null });
    }
  });

  it('begin behind a byte-order mark', async () => {
    const chunks = [Buffer.from('\ufeffa\n\ufeffb\n')];
    expect(await filter(chunks)).toEqual({ text: '[a]\n[\ufeffb]\n', end: null });
  });

  it('may be none', async () => {
    expect(await filter([])).toEqual({ text: '', end: null });
  });

  it('are named when they are not UTF-8; those before are written', async () => {
    const bytes = Buffer.from('a\nb\n\xffc\nd\n', 'latin1');
    for (const chunks of [[bytes], [bytes.subarray(0, 3), bytes.subarray(3)], [bytes.subarray(0, 5)]]) {
      const { text, end } = await filter(chunks);
      expect(text).toBe('[a]\n[b]\n');
      expect(end).toEqual(fault('INVALID_UTF8', 'standard input:3: not valid UTF-8'));
    }
  });

  it('end quietly when the reader is gone, with a coded error when the disk is full', async () => {
    const broken = (code: string) =>
      new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })) });
    const input = () => Readable.from(Array.from({ length: 100 }, () => Buffer.from('a\n'.repeat(5000))));
    await filterLines((line) => line, { input: input(), output: broken('EPIPE') });
    await expect(filterLines((line) => line, { input: input(), output: broken('ENOSPC') })).rejects.toThrow(
      fault('DISK_FULL', 'standard output'),
    );
  });
});

describe('rdrop bpe', () => {
  it('learns and applies as subword-nmt', async () => {
    const words = recordedText('words.txt');
    const learned = await runCommand(bpeCommand(), ['learn', '--merges', '2000'], [words]);
    expect(learned.output).toBe(recordedText('words.codes.txt'));
    const args = ['apply', '--codes', textFixturePath('words.codes.txt')];
    expect((await runCommand(bpeCommand(), args, [words])).output).toBe(recordedText('words.pieces.txt'));
    const rare = ['learn', '--merges', '400', '--min-frequency', '5'];
    const lines = recordedText('hard.de.tokenized.txt');
    expect((await runCommand(bpeCommand(), rare, [lines])).output).toBe(recordedText('hard.de.codes.txt'));
  });

  it('applies with a vocabulary, fewer merges, another separator and glossaries', async () => {
    const directory = scratchDirectory();
    const codes = ['--codes', join(directory, 'codes')];
    writeFileSync(codes[1]!, '#version: 0.2\na b\nab c</w>\nx y</w>\n');
    const apply = async (...args: string[]) =>
      (await runCommand(bpeCommand(), ['apply', ...codes, ...args], ['abc xy x abx\n'])).output;
    expect(await apply()).toBe('abc xy x ab@@ x\n');
    expect(await apply('--merges', '1')).toBe('ab@@ c x@@ y x ab@@ x\n');
    expect(await apply('--merges', '0', '--separator', '_')).toBe('a_ b_ c x_ y x a_ b_ x\n');
    expect(await apply('--glossaries', 'b', 'a.')).toBe('a@@ b@@ c xy x a@@ b@@ x\n');
    const counted = await runCommand(bpeCommand(), ['vocabulary'], ['ab@@ c xy x ab@@ x xy xy\n']);
    expect(counted.output).toBe('xy 3\nab@@ 2\nx 2\nc 1\n');
    const vocabulary = ['--vocabulary', join(directory, 'vocabulary')];
    writeFileSync(vocabulary[1]!, counted.output);
    expect(await apply(...vocabulary)).toBe('ab@@ c xy x ab@@ x\n');
    expect(await apply(...vocabulary, '--vocabulary-threshold', '3')).toBe('a@@ b@@ c xy x a@@ b@@ x\n');
  });

  it('learns from counted words, and counts characters among the merges', async () => {
    const learn = async (input: string, ...args: string[]) =>
      (await runCommand(bpeCommand(), ['learn', ...args], [input])).output;
    const codes = await learn('abc abc abd\n');
    expect(codes).toBe('#version: 0.2\na b\nab c</w>\n');
    expect(await learn('abd 1\nabc 2\n', '--dict-input')).toBe(codes);
    // a, b, c</w> and d</w>.
    expect(await learn('abc abc abd\n', '--total-symbols', '--merges', '5')).toBe('#version: 0.2\na b\n');
  });

  it.each([
    [['vocabulary'], [], 'FILE_EMPTY', 'standard input'],
    [['learn', '--dict-input'], ['a 1\nb\n'], 'MALFORMED_FILE', 'standard input:2: expected "word count"'],
    [
      ['apply', '--codes', textFixturePath('words.codes.txt'), '--vocabulary-threshold', '2'],
      ['a\n'],
      'INVALID_ARGUMENT',
      'bpe.vocabularyThreshold',
    ],
    [
      ['apply', '--codes', textFixturePath('words.codes.txt'), '--merges', '-2'],
      ['a\n'],
      'INVALID_ARGUMENT',
      'bpe.merges',
    ],
    [
      ['apply', '--codes', textFixturePath('words.codes.txt'), '--glossaries', '('],
      ['a\n'],
      'INVALID_ARGUMENT',
      'glossaries[0]',
    ],
    [['learn', '--merges', '0.5'], ['a\n'], 'INVALID_ARGUMENT', 'bpe.merges'],
    [['learn', '--merges', '0'], ['a\n'], 'INVALID_ARGUMENT', 'bpe.merges'],
    [['learn'], [], 'FILE_EMPTY', 'standard input'],
    [['learn'], ['a\n', Buffer.of(0xff)], 'INVALID_UTF8', 'standard input:2'],
    [['apply', '--codes', 'nowhere'], ['a\n'], 'FILE_NOT_FOUND', 'nowhere'],
    [['apply', '--codes', textFixturePath('words.txt')], ['a\n'], 'MALFORMED_FILE', 'words.txt:1'],
  ] as [string[], (string | Uint8Array)[], string, string][])(
    '%j is refused',
    async (args, input, code, message) => {
      const { thrown, output } = await runCommand(bpeCommand(), args, input);
      expect(thrown).toEqual(fault(code, message));
      expect(output).toBe('');
    },
  );
});

describe('rdrop prepare', () => {
  function corpus(): { root: string; args: string[] } {
    const root = scratchDirectory();
    for (const name of ['train', 'valid', 'test']) {
      writeFileSync(join(root, `${name}.de`), 'Der Hund\nEine Katze\n');
      writeFileSync(join(root, `${name}.en`), 'The dog\nA cat\n');
    }
    const prefixes = ['train', 'valid', 'test'].flatMap((name) => [`--${name}`, join(root, name)]);
    const out = ['--source', 'de', '--target', 'en', '--bpe', '30', '--out', join(root, 'data')];
    return { root, args: [...prefixes, ...out] };
  }

  it('prints one JSON document, and its progress on standard error', async () => {
    const { root, args } = corpus();
    const { output, errors, thrown } = await runCommand(prepareCommand(), [...args, '--json']);
    expect(thrown).toBeNull();
    const document = JSON.parse(output);
    expect(document).toMatchObject({ directory: join(root, 'data'), splits: { train: { pairs: 2 } } });
    expect(errors).toContain('rdrop: tokenizing train\n');
    expect(errors).toContain('rdrop: learning 30 merges from 8 words\n');
  });

  it('prints a summary, and takes every option', async () => {
    const { root, args } = corpus();
    const lengths = ['--min-length', '2', '--max-length', '9', '--ratio', '3', '--min-frequency', '1'];
    const flags = [
      '--lowercase',
      '--normalize',
      '--overwrite',
      '--tokenizer',
      'moses',
      '--padding-factor',
      '16',
    ];
    const { output, thrown } = await runCommand(prepareCommand(), [...args, ...lengths, ...flags]);
    expect(thrown).toBeNull();
    expect(output).toMatch(/^train {2}2 pairs {2}de: \d+ tokens, \d+ types, 0.000 % unknown {2}en: /);
    expect(output).toMatch(/data: (16|32|48) types in the dictionary, \d+ merges\n$/);
    expect(readdirSync(root)).toContain('data');
    const again = await runCommand(prepareCommand(), [...args, '--overwrite', '--bpe', 'none']);
    expect(again.output).toMatch(/, 0 merges\n$/);
  });

  it.each([
    [['--bpe', '0.5'], 'prepare.bpe'],
    [['--ratio', '-1'], 'prepare.ratio'],
    [['--tokenizer', 'spacy'], 'prepare.tokenizer'],
    [['--max-length', '1.5'], 'prepare.maxLength'],
  ])('%j is refused', async (extra, message) => {
    const { root, args } = corpus();
    const { output, thrown } = await runCommand(prepareCommand(), [...args, ...extra, '--json']);
    expect(thrown).toEqual(fault('INVALID_CONFIG', message));
    expect(output).toBe('');
    expect(readdirSync(root)).not.toContain('data');
  });

  it('names what is missing', async () => {
    const { thrown } = await runCommand(prepareCommand(), []);
    for (const option of ['source', 'target', 'train', 'valid', 'out']) {
      expect(thrown).toEqual(fault('INVALID_CONFIG', `prepare.${option}`));
    }
  });
});
