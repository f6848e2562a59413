// Checkpoints that fairseq saved, and the translations of the model they hold.
import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { readFairseqCheckpoint } from '../../lib/interchange/fairseq/checkpoint.js';
import { importFairseq } from '../../lib/interchange/fairseq/import_fairseq.js';
import { parameterShapes } from '../../lib/model/parameter_names.js';
import { Transformer } from '../../lib/model/transformer.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { fixture, fixturePath, floats } from '../support/fixtures/fairseq_fixtures.js';
import {
  importFork,
  interchangePath,
  recordedJson,
  trainedSources,
} from '../support/fixtures/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const recordedBeam = JSON.parse(readFileSync(fixturePath('trained_beam.json')!, 'utf8')).splits.valid.beam;

describe("dropreg/R-Drop's own checkpoint", () => {
  it('holds the parameters of the trained model, bit for bit', async () => {
    const { model, parameters, ...rest } = await readFairseqCheckpoint(interchangePath('fork.pt'));
    expect(rest).toEqual({ source: 'de', target: 'en', updates: 2500 });
    expect(model).toMatchObject({
      vocabSize: 40,
      embedDim: 32,
      ffnDim: 64,
      heads: 4,
      encoderLayers: 2,
      decoderLayers: 2,
      dropout: 0.3,
      norm: 'post',
      shareEmbeddings: 'all',
      maxPositions: 1024,
    });
    const trained = fixture('trained_weights')!;
    expect(parameters.size).toBe(parameterShapes(model).size);
    for (const [name, { data }] of parameters) expect(data, name).toEqual(floats(trained, name));
  });

  it('becomes a run that translates the 40 sentences token for token', async () => {
    const run = join(scratchDirectory(), 'run');
    expect(await importFork(run)).toEqual({
      directory: run,
      vocabSize: 40,
      parameters: 44_032,
      updates: 2500,
    });
    const { raw } = recordedJson<{ raw: string[] }>('huggingface.json');
    using translator = await Translator.load(run, { threads: 1 });
    for (const [name, beam] of [
      ['beam5_default_len', {}],
      ['beam5_valid_len', { maxLenA: 1.2, maxLenB: 10 }],
      ['beam1', { beam: 1 }],
      ['beam5_lenpen0.6', { lengthPenalty: 0.6 }],
    ] as const) {
      const translations = await translator.translate(raw, beam);
      expect(translations.length).toBe(40);
      for (const { id, hyps } of recordedBeam[name]) {
        expect([...translations[id]!.tokens], `${name} ${id}`).toEqual(hyps[0].tokens);
        expect(translations[id]!.score).toBeCloseTo(hyps[0].score, 4);
      }
    }
    // Upper case is the run's to lower, pieces are joined again.
    const [first] = await translator.translate([raw[4]!.toUpperCase()]);
    expect(first!.text).toBe((await translator.translate([raw[4]!]))[0]!.text);
    expect(first!.text).toContain('unw8');
  });

  it('cannot go on with training, and says so', async () => {
    const run = join(scratchDirectory(), 'run');
    await importFork(run);
    await expect(Trainer.resume(run)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

test.each([
  [
    "half precision with an optimizer's state",
    'newest',
    { shareEmbeddings: 'decoder', embedDim: 8, heads: 2 },
    1,
  ],
  [
    'pre-norm, gelu, options in a Namespace',
    'prenorm',
    { shareEmbeddings: 'none', norm: 'pre', activation: 'gelu' },
    null,
  ],
] as const)(
  "the newest fairseq's checkpoints: the logits of one of %s",
  async (_, name, expected, updates) => {
    const recorded = recordedJson<Record<'source' | 'target', number[][]> & { logits: number[] }>(
      `${name}.json`,
    );
    const checkpoint = await readFairseqCheckpoint(interchangePath(`${name}.pt`));
    expect(checkpoint.updates).toBe(updates);
    expect(checkpoint.model).toMatchObject(expected);
    const out = join(scratchDirectory(), 'run');
    await importFairseq({
      checkpoint: interchangePath(`${name}.pt`),
      dict: interchangePath('dict.txt'),
      targetDict: interchangePath('dict.txt'),
      out,
    });
    using model = await Transformer.load(join(out, 'checkpoints', 'best', 'model.safetensors'));
    const arrays = (lists: number[][]) => lists.map((list) => Int32Array.from(list));
    const logits = await model.logits({ source: arrays(recorded.source), target: arrays(recorded.target) });
    expect(logits.length).toBe(recorded.logits.length);
    logits.forEach((value, i) => {
      expect(Math.abs(value - recorded.logits[i]!)).toBeLessThan(1e-5);
    });
  },
);

describe('importFairseq', () => {
  const files = { checkpoint: interchangePath('fork.pt'), dict: interchangePath('dict.txt') };
  const write = async (name: string, text: string) => {
    const path = join(scratchDirectory(), name);
    await writeFile(path, text);
    return path;
  };
  const dictionary = readFileSync(interchangePath('dict.txt'), 'utf8');

  it.each<[string, () => Promise<object>, string, RegExp]>([
    [
      'a dictionary of another size',
      async () => ({ dict: await write('dict.de.txt', dictionary.split('\n').slice(1).join('\n')) }),
      'CHECKPOINT_MISMATCH',
      /dict\.de\.txt: expected 40 types .*, got 39/,
    ],
    [
      'a dictionary with a type twice',
      async () => ({ dict: await write('dict.de.txt', dictionary.replace('w2 ', 'w9 ')) }),
      'MALFORMED_FILE',
      /dict\.de\.txt:2: the type "w9" is there already, in line 1/,
    ],
    [
      'another dictionary for the target',
      async () => ({ targetDict: await write('dict.en.txt', dictionary.replace('w22 ', 'x ')) }),
      'CHECKPOINT_MISMATCH',
      /dict\.en\.txt:3: expected the dictionary of .* got "x" where it has "w22"/,
    ],
    [
      'a shorter dictionary for the target',
      async () => ({
        targetDict: await write('dict.en.txt', dictionary.split('\n').slice(0, 30).join('\n')),
      }),
      'CHECKPOINT_MISMATCH',
      /dict\.en\.txt: expected 40 types .*, got 34/,
    ],
    [
      'codes without a merge',
      async () => ({ codes: await write('codes', '#version: 0.2\n') }),
      'MALFORMED_FILE',
      /at least one merge/,
    ],
    ['an unknown option', async () => ({ bpe: 3 }), 'INVALID_CONFIG', /bpe/],
    ['one language', async () => ({ source: 'en' }), 'INVALID_CONFIG', /target: expected another language/],
    [
      'rules for an unknown language',
      async () => ({ source: 'fr' }),
      'INVALID_CONFIG',
      /source: tokenizer "moses" knows/,
    ],
    ['a missing checkpoint', async () => ({ checkpoint: 'none.pt' }), 'FILE_NOT_FOUND', /none\.pt/],
  ])('%s', async (_, options, code, message) => {
    const place = scratchDirectory();
    const out = join(place, 'run');
    await expect(importFairseq({ ...files, out, ...(await options()) })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await readdir(place)).toEqual([]);
  });

  it('replaces nothing', async () => {
    const place = scratchDirectory();
    await writeFile(join(place, 'something'), '');
    await expect(importFork(place)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' });
    expect(existsSync(join(place, 'something'))).toBe(true);
    const run = join(scratchDirectory(), 'run');
    await importFork(run);
    await expect(importFork(run)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' });
  });

  it('without codes words stay whole, with the same dictionary for both languages', async () => {
    const out = join(scratchDirectory(), 'run');
    await importFairseq({ ...files, targetDict: files.dict, tokenizer: 'none', source: 'xx', out });
    using translator = await Translator.load(out, { threads: 1 });
    const source = trainedSources[0]!;
    const [translation] = await translator.translate(['w7 w30']);
    expect([...source]).toEqual([19, 12, 2]);
    expect([...translation!.tokens]).toEqual(recordedBeam.beam5_default_len[0].hyps[0].tokens);
  });

  it('the checkpoint is a model of its own, too', async () => {
    const out = join(scratchDirectory(), 'run');
    await importFork(out);
    using model = await Transformer.load(join(out, 'checkpoints', 'best', 'model.safetensors'));
    expect(model.parameterCount).toBe(44_032);
  });
});
