// Corpora that another program cut into pieces, from text to figures: what is scored and printed are words.
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import { fairseqScore } from '../../lib/evaluation/fairseq_score.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { importFairseq } from '../../lib/interchange/fairseq/import_fairseq.js';
import type { PieceFormat, PrepareOptions } from '../../lib/options/index.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { interchangePath } from '../support/fixtures/interchange_fixtures.js';
import { warningsOf } from '../support/warnings.js';
import { fitAll, makeReversalData, tinyOptions, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
beforeAll(async () => {
  place = await workplace();
});
afterAll(() => place.remove());

const told = (work: () => unknown) => warningsOf('PIECES', work);

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/text/pieces.json', import.meta.url), 'utf8'),
) as Record<Exclude<PieceFormat, 'none' | 'joiner'>, { pieces: string; text: string }[]>;

let next = 0;
/** A corpus of these lines on the target side, and numbered words on the source side; the same lines in every split. */
async function corpus(target: Record<'train' | 'valid' | 'test', string[]>, source?: string[]) {
  const directory = join(place.path, `text${next++}`);
  await mkdir(directory);
  for (const [split, lines] of Object.entries(target)) {
    const others = source ?? lines.map((_, i) => `wort ${i}`);
    await writeFile(join(directory, `${split}.de`), `${others.slice(0, lines.length).join('\n')}\n`);
    await writeFile(join(directory, `${split}.en`), `${lines.join('\n')}\n`);
  }
  const prefix = (split: string) => join(directory, split);
  return {
    ...{ source: 'de', target: 'en', tokenizer: 'none', bpe: 0, out: join(directory, 'data') },
    ...{ train: prefix('train'), valid: prefix('valid'), test: prefix('test') },
  } satisfies PrepareOptions;
}
const everywhere = (lines: string[]) => ({ train: lines, valid: lines, test: lines });

describe.each(Object.keys(recorded) as (keyof typeof recorded)[])('text in pieces of %s', (pieces) => {
  const lines = recorded[pieces].map((line) => line.pieces);
  const text = recorded[pieces].map((line) => line.text.trim());

  it('is found, told, and joined wherever it is read', async () => {
    const options = await corpus(everywhere(lines));
    const heard = await told(async () => {
      expect(await prepareCorpus(options)).toMatchObject({ pieces });
    });
    expect(heard).toEqual([expect.stringContaining(`look like pieces of ${pieces}, such as`)]);
    const file = async (name: string) =>
      (await readFile(join(options.out, name), 'utf8')).trimEnd().split('\n');
    expect(await file('test.en')).toEqual(lines);
    expect(await file('raw/test.en')).toEqual(text);
    expect(await file('raw/valid.en')).toEqual(text);
    expect(await file('raw/test.de')).toEqual(await file('test.de'));
    const pipeline = await TextPipeline.load(options.out);
    expect(pipeline.config.pieces).toBe(pieces);
    lines.forEach((line, i) => {
      expect(pipeline.decode(pipeline.encode(line, 'target'))).toBe(text[i]);
    });
  });

  it('is left as it is where that is said', async () => {
    const options = await corpus(everywhere(lines));
    expect(
      await told(async () => {
        expect(await prepareCorpus({ ...options, pieces: 'none' })).not.toHaveProperty('pieces');
      }),
    ).toEqual([]);
    expect(await readFile(join(options.out, 'raw/test.en'), 'utf8')).toBe(`${lines.join('\n')}\n`);
  });

  it('is refused where it would be cut again', async () => {
    const options = await corpus(everywhere(lines));
    await expect(prepareCorpus({ ...options, tokenizer: 'moses' })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    });
    await expect(prepareCorpus({ ...options, bpe: 10 })).rejects.toMatchObject({
      message: expect.stringMatching(
        new RegExp(
          `train\\.en: .* look like pieces of ${pieces}.*--tokenizer none --bpe 0.*prepare\\.pieces "none"`,
        ),
      ),
    });
    await expect(prepareCorpus({ ...options, bpe: 10, pieces })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    });
  });
});

it('a mark of its own is given', async () => {
  const lines = recorded['subword-nmt'].map((line) => line.pieces.replaceAll('@@', '~'));
  const options = await corpus(everywhere(lines));
  await prepareCorpus({ ...options, pieces: 'subword-nmt', pieceMark: '~' });
  expect(await readFile(join(options.out, 'raw/test.en'), 'utf8')).toBe(
    `${recorded['subword-nmt'].map(({ text }) => text).join('\n')}\n`,
  );
  await expect(prepareCorpus({ ...options, pieceMark: '~', overwrite: true })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringMatching(/^pieceMark: has an effect only on pieces/),
  });
});

it('splits that are cut and whole are refused where the spaces would go', async () => {
  const { sentencepiece } = recorded;
  const whole = sentencepiece.map(({ text }) => text);
  const options = await corpus({ ...everywhere(sentencepiece.map(({ pieces }) => pieces)), test: whole });
  await expect(prepareCorpus(options)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringMatching(
      /expected .*test\.en in pieces of sentencepiece as the training text is, got none/,
    ),
  });
});

describe('a run on pieces', () => {
  let options: ReturnType<typeof tinyOptions>;
  let references: string[];
  const cutWord = (word: string) => `${word[0]}@@ ${word.slice(1)}`;

  beforeAll(async () => {
    const data = join(place.path, 'reversal');
    await makeReversalData(data);
    const whole = async (split: string, side: string) =>
      (await readFile(join(data, `${split}.${side}`), 'utf8')).trimEnd().split('\n');
    const cut = async (split: string, side: string) =>
      (await whole(split, side)).map((line) => line.split(' ').map(cutWord).join(' '));
    references = await whole('test', 'en');
    const target = {
      train: await cut('train', 'en'),
      valid: await cut('valid', 'en'),
      test: await cut('test', 'en'),
    };
    const prepared = await corpus(target, await cut('train', 'de'));
    await prepareCorpus(prepared);
    options = tinyOptions(prepared.out, join(place.path, 'run'));
    using trainer = await Trainer.create({
      ...options,
      validation: { ...options.validation, metric: 'bleu', interval: 15 },
    });
    await fitAll(trainer);
  });

  it('is warned of text to translate that is whole, and not of text that is cut', async () => {
    using translator = await Translator.load(options.runDirectory, { threads: 1 });
    const source = Array.from({ length: 4 }, () => 'w5 w1 w9');
    const cut = source.map((line) => line.split(' ').map(cutWord).join(' '));
    const heard = (lines: string[]) => told(() => translator.translate(lines, { beam: 1, maxLenB: 5 }));
    expect(await heard(source)).toEqual([expect.stringMatching(/lines to translate: .*none is cut.*"@@"/)]);
    expect(await heard(cut)).toEqual([]);
    expect(await heard(['w5'])).toEqual([]);
  });

  it('is scored by its words', async () => {
    const read = async (name: string) =>
      (await readFile(join(options.runDirectory, 'hypotheses', name), 'utf8')).replace(/\n$/, '').split('\n');
    expect(await read('test.tokenised.reference.en')).toEqual(references);
    const hypotheses = await read('test.tokenised.en');
    expect(hypotheses.join(' ')).not.toContain('@@ ');
    const { scores } = JSON.parse(await readFile(join(options.runDirectory, 'result.json'), 'utf8')) as {
      scores: { name: string; score: number }[];
    };
    expect(scores.find(({ name }) => name === 'fairseq-score')!.score).toBe(
      fairseqScore(hypotheses, references).score,
    );
    using translator = await Translator.load(options.runDirectory, { threads: 1 });
    const [translation] = await translator.translate([cutWord('w3')], options.test.beam);
    expect(translation!.text).not.toContain('@@ ');
  });

  it('warns where it is taken elsewhere', async () => {
    const out = join(place.path, 'exported');
    const { differences } = await exportModel({ run: options.runDirectory, format: 'fairseq', out });
    expect(differences).toEqual([
      expect.stringMatching(/pieces of subword-nmt.*fairseq-generate joins them with --remove-bpe$/),
    ]);
  });

  it('of data from before is told of, once, and stays what it was', async () => {
    const text = join(options.data, 'text.json');
    const { pieces: _, ...before } = JSON.parse(await readFile(text, 'utf8'));
    await writeFile(text, JSON.stringify(before));
    await rm(join(options.data, 'manifest.json'));
    for (const split of ['valid', 'test']) {
      await rm(join(options.data, 'raw', `${split}.en`));
      await writeFile(
        join(options.data, 'raw', `${split}.en`),
        await readFile(join(options.data, `${split}.en`)),
      );
    }
    using trainer = await Trainer.create({
      ...options,
      runDirectory: join(place.path, 'before'),
      maxUpdates: 1,
    });
    const events = await fitAll(trainer);
    const told = events.filter((event) => (event as { code?: string }).code === 'PIECES');
    expect(told).toEqual([
      expect.objectContaining({
        type: 'warning',
        message: expect.stringMatching(/references of validation: .*prepare them again/),
      }),
    ]);
    const hypotheses = await readFile(
      join(place.path, 'before', 'hypotheses', 'test.tokenised.reference.en'),
      'utf8',
    );
    expect(hypotheses).toContain('w@@ ');
  });
});

it('an imported model says by its dictionary what it speaks in', async () => {
  const files = { checkpoint: interchangePath('fork.pt'), tokenizer: 'none' } as const;
  const types = Array.from({ length: 36 }, (_, i) => `${i % 3 === 0 ? `p${i}@@` : `w${i}`} ${100 - i}`);
  const dict = join(place.path, 'dict.txt');
  await writeFile(dict, `${types.join('\n')}\n`);
  const out = (name: string) => join(place.path, name);
  const heard = await told(async () => {
    expect(await importFairseq({ ...files, dict, out: out('cut') })).toMatchObject({ pieces: 'subword-nmt' });
  });
  expect(heard).toEqual([
    expect.stringMatching(/dict\.txt: 3\d\.\d % of the tokens look like pieces of subword-nmt/),
  ]);
  const pipeline = await TextPipeline.load(out('cut'));
  expect(pipeline.decode(pipeline.encode('p0@@ w1 p3@@ w2'))).toBe('p0w1 p3w2');
  const whole = await importFairseq({ ...files, dict, pieces: 'none', out: out('whole') });
  expect(whole).not.toHaveProperty('pieces');
  const codes = interchangePath('codes');
  const own = await importFairseq({ ...files, dict, codes, out: out('codes') });
  expect(own).not.toHaveProperty('pieces');
  await expect(
    importFairseq({ ...files, dict, codes, pieces: 'wordpiece', out: out('no') }),
  ).rejects.toMatchObject({
    ...{
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/^import\.pieces: expected "subword-nmt" or nothing/),
    },
  });
});

it('text that is cut already is told of where a run cuts it itself', async () => {
  const run = join(place.path, 'codes');
  using translator = await Translator.load(run, { threads: 1 });
  const heard = await told(() => translator.translate(['un@@ w5 ge@@ w1', 'w9'], { beam: 1, maxLenB: 5 }));
  expect(heard).toEqual([
    expect.stringMatching(/lines to translate: .*the run tokenizes or cuts its text itself/),
  ]);
  // A stream is judged as a whole, once.
  const streamed = await told(async () => {
    const lines = new Set(['un@@ w5 ge@@ w1', 'w9', 'un@@ w2 ge@@ w1']);
    const work = { name: 'streamed.de', window: 1 };
    for await (const _ of translator.translate(lines, { beam: 1, maxLenB: 5 }, work));
  });
  expect(streamed).toEqual([expect.stringMatching(/^streamed\.de: .*cuts its text itself/)]);
});
