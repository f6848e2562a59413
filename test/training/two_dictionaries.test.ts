// Two languages without a common dictionary, from text to translations and through the formats of other programs.
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCorpus } from '../../lib/data/corpus.js';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import { readSafetensors } from '../../lib/data/safetensors/safetensors.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { importFairseq } from '../../lib/interchange/fairseq/import_fairseq.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { dropoutMoments } from '../../lib/theory/theory.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { fitAll, tinyOptions, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
let run: string;
const lines = { source: [] as string[], target: [] as string[] };
/** 30 words on one side, every third of them spelled otherwise on the other side, so that the ids are not the same. */
const sides = (word: number) => [`s${word}`, `t${Math.floor(word / 3)}`] as const;
const base = { source: 'de', target: 'en', tokenizer: 'none', bpe: 0, separateDictionaries: true } as const;

beforeAll(async () => {
  place = await workplace();
  const text = join(place.path, 'text');
  await mkdir(text);
  let state = 5;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % below;
  };
  for (const [split, count] of Object.entries({ train: 160, valid: 16, test: 16 })) {
    const words = Array.from({ length: count }, () =>
      Array.from({ length: 1 + random(5) }, () => random(30)),
    );
    const source = words.map((line) => line.map((word) => sides(word)[0]).join(' '));
    const target = words.map((line) => line.map((word) => sides(word)[1]).join(' '));
    if (split === 'test') Object.assign(lines, { source, target });
    await writeFile(join(text, `${split}.de`), `${source.join('\n')}\n`);
    await writeFile(join(text, `${split}.en`), `${target.join('\n')}\n`);
  }
  data = join(place.path, 'data');
  const prefixes = { train: join(text, 'train'), valid: join(text, 'valid'), test: join(text, 'test') };
  const result = await prepareCorpus({ ...base, ...prefixes, out: data });
  expect(result).toMatchObject({ vocabSize: 16, sourceVocabSize: 40 });
  run = join(place.path, 'run');
  const options = tinyOptions(data, run);
  using trainer = await Trainer.create({
    ...options,
    model: { ...options.model, shareEmbeddings: 'decoder' },
  });
  expect(trainer.model.config).toMatchObject({ vocabSize: 16, sourceVocabSize: 40 });
  await fitAll(trainer);
});
afterAll(() => place.remove());

const translated = async (directory: string) => {
  using translator = await Translator.load(directory, { threads: 1 });
  const found = await translator.translate(lines.source, { beam: 2, maxLenA: 0, maxLenB: 10 });
  return found.map(({ text }) => text);
};

describe('separate dictionaries', () => {
  it("are fairseq's files, each of its own side", async () => {
    const names = ['text.json', 'dict.de.txt', 'dict.en.txt'];
    expect(readdirSync(data)).toEqual(expect.arrayContaining(names));
    expect(readdirSync(data)).not.toContain('dict.txt');
    expect(readdirSync(run)).toEqual(expect.arrayContaining(names));
    const { dictionaries } = await TextPipeline.load(run);
    const train = (side: string) =>
      readFileSync(join(data, `train.${side}`), 'utf8')
        .trimEnd()
        .split('\n');
    for (const [side, language] of [
      ['source', 'de'],
      ['target', 'en'],
    ] as const) {
      expect(dictionaries[side].toString()).toBe(Dictionary.build(train(language)).toString());
      const { tokens } = { tokens: await loadCorpus(data, 'test', dictionaries) };
      expect(tokens[side].map((ids) => dictionaries[side].decode(ids))).toEqual(lines[side]);
    }
    const { data: hashes } = JSON.parse(readFileSync(join(run, 'environment.json'), 'utf8'));
    expect(Object.keys(hashes)).toEqual(expect.arrayContaining(names));
  });

  it('cannot share all embeddings, and nothing is made', async () => {
    const directory = join(place.path, 'refused');
    await expect(Trainer.create(tinyOptions(data, directory))).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(
        /model\.shareEmbeddings: expected "decoder" or "none", since .*data has a dictionary for each language \(40 and 16 types\), got "all"/,
      ),
    });
    expect(readdirSync(place.path)).not.toContain('refused');
  });

  it('translate in the words of the target, as the run did', async () => {
    const own = readFileSync(join(run, 'hypotheses', 'test.en'), 'utf8')
      .trimEnd()
      .split('\n');
    const found = await translated(run);
    expect(found).toEqual(own);
    expect(found.join(' ')).toMatch(/^[t0-9 ]+$/);
  });

  it('go on after a resume and into theory', async () => {
    using trainer = await Trainer.resume(run, { maxUpdates: 32 });
    await fitAll(trainer);
    expect(trainer.update).toBe(32);
    const experiment = { batches: 1, maxTokens: 128, pairs: 4, samples: 20, threads: 1 };
    const result = await dropoutMoments({ run: { directory: run, checkpoint: 'last' }, ...experiment });
    expect(result.conditions.model).toMatchObject({ vocabSize: 16, sourceVocabSize: 40 });
    const other = join(place.path, 'other');
    const dictionary = join(place.path, 'other.de.txt');
    await writeFile(dictionary, readFileSync(join(data, 'dict.de.txt'), 'utf8').replace('s7 ', 'x '));
    await prepareCorpus({
      ...{ ...base, out: other, dictionary },
      ...{ train: join(data, 'train'), valid: join(data, 'valid') },
    });
    await expect(
      dropoutMoments({ run: { directory: run, checkpoint: 'last' }, data: other, ...experiment }),
    ).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH', message: expect.stringMatching(/dict\.de\.txt/) });
  });

  it('come back through a checkpoint of fairseq', async () => {
    const out = join(place.path, 'fairseq');
    await exportModel({ run, format: 'fairseq', out });
    for (const language of ['de', 'en']) {
      const name = `dict.${language}.txt`;
      expect(readFileSync(join(out, name))).toEqual(readFileSync(join(data, name)));
    }
    const back = join(place.path, 'back');
    const files = { checkpoint: join(out, 'checkpoint_best.pt'), dict: join(out, 'dict.de.txt') };
    expect(await importFairseq({ ...files, tokenizer: 'none', out: back })).toMatchObject({
      ...{ vocabSize: 16, sourceVocabSize: 40, targetDict: join(out, 'dict.en.txt') },
    });
    expect(await translated(back)).toEqual(await translated(run));
  });

  it('of the wrong size are refused, and one alone', async () => {
    const out = join(place.path, 'fairseq2');
    await exportModel({ run, format: 'fairseq', out });
    const files = { checkpoint: join(out, 'checkpoint_best.pt'), tokenizer: 'none' } as const;
    const copied = join(place.path, 'source.txt');
    await writeFile(copied, readFileSync(join(out, 'dict.de.txt')));
    const refused = (options: object) =>
      expect(importFairseq({ ...files, dict: copied, ...options, out: join(place.path, 'never') })).rejects;
    await refused({}).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/import\.targetDict: .*--target-dict.*do not share/),
    });
    // Of one size, so that only their names tell which is which.
    const swapped = join(place.path, 'swapped');
    await mkdir(swapped);
    const [de, en] = ['de', 'en'].map((language) => join(swapped, `dict.${language}.txt`)) as [
      string,
      string,
    ];
    await writeFile(de, readFileSync(join(out, 'dict.en.txt')));
    await writeFile(en, readFileSync(join(out, 'dict.de.txt')));
    await refused({ dict: en, targetDict: de }).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(
        /import\.dict: expected the dictionary of the other language .*from de to en/,
      ),
    });
    await refused({ targetDict: copied }).toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringMatching(/source\.txt: expected 16 types .*, got 40/),
    });
    expect(readdirSync(place.path)).not.toContain('never');
  });
});

it('with merges, a run of two dictionaries is what FSMT wants', async () => {
  const text = join(place.path, 'text');
  const prepared = join(place.path, 'merged');
  const result = await prepareCorpus({
    ...{ ...base, bpe: 20, train: join(text, 'train'), valid: join(text, 'valid'), out: prepared },
  });
  const directory = join(place.path, 'merged_run');
  const options = tinyOptions(prepared, directory);
  using trainer = await Trainer.create({
    ...{ ...options, maxUpdates: 2, validation: { ...options.validation, interval: 2 } },
    model: { ...options.model, shareEmbeddings: 'none' },
  });
  await fitAll(trainer);
  const out = join(place.path, 'huggingface');
  await exportModel({ run: directory, format: 'both', out }, { maxLenA: 0, maxLenB: 10 });
  const json = (name: string) => JSON.parse(readFileSync(join(out, name), 'utf8'));
  const sizes = { src_vocab_size: result.sourceVocabSize, tgt_vocab_size: result.vocabSize };
  expect(json('config.json')).toMatchObject({ ...sizes, tie_word_embeddings: false });
  expect(sizes.src_vocab_size).not.toBe(sizes.tgt_vocab_size);
  expect(Object.keys(json('vocab-src.json')).length).toBe(sizes.src_vocab_size);
  expect(Object.keys(json('vocab-tgt.json')).length).toBe(sizes.tgt_vocab_size);
  const { tensors } = await readSafetensors(join(out, 'model.safetensors'));
  const rows = (name: string) => tensors.get(`model.${name}.weight`)!.shape[0];
  expect(rows('encoder.embed_tokens')).toBe(sizes.src_vocab_size);
  expect(rows('decoder.embed_tokens')).toBe(sizes.tgt_vocab_size);
  expect(rows('decoder.output_projection')).toBe(sizes.tgt_vocab_size);
});

it('of a shared dictionary, the second one is refused', async () => {
  const text = join(place.path, 'text');
  const options = {
    ...base,
    train: join(text, 'train'),
    valid: join(text, 'valid'),
    out: join(place.path, 'no'),
  };
  const dictionary = join(data, 'dict.de.txt');
  for (const [wrong, message] of [
    [{ separateDictionaries: false, targetDictionary: dictionary }, /targetDictionary: has an effect only/],
    [
      { dictionary, targetDictionary: join(data, 'dict.en.txt'), threshold: 2 },
      /threshold: has no effect where prepare\.dictionary and prepare\.targetDictionary are given/,
    ],
  ] as const) {
    await expect(prepareCorpus({ ...options, ...wrong })).rejects.toMatchObject({
      ...{ code: 'INVALID_CONFIG', message: expect.stringMatching(message) },
    });
  }
});
