// What transformers made of our exports, and what they refuse: recorded in test/fixtures/interchange by running them on the same bytes.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { readSafetensors, type Tensor } from '../../lib/data/safetensors/safetensors.js';
import { checkNetwork, exportModel } from '../../lib/interchange/export_model.js';
import { importFairseq } from '../../lib/interchange/fairseq/import_fairseq.js';
import { fsmtVocabulary } from '../../lib/interchange/huggingface/files.js';
import { untiedParameters } from '../../lib/model/parameter_names.js';
import { Transformer } from '../../lib/model/transformer.js';
import { type ModelOptions, modelSchema } from '../../lib/options/index.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { Bpe } from '../../lib/text/pieces/bpe.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { Translator } from '../../lib/translation/translator.js';
import { interchangePath, recordedJson, trainedSources } from '../support/fixtures/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';
import { exportedFork, fileHash, type Hypothesis, makeRun } from './exported_run.js';

interface HuggingFace {
  files: Record<string, string>;
  missing: string[];
  unexpected: string[];
  tied: boolean;
  generation: Hypothesis[];
  'lengthPenalty0.6': Hypothesis[];
  batch: number[][];
  batchText: string[];
  raw: string[];
  rawIds: number[][];
  texts: { text: string; ids: number[] }[];
  logits: number[];
}
let fork: Awaited<ReturnType<typeof exportedFork>>;
beforeAll(async () => {
  fork = await exportedFork();
});
afterAll(() => fork.remove());

describe('transformers', () => {
  const recorded = recordedJson<HuggingFace>('huggingface.json');

  it('loaded these files, byte for byte', async () => {
    expect(Object.keys(recorded.files).length).toBe(7);
    for (const [name, hash] of Object.entries(recorded.files))
      expect(await fileHash(join(fork.directory, name)), name).toBe(hash);
    expect(recorded.unexpected).toEqual([]);
    // Sines that the program computes itself.
    expect(recorded.missing).toEqual(
      ['decoder', 'encoder'].map((side) => `model.${side}.embed_positions.weight`),
    );
    expect(recorded.tied).toBe(true);
  });

  it('translated as the native model does, token for token', async () => {
    using translator = await Translator.load(fork.run, { threads: 1 });
    for (const [name, beam] of [
      ['generation', {}],
      ['lengthPenalty0.6', { lengthPenalty: 0.6 }],
    ] as const) {
      const translations = await translator.translate(recorded.raw, beam);
      expect(translations.length).toBe(40);
      translations.forEach(({ tokens, score }, i) => {
        expect([...tokens], `${name} ${i}`).toEqual(recorded[name][i]!.tokens);
        expect(score).toBeCloseTo(recorded[name][i]!.score, 4);
      });
    }
    const batch = await translator.translate(recorded.raw.slice(0, 8));
    expect(batch.map(({ tokens }) => [...tokens])).toEqual(recorded.batch);
    // What ends within a word has nothing to continue it: fairseq leaves the mark, transformers does not.
    expect(batch.map(({ text }) => text.replace(/@@$/, ''))).toEqual(recorded.batchText);
  });

  it('has the logits of the native model', async () => {
    using model = await Transformer.load(join(fork.run, 'checkpoints', 'best', 'model.safetensors'));
    const target = Int32Array.from(recorded.generation[1]!.tokens);
    const logits = await model.logits({ source: [trainedSources[1]!], target: [target] });
    expect(logits.length).toBe(recorded.logits.length);
    logits.forEach((value, i) => {
      expect(Math.abs(value - recorded.logits[i]!)).toBeLessThan(1e-5);
    });
  });

  it('read raw text as the run does', async () => {
    const pipeline = await TextPipeline.load(fork.run);
    expect(recorded.rawIds).toEqual(trainedSources.map((ids) => [...ids]));
    for (const { text, ids } of recorded.texts) expect([...pipeline.encode(text)], text).toEqual(ids);
  });

  it('a model of half precision whose source embedding is its own', async () => {
    const other = recordedJson<HuggingFace>('huggingface_newest.json');
    const from = join(scratchDirectory(), 'run');
    await importFairseq({
      checkpoint: interchangePath('newest.pt'),
      dict: interchangePath('dict.txt'),
      targetDict: interchangePath('dict.txt'),
      codes: interchangePath('codes'),
      lowercase: true,
      out: from,
    });
    const out = join(scratchDirectory(), 'out');
    await exportModel({ run: from, format: 'huggingface', out }, { maxLenB: 12 });
    for (const [name, hash] of Object.entries(other.files)) {
      expect(await fileHash(join(out, name)), name).toBe(hash);
    }
    expect(other.tied).toBe(false);
    using model = await Transformer.load(join(from, 'checkpoints', 'best', 'model.safetensors'));
    const target = Int32Array.from(other.generation[1]!.tokens);
    const logits = await model.logits({ source: [trainedSources[1]!], target: [target] });
    expect(logits.length).toBe(other.logits.length);
    logits.forEach((value, i) => {
      expect(Math.abs(value - other.logits[i]!)).toBeLessThan(1e-5);
    });
  });

  test('live', (context) => {
    const python = process.env['RDROP_PEER_PYTHON'];
    if (python === undefined) {
      return context.skip('RDROP_PEER_PYTHON names no Python with transformers, torch and sacremoses');
    }
    const where = join(scratchDirectory(), 'live.json');
    execFileSync(python, [interchangePath('record_huggingface.py'), fork.directory, where], {
      stdio: 'pipe',
    });
    const live = JSON.parse(readFileSync(where, 'utf8')) as HuggingFace;
    expect(live.files).toEqual(recorded.files);
    expect(live.generation.map(({ tokens }) => tokens)).toEqual(
      recorded.generation.map(({ tokens }) => tokens),
    );
    expect(live.rawIds).toEqual(recorded.rawIds);
  }, 600_000);
});

test.each(['all', 'decoder', 'none'] as const)(
  'FSMT has three matrices whatever is shared: %s',
  async (shareEmbeddings) => {
    const { run: from, model, tensors, out } = await makeRun({ shareEmbeddings, activation: 'gelu' });
    await exportModel({ run: from, format: 'huggingface', out });
    const written = await readSafetensors(join(out, 'model.safetensors'));
    expect(written.metadata).toEqual({ format: 'pt' });
    const expected = [...untiedParameters(tensors, model)].map(([name, tensor]): [string, Tensor] => [
      `model.${name}`,
      tensor,
    ]);
    expect(new Map([...written.tensors].sort())).toEqual(new Map(expected.sort()));
    const json = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    expect(json).toMatchObject({
      activation_function: 'gelu',
      tie_word_embeddings: shareEmbeddings === 'all',
      decoder_layers: 2,
      encoder_layers: 1,
      langs: ['de', 'en'],
    });
  },
);

describe('the search of a run', () => {
  it('becomes the one of transformers', async () => {
    const { run: from, out } = await makeRun({ maxPositions: 50 });
    const beam = { beam: 7, lengthPenalty: 0.6, maxLenB: 80, minLen: 3 };
    await exportModel({ run: from, format: 'huggingface', out }, beam);
    expect(JSON.parse(await readFile(join(out, 'generation_config.json'), 'utf8'))).toMatchObject({
      num_beams: 7,
      length_penalty: 0.6,
      early_stopping: true,
      // 49 tokens and eos, as many as there are positions, behind the start.
      max_length: 51,
      min_length: 4,
      suppress_tokens: [1],
    });
  });

  it('has no place in a checkpoint of fairseq', async () => {
    await expect(
      exportModel({ run: fork.run, format: 'fairseq', out: 'x' }, { beam: 3 }),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/beam\.beam/),
    });
  });
});

describe('what FSMT cannot express', () => {
  const both = (from: string, out: string, beam = {}) =>
    exportModel({ run: from, format: 'both', out }, beam);

  it.each<[string, Parameters<typeof makeRun>, object, RegExp]>([
    ['pre-norm', [{ norm: 'pre' }], {}, /model\.norm: expected "post".*, got "pre"/],
    ['words without BPE', [{}, { codes: undefined }], {}, /text\.bpe: .*, got 0/],
    ['a length that grows with the source', [{}], { maxLenA: 1.2 }, /beam\.maxLenA: expected 0.*, got 1\.2/],
  ])('%s', async (_, args, beam, message) => {
    const { run: from, out } = await makeRun(...args);
    await expect(both(from, out, beam)).rejects.toMatchObject({
      code: 'NOT_EXPRESSIBLE',
      message: expect.stringMatching(message),
    });
    await expect(readdir(out)).rejects.toThrow();
  });

  it.each<[string, Partial<ModelOptions>]>([
    ['positions', { positions: 'learned' }],
    ['scaleEmbeddings', { scaleEmbeddings: false }],
    ['embeddingNorm', { embeddingNorm: true }],
    ['normEpsilon', { normEpsilon: 1e-12 }],
    ['bias', { bias: false }],
  ])('model.%s of another kind, nor can the export for fairseq', (name, changes) => {
    const of = (options: Partial<ModelOptions>) => modelSchema.parse({ vocabSize: 40, ...options });
    expect(() => checkNetwork({ path: 'run', model: of({ initialization: 'bert' }) })).not.toThrow();
    expect(() => checkNetwork({ path: 'run', model: of(changes) })).toThrow(
      expect.objectContaining({
        code: 'NOT_EXPRESSIBLE',
        message: expect.stringContaining(`run: model.${name}: expected`),
      }),
    );
  });

  it('codes of version 0.1', async () => {
    const codes = join(scratchDirectory(), 'codes');
    await writeFile(codes, Bpe.parse('u n\n', 'codes').toString());
    const { run: from, out } = await makeRun({}, { codes });
    await expect(both(from, out)).rejects.toMatchObject({
      code: 'NOT_EXPRESSIBLE',
      message: expect.stringMatching(/codes: .*0\.1/),
    });
  });

  it('two types that it spells alike', () => {
    const dictionary = Dictionary.parse('a</w>@@ 3\nb@@ 2\nb 2\na 1\n', 'dict.txt');
    expect(() => fsmtVocabulary(dictionary, 'run')).toThrow(
      expect.objectContaining({
        code: 'NOT_EXPRESSIBLE',
        message:
          'run: dict.txt:4: expected types that differ in the spelling of FSMT, got "a" beside "a</w>@@"',
      }),
    );
  });

  it('the spelling itself, numbers in their place', () => {
    const dictionary = Dictionary.parse('7@@ 3\n7 2\n@@ 2\n"@@ 1\n', 'dict.txt');
    expect(fsmtVocabulary(dictionary, 'run')).toBe(
      '{\n  "<s>": 0,\n  "<pad>": 1,\n  "</s>": 2,\n  "<unk>": 3,\n  "7": 4,\n  "7</w>": 5,\n  "@@</w>": 6,\n  "\\"": 7\n}\n',
    );
  });

  it('is said where raw text is read otherwise', async () => {
    const { run: from, out } = await makeRun({}, { tokenizer: 'none' });
    expect((await both(from, out)).differences).toEqual([expect.stringMatching(/bypass_tokenizer=True/)]);
    const moses = await makeRun({}, { normalize: true });
    expect((await both(moses.run, moses.out)).differences).toEqual([expect.stringMatching(/hyphens/)]);
    const after = await makeRun({}, { normalize: true, lowercase: 'after' });
    expect((await both(after.run, after.out)).differences[0]).toMatch(/lower-cases before/);
    const tokenizer = await readFile(join(after.out, 'tokenizer_config.json'), 'utf8');
    expect(JSON.parse(tokenizer).do_lower_case).toBe(true);
  });
});

describe('what is not there', () => {
  it.each<[string, object, string, RegExp]>([
    ['a format', { format: 'onnx' }, 'INVALID_ARGUMENT', /export\.format/],
    ['a run', { run: 'none' }, 'FILE_NOT_FOUND', /none/],
    ['a checkpoint', { checkpoint: 'last' }, 'FILE_NOT_FOUND', /checkpoints.last: no such checkpoint/],
  ])('%s', async (_, options, code, message) => {
    const place = scratchDirectory();
    await expect(
      exportModel({ run: fork.run, format: 'both', out: join(place, 'out'), ...options }),
    ).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await readdir(place)).toEqual([]);
  });

  it('an abort leaves nothing behind', async () => {
    const where = scratchDirectory();
    const signal = AbortSignal.abort();
    const aborted = { code: 'ABORTED' };
    await expect(
      exportModel({ run: fork.run, format: 'both', out: join(where, 'out') }, {}, { signal }),
    ).rejects.toMatchObject(aborted);
    const files = { checkpoint: interchangePath('fork.pt'), dict: interchangePath('dict.txt') };
    await expect(importFairseq({ ...files, out: join(where, 'run') }, { signal })).rejects.toMatchObject(
      aborted,
    );
    expect(await readdir(where)).toEqual([]);
  });

  it('and what is there is not replaced', async () => {
    await expect(exportModel({ run: fork.run, format: 'both', out: fork.directory })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
    });
  });
});
