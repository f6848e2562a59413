import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCorpus, loadReferences } from '../../lib/data/corpus.js';
import { readIwslt14 } from '../../lib/data/iwslt14/archive.js';
import { prepareIwslt14, tokenizeIwslt14 } from '../../lib/data/iwslt14/iwslt14.js';
import type { Pairs } from '../../lib/data/pairs.js';
import { cleanCorpus } from '../../lib/data/preparation/clean_corpus.js';
import type { PrepareProgress } from '../../lib/data/preparation/stages.js';
import type { Iwslt14Options } from '../../lib/options/index.js';
import { lowercase } from '../../lib/text/lowercase.js';
import { mosesTokenize } from '../../lib/text/moses/tokenizer.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import {
  iwslt14Archive,
  iwslt14Fixture,
  iwslt14Hashes,
  iwslt14Members,
  type Members,
  packedMembers,
  recordedIwslt14,
  unpackedMembers,
} from '../support/fixtures/iwslt14_fixtures.js';
import { sha256 } from '../support/fixtures/text_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const languages = { source: 'de', target: 'en' } as const;
const sides = ['source', 'target'] as const;

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

const hashOf = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Prepares into a new directory, and gives how to read what is there. */
async function prepared(options: Partial<Iwslt14Options> = {}, run = {}) {
  const out = join(scratchDirectory(), 'data');
  const merges = options.codes === undefined ? { bpe: 200 } : {};
  const result = await prepareIwslt14({ archive: iwslt14Archive, out, ...merges, ...options }, run);
  return { out, result, read: (name: string) => readFileSync(join(out, name), 'utf8') };
}

describe('the stages of prepare-iwslt14.sh', () => {
  const stages = iwslt14Hashes('stages');
  const expectStage = (pairs: Pairs<string>, nameOf: (lang: string) => string) => {
    for (const side of sides) {
      const name = nameOf(languages[side]);
      expect(stages.has(name), name).toBe(true);
      expect(sha256(pairs[side]), name).toBe(stages.get(name));
    }
  };

  it('training text: tokens, cleaning, lower case', async () => {
    const { train } = await readIwslt14(iwslt14Archive);
    const tokens = {
      source: train.source.map((line) => mosesTokenize(line, 'de')),
      target: train.target.map((line) => mosesTokenize(line, 'en')),
    };
    expectStage(tokens, (lang) => `train.tags.de-en.tok.${lang}`);
    const { pairs } = await cleanCorpus(tokens, { minLength: 1, maxLength: 175, ratio: 1.5 });
    expectStage(pairs, (lang) => `train.tags.de-en.clean.${lang}`);
    const lower = { source: pairs.source.map(lowercase), target: pairs.target.map(lowercase) };
    expectStage(lower, (lang) => `train.tags.de-en.${lang}`);
  });

  it('every 23rd pair for validation, the five sets for testing', async () => {
    const splits = await tokenizeIwslt14(iwslt14Archive, {});
    for (const split of ['train', 'valid', 'test'] as const) {
      expectStage(splits.get(split)!.tokens, (lang) => `${split}.${lang}`);
    }
  });

  it('codes, segmented text, dictionary', async () => {
    const { read, result } = await prepared();
    expect(read('codes')).toBe(recordedIwslt14('code'));
    expect(read('dict.txt')).toBe(recordedIwslt14('dict.txt'));
    const hashes = iwslt14Hashes('prepared');
    for (const name of ['train', 'valid', 'test'].flatMap((split) => [`${split}.de`, `${split}.en`])) {
      expect(hashOf(read(name)), name).toBe(hashes.get(name));
    }
    expect(result).toMatchObject({ vocabSize: 232, merges: 200 });
    expect(result.splits.train).toMatchObject({ pairs: 336, dropped: 19 });
    expect(result.splits.valid).toMatchObject({ pairs: 15, dropped: 0 });
    expect(result.splits.test).toMatchObject({ pairs: 60, dropped: 0 });
  });

  it('threshold of the dictionary', async () => {
    const { read } = await prepared({ threshold: 3 });
    expect(read('dict.txt')).toBe(recordedIwslt14('dict.threshold3.txt'));
  });

  it('ids, those of fairseq-preprocess', async () => {
    const { out } = await prepared();
    const { dictionary } = await TextPipeline.load(out);
    const ids: string[] = [];
    for (const split of ['train', 'valid', 'test'] as const) {
      const corpus = await loadCorpus(out, split, dictionary);
      for (const side of sides) ids.push(...corpus[side].map((tokens) => tokens.join(' ')));
    }
    expect(sha256(ids)).toBe(iwslt14Hashes('prepared').get('ids.txt'));
  });
});

describe('prepareIwslt14', () => {
  it('makes a directory whose pipeline segments raw lines as they were prepared', async () => {
    const { out, read } = await prepared();
    expect(readdirSync(dirname(out))).toEqual(['data']);
    const splits = ['train', 'valid', 'test'].flatMap((split) => [`${split}.de`, `${split}.en`]);
    expect(readdirSync(out).sort()).toEqual(
      ['codes', 'dict.txt', 'manifest.json', 'raw', 'text.json', ...splits].sort(),
    );
    expect(JSON.parse(read('text.json'))).toEqual({
      ...{ version: 1, source: 'de', target: 'en', tokenizer: 'moses', normalize: false },
      ...{ lowercase: 'after', bpe: 200 },
    });
    const pipeline = await TextPipeline.load(out);
    const before = new TextPipeline({ ...pipeline.config, lowercase: true }, pipeline.dictionary, null);
    const after = new TextPipeline({ ...pipeline.config, lowercase: 'after' }, pipeline.dictionary, null);
    let differ = 0;
    for (const split of ['valid', 'test'] as const) {
      const raw = await loadReferences(out, split);
      const ids = await loadCorpus(out, split, pipeline.dictionary);
      for (const side of sides) {
        expect(raw[side].map((line) => pipeline.encode(line, side))).toEqual(ids[side]);
        differ += raw[side].filter((line) => before.segment(line, side) !== after.segment(line, side)).length;
      }
    }
    // The order of lower case and tokens matters in these lines, so the comparison above could have failed.
    expect(differ).toBeGreaterThan(5);
    expect(read('raw/test.en')).toContain("It's what ‘they' say, isn't it?'");
    expect(read('raw/test.de')).toContain('MR. WEISS, Nr. 5 und nr. 5\n');
    expect(read('raw/valid.en')).toContain('The teacher leaves still the translation (see No. 7).\n');
  });

  it('takes the directory that was in the archive, and an archive with ./ before names', async () => {
    const members = await iwslt14Members();
    const directory = join(unpackedMembers(members), 'de-en');
    for (const archive of [directory, packedMembers(members, { prefix: './', gzip: false })]) {
      const { read } = await prepared({ archive });
      for (const name of ['codes', 'train.de', 'test.en', 'dict.txt']) {
        const recorded = iwslt14Hashes('prepared').get(name === 'codes' ? 'code' : name);
        expect(hashOf(read(name))).toBe(recorded);
      }
    }
  });

  it("takes somebody's codes and dictionary", async () => {
    const [codes, dictionary] = [iwslt14Fixture('code'), iwslt14Fixture('dict.threshold3.txt')];
    const given = await prepared({ codes, dictionary });
    expect(given.read('codes')).toBe(recordedIwslt14('code'));
    expect(given.read('dict.txt')).toBe(recordedIwslt14('dict.threshold3.txt'));
    expect(hashOf(given.read('train.de'))).toBe(iwslt14Hashes('prepared').get('train.de'));
    expect(given.result.merges).toBe(200);
    expect(given.result.splits.train!.source.unknownRate).toBeGreaterThan(0);
    expect(JSON.parse(given.read('text.json')).bpe).toBe(200);

    // subword-nmt looks at the first of two equal merges, and does not mind.
    const doubled = join(scratchDirectory(), 'codes');
    const [header, first] = recordedIwslt14('code').split('\n') as [string, string];
    writeFileSync(doubled, `${header}\n${first}\nx x\n${first}\n`);
    expect((await prepared({ codes: doubled })).result.merges).toBe(3);
  });

  it('each option has its effect', async () => {
    expect((await prepared({ bpe: 0 })).read('train.de')).not.toContain('@@');
    expect((await prepared({ minFrequency: 400 })).result.merges).toBeLessThan(100);
    const { vocabSize } = (await prepared({ paddingFactor: 1 })).result;
    expect(vocabSize).toBeLessThan(232);
    expect((await prepared({ paddingFactor: vocabSize + 1 })).result.vocabSize).toBe(vocabSize + 1);
    const { out } = await prepared();
    const options = { archive: iwslt14Archive, out };
    await expect(prepareIwslt14(options)).rejects.toThrow(fault('FILE_UNWRITABLE', 'ask to overwrite'));
    expect((await prepareIwslt14({ ...options, overwrite: true })).merges).toBeGreaterThan(200);
  });

  it('reports its progress, stage by stage', async () => {
    const told: PrepareProgress[] = [];
    await prepared({}, { onProgress: (progress: PrepareProgress) => told.push(progress) });
    const stages = new Map(told.map(({ text, done, total }) => [text, done / total]));
    expect([...stages.keys()]).toEqual([
      `reading ${iwslt14Archive}`,
      'tokenizing train',
      'lower-casing train',
      'tokenizing test',
      'counting words',
      'learning 200 merges from 231 words',
      'segmenting train',
      'segmenting valid',
      'segmenting test',
    ]);
    expect([...stages.values()].every((part) => part === 1)).toBe(true);
  });
});

describe('prepareIwslt14 leaves nothing behind when', () => {
  const attempt = async (options: Partial<Iwslt14Options>, run = {}) => {
    const root = scratchDirectory();
    const out = join(root, 'data');
    let thrown: unknown = null;
    try {
      await prepareIwslt14({ archive: iwslt14Archive, out, ...options }, run);
    } catch (error) {
      thrown = error;
    }
    expect(readdirSync(root)).toEqual([]);
    return thrown;
  };
  const xml = (set: string, lang: string) => `de-en/IWSLT14.${set}.de-en.${lang}.xml`;
  const dev = xml('TED.dev2010', 'de');
  const edit = async (name: string, from: string | RegExp, to: string): Promise<Members> => {
    const content = Buffer.from((await iwslt14Members())[name]!).toString();
    const edited = content.replace(from, to);
    expect(edited).not.toBe(content);
    return { [name]: edited };
  };
  const whole = 'expected one <seg id="NUMBER">…</seg> in the line, got';

  const broken: [string, () => Promise<Members> | Members, string, string][] = [
    [
      'a member is missing',
      () => ({ [xml('TEDX.dev2012', 'en')]: null }),
      'MALFORMED_FILE',
      `a member ${xml('TEDX.dev2012', 'en')}`,
    ],
    ['a member is empty', () => ({ [dev]: '' }), 'FILE_EMPTY', `${dev}: `],
    [
      'a member is not UTF-8',
      () => ({ 'de-en/train.tags.de-en.en': Buffer.from('a\n\xff\n', 'latin1') }),
      'INVALID_UTF8',
      'de-en.tgz: de-en/train.tags.de-en.en:2: not valid UTF-8',
    ],
    [
      'a member holds NUL',
      () => edit(dev, '</mteval>', '\0'),
      'MALFORMED_FILE',
      `${dev}:19: expected text, got a NUL`,
    ],
    ['a segment has no end', () => edit(dev, ' </seg>', ''), 'MALFORMED_FILE', `${dev}:7: ${whole}`],
    [
      'a segment ends in the next line',
      () => edit(dev, ' </seg>', '\n</seg>'),
      'MALFORMED_FILE',
      `${dev}:7: ${whole}`,
    ],
    [
      'a segment has no beginning',
      () => edit(dev, '<seg id="1">', ''),
      'MALFORMED_FILE',
      `${dev}:7: ${whole}`,
    ],
    ['an id is no number', () => edit(dev, 'id="2"', 'id="two"'), 'MALFORMED_FILE', `${dev}:8: ${whole}`],
    ['an id is empty', () => edit(dev, 'id="2"', 'id=""'), 'MALFORMED_FILE', `${dev}:8: ${whole}`],
    [
      'a segment has another attribute first',
      () => edit(dev, '<seg id', '<seg lang="de" id'),
      'MALFORMED_FILE',
      `${dev}:7: ${whole}`,
    ],
    [
      'two segments stand in one line',
      () => edit(dev, /<\/seg>\n/, '</seg>'),
      'MALFORMED_FILE',
      `${dev}:7: ${whole}`,
    ],
    [
      'a member has no segments',
      () => edit(dev, /<seg[^\n]*\n/g, ''),
      'MALFORMED_FILE',
      `${dev}: expected lines <seg`,
    ],
    [
      'the sides differ in their ids',
      () => edit(xml('TED.tst2011', 'en'), 'id="3"', 'id="4"'),
      'MALFORMED_FILE',
      `${xml('TED.tst2011', 'en')}:9: expected a segment with the id of`,
    ],
    [
      'a side lacks a segment',
      () => edit(xml('TED.tst2011', 'en'), /[^\n]*<seg id="3[^\n]*\n/, ''),
      'LINE_COUNT_MISMATCH',
      `${xml('TED.tst2011', 'de')}:9`,
    ],
    [
      'a side lacks the last segment',
      () => edit(xml('TED.tst2012', 'de'), /[^\n]*<seg id="14"[^\n]*\n/, ''),
      'LINE_COUNT_MISMATCH',
      'de.xml has 13, ',
    ],
    [
      'a side has a line more',
      () => edit('de-en/train.tags.de-en.de', '</doc>', '</doc>\n'),
      'LINE_COUNT_MISMATCH',
      'de-en/train.tags.de-en.de has 371, ',
    ],
    [
      'hardly any pair is left',
      () => ({
        'de-en/train.tags.de-en.de': 'a\n'.repeat(22),
        'de-en/train.tags.de-en.en': 'a\n'.repeat(22),
      }),
      'MALFORMED_FILE',
      'expected at least 23 training pairs within the limits, got 22',
    ],
  ];
  it.each(broken)('%s', async (_, changes, code, message) => {
    const archive = packedMembers(await iwslt14Members(await changes()));
    expect(await attempt({ archive })).toEqual(fault(code, message));
  });

  it('the archive is cut off', async () => {
    const bytes = readFileSync(iwslt14Archive);
    const archive = join(scratchDirectory(), 'cut.tgz');
    writeFileSync(archive, bytes.subarray(0, 8000));
    const thrown = await attempt({ archive });
    expect(thrown).toEqual(fault('MALFORMED_FILE', 'inside the member de-en/train.tags.de-en.en'));
  });

  it('a directory lacks a file', async () => {
    const members = await iwslt14Members({ [dev]: null });
    const archive = join(unpackedMembers(members), 'de-en');
    const thrown = await attempt({ archive });
    expect(thrown).toEqual(fault('FILE_NOT_FOUND', join(archive, 'IWSLT14.TED.dev2010.de-en.de.xml')));
    expect(await attempt({ archive: 'nowhere' })).toEqual(fault('FILE_NOT_FOUND', 'nowhere'));
  });

  it("somebody's codes or dictionary are broken, or leave options without effect", async () => {
    const file = join(scratchDirectory(), 'file');
    const given = async (content: string, options: object) => {
      writeFileSync(file, content);
      return attempt(options);
    };
    const twice = `${recordedIwslt14('dict.txt')}&apos; 7\n`;
    expect(await given(twice, { dictionary: file })).toEqual(
      fault('MALFORMED_FILE', `${file}:229: the type "&apos;" is`),
    );
    expect(await given('#version: 0.2\n', { codes: file })).toEqual(
      fault('MALFORMED_FILE', 'the file holds none'),
    );
    expect(await given('#version: 0.2\na b c\n', { codes: file })).toEqual(
      fault('MALFORMED_FILE', `${file}:2`),
    );
    const idle = (file: string, option: string, value: number) => attempt({ [file]: 'x', [option]: value });
    for (const [name, option] of [
      ['codes', 'bpe'],
      ['codes', 'minFrequency'],
      ['dictionary', 'threshold'],
      ['dictionary', 'paddingFactor'],
    ] as const) {
      const message = `iwslt14.${option}: has no effect where iwslt14.${name} is given`;
      expect(await idle(name, option, 8)).toEqual(fault('INVALID_CONFIG', message));
    }
  });

  it('it is aborted, at any stage', async () => {
    for (const stage of [
      'reading',
      'tokenizing train',
      'lower-casing',
      'tokenizing test',
      'learning',
      'segmenting test',
    ]) {
      const controller = new AbortController();
      const onProgress = ({ text }: PrepareProgress) => {
        if (text.startsWith(stage)) controller.abort();
      };
      const thrown = await attempt({}, { onProgress, signal: controller.signal });
      expect(thrown).toEqual(fault('ABORTED', 'aborted'));
    }
  });

  it('an option is unknown or out of range', async () => {
    expect(await attempt({ merges: 7 } as object)).toEqual(fault('INVALID_CONFIG', 'merges'));
    expect(await attempt({ threshold: -1 })).toEqual(fault('INVALID_CONFIG', 'iwslt14.threshold'));
    expect(await attempt({ archive: '' })).toEqual(fault('INVALID_CONFIG', 'iwslt14.archive'));
  });
});
