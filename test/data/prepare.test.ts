import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadCorpus, loadReferences } from '../../lib/data/corpus.js';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import { checkPlace, makeDirectoryAtomically } from '../../lib/data/preparation/prepared_directory.js';
import type { PrepareProgress } from '../../lib/data/preparation/stages.js';
import type { PrepareOptions } from '../../lib/options/index.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { mosesTokenize } from '../../lib/text/moses/tokenizer.js';
import { Bpe } from '../../lib/text/pieces/bpe.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { RdropError } from '../../lib/util/errors.js';
import { multi30k, multi30kHashes, multi30kLines, sha256 } from '../support/fixtures/text_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const german = ['Der Hund schläft.', 'Die Hunde schlafen & träumen.', 'Eine Frau geht.', 'Ja.'];
const english = ["The dog's asleep.", 'The dogs sleep & dream.', 'A woman walks.', 'Yes.'];

const text = (lines: string[]) => `${lines.join('\n')}\n`;

/** A directory with train, valid and test of the lines above, and options to prepare it. */
function small(files: Record<string, string | Uint8Array> = {}): PrepareOptions & { root: string } {
  const root = scratchDirectory();
  const all: Record<string, string | Uint8Array> = {
    'train.de': text(german),
    'train.en': text(english),
    'valid.de': text(german.slice(0, 2)),
    'valid.en': text(english.slice(0, 2)),
    'test.de.gz': gzipSync(text(german.slice(2))),
    'test.en.gz': gzipSync(text(english.slice(2))),
    ...files,
  };
  for (const [name, content] of Object.entries(all)) writeFileSync(join(root, name), content);
  const [train, valid, test] = ['train', 'valid', 'test'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  return { root, source: 'de', target: 'en', train, valid, test, bpe: 20, out: join(root, 'data') };
}

const prepare = ({ root: _, ...options }: ReturnType<typeof small>, run = {}) => prepareCorpus(options, run);

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('prepareCorpus', () => {
  it('makes the files of a prepared directory', async () => {
    const options = small();
    const result = await prepare(options);
    const read = (name: string) => readFileSync(join(options.out, name), 'utf8');

    expect(readdirSync(options.root).filter((name) => /data|part|old/.test(name))).toEqual(['data']);
    const languages = ['de', 'en'];
    const splits = ['train', 'valid', 'test'].flatMap((split) => languages.map((lang) => `${split}.${lang}`));
    expect(readdirSync(options.out).sort()).toEqual(
      ['codes', 'dict.txt', 'manifest.json', 'raw', 'text.json', ...splits].sort(),
    );
    expect(readdirSync(join(options.out, 'raw')).sort()).toEqual([
      'test.de',
      'test.en',
      'valid.de',
      'valid.en',
    ]);
    expect(read('raw/test.de')).toBe(text(german.slice(2)));
    expect(JSON.parse(read('text.json'))).toEqual({
      ...{ version: 1, source: 'de', target: 'en', tokenizer: 'moses', normalize: false, lowercase: false },
      bpe: 20,
    });

    const tokens = [
      ...german.map((line) => mosesTokenize(line, 'de')),
      ...english.map((line) => mosesTokenize(line, 'en')),
    ];
    const bpe = Bpe.learn(tokens, 20);
    const pieces = tokens.map((line) => bpe.segment(line));
    expect(read('codes')).toBe(bpe.toString());
    expect(read('train.de') + read('train.en')).toBe(text(pieces));
    expect(read('valid.en')).toBe(text(pieces.slice(4, 6)));
    const dictionary = Dictionary.build(pieces);
    expect(read('dict.txt')).toBe(dictionary.toString());
    expect(result).toMatchObject({
      directory: options.out,
      vocabSize: dictionary.size,
      merges: bpe.merges.length,
    });
    const source = pieces.slice(0, 4).flatMap((line) => [...line.split(' '), '</s>']);
    expect(result.splits.train).toMatchObject({ pairs: 4, dropped: 0 });
    expect(result.splits.train!.source).toEqual({
      tokens: source.length,
      types: new Set(source).size - 1,
      unknownRate: 0,
    });
  });

  it('counts what the dictionary does not know', async () => {
    const options = { ...small({ 'valid.de': 'Ja ☃ ☃\nJa\n' }), bpe: 0 };
    const { splits } = await prepare(options);
    expect(splits.valid!.source).toEqual({ tokens: 6, types: 2, unknownRate: 2 / 6 });
  });

  it('gives training what it wrote', async () => {
    const options = small();
    await prepare(options);
    const pipeline = await TextPipeline.load(options.out);
    const train = await loadCorpus(options.out, 'train', pipeline.dictionary);
    expect(train.source).toEqual(german.map((line) => pipeline.encode(line)));
    expect(train.target).toEqual(english.map((line) => pipeline.encode(line, 'target')));
    expect(train.target.map((tokens) => pipeline.decode(tokens))).toEqual(english);
    expect(await loadReferences(options.out, 'test')).toEqual({
      source: german.slice(2),
      target: english.slice(2),
    });
  });

  it('each option has its effect', async () => {
    const line = '„Der HUND“ – ja';
    const options = small({ 'train.de': text([line, line, line, line]) });
    const first = async (extra: Partial<PrepareOptions>) => {
      await prepare({ ...options, overwrite: true, bpe: 0, ...extra });
      return readFileSync(join(options.out, 'train.de'), 'utf8').split('\n')[0];
    };
    expect(await first({})).toBe('„ Der HUND “ – ja');
    expect(readdirSync(options.out)).not.toContain('codes');
    expect(await first({ lowercase: true })).toBe('„ der hund “ – ja');
    expect(await first({ normalize: true })).toBe('&quot; Der HUND &quot; - ja');
    expect(await first({ tokenizer: 'none' })).toBe(line);
    expect(await first({ bpe: 1000 })).toBe('„ Der HUND “ – ja');
    expect(await first({ bpe: 1000, minFrequency: 5 })).toBe('„ D@@ e@@ r H@@ U@@ N@@ D “ – j@@ a');
    await first({ paddingFactor: 1 });
    const { size } = await Dictionary.read(join(options.out, 'dict.txt'));
    await first({ paddingFactor: size + 1 });
    expect((await Dictionary.read(join(options.out, 'dict.txt'))).size).toBe(size + 1);
  });

  it('lower-cases before the tokens are made, or after', async () => {
    // Before a small letter a full stop stays: with capitals it marks the abbreviation "Nr.", and without them the word
    // behind it is small.
    const line = 'Das ENDE. Nr. 5 ENDE. DANN';
    const options = small({ 'train.de': text([line, line, line, line]) });
    const first = async (extra: Partial<PrepareOptions>) => {
      await prepare({ ...options, overwrite: true, bpe: 0, ...extra });
      const { segment, config } = await TextPipeline.load(options.out).then((pipeline) => ({
        segment: pipeline.segment(line),
        config: pipeline.config,
      }));
      expect(config.lowercase).toBe(extra.lowercase);
      const [found] = readFileSync(join(options.out, 'train.de'), 'utf8').split('\n');
      expect(segment).toBe(found);
      return found;
    };
    expect(await first({ lowercase: false })).toBe('Das ENDE . Nr. 5 ENDE . DANN');
    expect(await first({ lowercase: 'after' })).toBe('das ende . nr. 5 ende . dann');
    expect(await first({ lowercase: true })).toBe('das ende. nr . 5 ende. dann');
  });

  it('takes codes and a dictionary that are there, and leaves rare types out of its own', async () => {
    const options = small();
    await prepare({ ...options, threshold: 2, paddingFactor: 1 });
    const read = (name: string) => readFileSync(join(options.out, name), 'utf8');
    const own = Dictionary.parse(read('dict.txt'), 'dict.txt');
    expect(own.size).toBeGreaterThan(4);
    expect(Math.min(...own.counts.slice(4))).toBe(2);

    const [codes, dictionary] = [join(options.root, 'my.codes'), join(options.root, 'my.dict')];
    writeFileSync(codes, '#version: 0.2\nD e\nDe r</w>\n');
    writeFileSync(dictionary, 'Der 7\ns@@ 1\n');
    const { bpe: _, ...rest } = options;
    const result = await prepare({ ...rest, overwrite: true, codes, dictionary } as typeof options);
    expect(result).toMatchObject({ vocabSize: 6, merges: 2 });
    expect(read('dict.txt')).toBe('Der 7\ns@@ 1\n');
    expect(read('codes')).toBe('#version: 0.2\nD e\nDe r</w>\n');
    expect(read('train.de')).toMatch(/^Der H@@ u@@ n@@ d s@@ c@@ /);
    expect(result.splits.train!.source.unknownRate).toBeGreaterThan(0.5);
    expect((await TextPipeline.load(options.out)).segment('Der Hund')).toBe('Der H@@ u@@ n@@ d');
  });

  it('leaves out training pairs by their lengths, and no others', async () => {
    const lines = { 'train.de': 'a b c\na\n\na b c d\n', 'train.en': 'a b c\na b c\na\na\n' };
    const options = { ...small({ ...lines, 'valid.de': 'a\n\n', 'valid.en': '\nb\n' }), bpe: 0 };
    const kept = async (extra: Partial<PrepareOptions>) => {
      const { splits } = await prepare({ ...options, overwrite: true, ...extra });
      expect(splits.valid).toMatchObject({ pairs: 2, dropped: 0 });
      expect(splits.train!.pairs + splits.train!.dropped).toBe(4);
      return readFileSync(join(options.out, 'train.de'), 'utf8');
    };
    expect(await kept({})).toBe('a b c\na\na b c d\n');
    expect(await kept({ minLength: 0 })).toBe('a b c\na\n\na b c d\n');
    expect(await kept({ minLength: 2 })).toBe('a b c\n');
    expect(await kept({ maxLength: 3 })).toBe('a b c\na\n');
    expect(await kept({ ratio: 3 })).toBe('a b c\na\n');
    expect(await kept({ ratio: 2.9 })).toBe('a b c\n');
    await expect(kept({ minLength: 9 })).rejects.toThrow(
      fault('INVALID_CONFIG', 'minLength, maxLength, ratio: all 4 training pairs'),
    );
  });

  it('does without a test set', async () => {
    const { test: _, ...options } = small();
    await prepare(options);
    expect(readdirSync(options.out).filter((name) => name.startsWith('test'))).toEqual([]);
  });

  it('reports its progress, stage by stage', async () => {
    const told: PrepareProgress[] = [];
    await prepare(small(), { onProgress: (progress: PrepareProgress) => told.push(progress) });
    const stages = new Map(told.map(({ text, done, total }) => [text, done / total]));
    expect([...stages.keys()].join()).toMatch(
      /^reading train,.*,tokenizing train,.*counting words,learning 20 merges.*,segmenting test$/,
    );
    expect([...stages.values()].every((part) => part === 1)).toBe(true);
  });

  it('reproduces the original programs on Multi30k', async (context) => {
    if (multi30k === null) return context.skip('the corpus is not beside the repository');
    const out = join(scratchDirectory(), 'data');
    const [train, valid, test] = ['train', 'val', 'test_2016_flickr'].map((name) => join(multi30k!, name));
    const options = { source: 'de', target: 'en', train: train!, valid: valid!, test: test!, bpe: 8000, out };
    const result = await prepareCorpus(options);
    expect(result.vocabSize).toBe(7960);
    const lines = (name: string) => readFileSync(join(out, name), 'utf8').split('\n').slice(0, -1);
    expect(sha256(lines('codes'))).toBe(multi30kHashes().get('train.codes'));
    expect(sha256([...lines('train.de'), ...lines('train.en')])).toBe(multi30kHashes().get('train.pieces'));
    const pipeline = await TextPipeline.load(out);
    const raw = multi30kLines('val', 'en');
    const back = raw.filter((line) => pipeline.decode(pipeline.encode(line, 'target')) === line);
    expect(raw.length - back.length).toBe(2);
  });
});

describe('prepareCorpus leaves nothing behind when', () => {
  const broken: [string, Record<string, string | Uint8Array>, Partial<PrepareOptions>, string, string][] = [
    ['a file is empty', { 'train.en': '' }, {}, 'FILE_EMPTY', 'train.en: expected at least one line'],
    ['a packed file is empty', { 'test.en.gz': gzipSync('') }, {}, 'FILE_EMPTY', 'test.en.gz'],
    [
      'the sides differ in lines',
      { 'valid.en': 'a\n' },
      {},
      'LINE_COUNT_MISMATCH',
      'valid.de has 2, ROOT/valid.en has 1',
    ],
    [
      'a line is not UTF-8',
      { 'train.en': Buffer.from('a\nb\n\xff\nd\n', 'latin1') },
      {},
      'INVALID_UTF8',
      'train.en:3: not valid UTF-8',
    ],
    [
      'gzip data is broken',
      { 'test.en.gz': gzipSync('abc').subarray(0, 12) },
      {},
      'MALFORMED_FILE',
      'test.en.gz',
    ],
    [
      'a file is missing',
      {},
      { test: 'nowhere/test' },
      'FILE_NOT_FOUND',
      'nowhere/test.de or nowhere/test.de.gz',
    ],
    [
      'a language has no rules',
      { 'train.fr': 'a\n' },
      { source: 'fr' },
      'INVALID_CONFIG',
      'source: tokenizer "moses"',
    ],
    ['both languages are one', {}, { target: 'de' }, 'INVALID_CONFIG', 'target: expected another language'],
    ['codes are not there', {}, { bpe: undefined, codes: 'nowhere' }, 'FILE_NOT_FOUND', 'nowhere'],
    ['a dictionary is not there', {}, { dictionary: 'nowhere' }, 'FILE_NOT_FOUND', 'nowhere'],
    ['codes make merges idle', {}, { codes: 'x' }, 'INVALID_CONFIG', 'prepare.bpe: has no effect where'],
    [
      'a dictionary makes its padding idle',
      {},
      { dictionary: 'x', paddingFactor: 8 },
      'INVALID_CONFIG',
      'prepare.paddingFactor: has no effect where prepare.dictionary is given',
    ],
    [
      'case is neither',
      {},
      { lowercase: 'before' } as object,
      'INVALID_CONFIG',
      'prepare.lowercase: expected true',
    ],
    ['an option is out of range', {}, { bpe: -1 }, 'INVALID_CONFIG', 'prepare.bpe'],
    ['an option is unknown', {}, { merges: 7 } as object, 'INVALID_CONFIG', 'merges'],
  ];
  it.each(broken)('%s', async (_, files, extra, code, message) => {
    const options = small(files);
    const before = readdirSync(options.root);
    await expect(prepare({ ...options, ...extra })).rejects.toThrow(
      fault(code, message.replace('ROOT', options.root)),
    );
    expect(readdirSync(options.root)).toEqual(before);
  });

  it('it is aborted, at any stage', async () => {
    for (const stage of ['tokenizing train', 'learning', 'segmenting test']) {
      const options = small();
      const before = readdirSync(options.root);
      const controller = new AbortController();
      const onProgress = ({ text }: PrepareProgress) => {
        if (text.startsWith(stage)) controller.abort();
      };
      const run = prepare(options, { onProgress, signal: controller.signal });
      await expect(run).rejects.toThrow(fault('ABORTED', 'preparing text was aborted'));
      expect(readdirSync(options.root)).toEqual(before);
    }
  });

  it('the disk is full', async () => {
    const root = scratchDirectory();
    const filling = makeDirectoryAtomically(join(root, 'data'), async (directory) => {
      writeFileSync(join(directory, 'half'), 'written');
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    });
    await expect(filling).rejects.toThrow(fault('DISK_FULL', 'no space left'));
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('the place of a prepared directory', () => {
  it('is taken over only when asked, and only from a prepared one', async () => {
    const options = small();
    await prepare(options);
    const before = readFileSync(join(options.out, 'dict.txt'), 'utf8');
    await expect(prepare({ ...options, bpe: 0 })).rejects.toThrow(
      fault('FILE_UNWRITABLE', 'is there already'),
    );
    expect(readFileSync(join(options.out, 'dict.txt'), 'utf8')).toBe(before);
    await prepare({ ...options, bpe: 0, overwrite: true });
    expect(readFileSync(join(options.out, 'dict.txt'), 'utf8')).not.toBe(before);

    const other = join(options.root, 'other');
    mkdirSync(other);
    await checkPlace(other, false);
    writeFileSync(join(other, 'precious'), '');
    await expect(checkPlace(other, true)).rejects.toThrow(fault('FILE_UNWRITABLE', 'holds other files'));
    await expect(checkPlace(join(other, 'precious'), true)).rejects.toThrow(
      fault('FILE_UNWRITABLE', 'precious'),
    );
  });

  it('keeps what it held when the new one fails', async () => {
    const options = small();
    await prepare(options);
    const fail = () => Promise.reject(new RdropError('BUSY', 'no'));
    const failing = makeDirectoryAtomically(options.out, fail, { overwrite: true });
    await expect(failing).rejects.toThrow(fault('BUSY', 'no'));
    expect(readdirSync(options.out)).toContain('dict.txt');
    expect(readdirSync(options.root).filter((name) => name.startsWith('data'))).toEqual(['data']);
  });
});
