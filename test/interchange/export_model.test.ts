// What other programs made of our exports: recorded in test/fixtures/interchange by running them on the same bytes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { type ModelConfig, type ModelOptions, modelSchema } from '../../lib/config.js';
import { readSafetensors, type Tensor } from '../../lib/data/safetensors.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { readFairseqCheckpoint } from '../../lib/interchange/fairseq_checkpoint.js';
import { fairseqOptionsOf } from '../../lib/interchange/fairseq_options.js';
import { fsmtVocabulary } from '../../lib/interchange/huggingface_files.js';
import { importFairseq } from '../../lib/interchange/import_fairseq.js';
import { parameterShapes, untiedParameters } from '../../lib/interchange/parameter_names.js';
import { PickleDict, PickleForeign } from '../../lib/interchange/pickle_values.js';
import { encodeTorchFile } from '../../lib/interchange/torch_writer.js';
import { Transformer } from '../../lib/model/transformer.js';
import { Bpe } from '../../lib/text/bpe.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { Translator } from '../../lib/translation/translator.js';
import {
  importFork,
  interchangePath,
  recordedJson,
  trainedSources,
} from '../support/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';
import { workplace } from '../training/tiny_run.js';

interface Hypothesis {
  tokens: number[];
  score: number;
}
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
interface Fairseq {
  files: Record<string, string>;
  missing: string[];
  unexpected: string[];
  updates: number;
  translations: Hypothesis[];
  losses: number[];
  ctranslate2?: {
    converted: Record<string, number>;
    config: Record<string, unknown>;
    vocabularies: Record<'source' | 'target', string[]>;
    variables: Record<string, { shape: number[]; sha256: string }>;
  };
}

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const recordedFairseq = ['fork', 'newest'].map((name) => recordedJson<Fairseq>(`fairseq_${name}.json`));

let place: Awaited<ReturnType<typeof workplace>>;
let run: string;
let directory: string;
let parameters: Map<string, Tensor>;
let config: ModelConfig;
beforeAll(async () => {
  place = await workplace();
  run = join(place.path, 'run');
  directory = join(place.path, 'model');
  await importFork(run);
  await exportModel({ run, format: 'both', out: directory });
  ({ parameters, model: config } = await readFairseqCheckpoint(interchangePath('fork.pt')));
});
afterAll(() => place.remove());

const fileHash = async (name: string) => sha256(await readFile(join(directory, name)));

describe('transformers', () => {
  const recorded = recordedJson<HuggingFace>('huggingface.json');

  it('loaded these files, byte for byte', async () => {
    expect(Object.keys(recorded.files).length).toBe(7);
    for (const [name, hash] of Object.entries(recorded.files)) expect(await fileHash(name), name).toBe(hash);
    expect(recorded.unexpected).toEqual([]);
    // Sines that the program computes itself.
    expect(recorded.missing).toEqual(
      ['decoder', 'encoder'].map((side) => `model.${side}.embed_positions.weight`),
    );
    expect(recorded.tied).toBe(true);
  });

  it('translated as the native model does, token for token', async () => {
    using translator = await Translator.load(run, { threads: 1 });
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
    using model = await Transformer.load(join(run, 'checkpoints', 'best', 'model.safetensors'));
    const target = Int32Array.from(recorded.generation[1]!.tokens);
    const logits = await model.logits({ source: [trainedSources[1]!], target: [target] });
    expect(logits.length).toBe(recorded.logits.length);
    logits.forEach((value, i) => {
      expect(Math.abs(value - recorded.logits[i]!)).toBeLessThan(1e-5);
    });
  });

  it('read raw text as the run does', async () => {
    const pipeline = await TextPipeline.load(run);
    expect(recorded.rawIds).toEqual(trainedSources.map((ids) => [...ids]));
    for (const { text, ids } of recorded.texts) expect([...pipeline.encode(text)], text).toEqual(ids);
  });

  it('a model of half precision whose source embedding is its own', async () => {
    const other = recordedJson<HuggingFace>('huggingface_newest.json');
    const from = join(scratchDirectory(), 'run');
    await importFairseq({
      checkpoint: interchangePath('newest.pt'),
      dict: interchangePath('dict.txt'),
      codes: interchangePath('codes'),
      lowercase: true,
      out: from,
    });
    const out = join(scratchDirectory(), 'out');
    await exportModel({ run: from, format: 'huggingface', out }, { maxLenB: 12 });
    for (const [name, hash] of Object.entries(other.files)) {
      expect(sha256(await readFile(join(out, name))), name).toBe(hash);
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
    execFileSync(python, [interchangePath('record_huggingface.py'), directory, where], { stdio: 'pipe' });
    const live = JSON.parse(readFileSync(where, 'utf8')) as HuggingFace;
    expect(live.files).toEqual(recorded.files);
    expect(live.generation.map(({ tokens }) => tokens)).toEqual(
      recorded.generation.map(({ tokens }) => tokens),
    );
    expect(live.rawIds).toEqual(recorded.rawIds);
  }, 600_000);
});

describe("fairseq and CTranslate2's converter", () => {
  it.each([0, 1])('loaded these files, byte for byte (%i)', async (i) => {
    const { files, missing, unexpected, updates } = recordedFairseq[i]!;
    expect(Object.keys(files)).toEqual(['checkpoint_best.pt', 'code', 'dict.de.txt', 'dict.en.txt']);
    for (const [name, hash] of Object.entries(files)) expect(await fileHash(name), name).toBe(hash);
    expect({ missing, unexpected, updates }).toEqual({ missing: [], unexpected: [], updates: 2500 });
  });

  it('fairseq translated as the native model does, and went on from the same loss', async () => {
    using model = await Transformer.load(join(run, 'checkpoints', 'best', 'model.safetensors'));
    const translations = (await model.translate(trainedSources)).map(([best]) => best!);
    const target = Int32Array.from(
      JSON.parse(readFileSync(new URL('../fixtures/fairseq/trained_beam.json', import.meta.url), 'utf8'))
        .splits.valid.target[1],
    );
    const { crossEntropy, nll } = await model.evaluate(
      { source: [trainedSources[1]!], target: [target] },
      { direction: 'uni', alpha: 0, labelSmoothing: 0.1 },
    );
    // This criterion spreads ε over the other classes, dropreg's and ours over all of them.
    const all = ((crossEntropy - 0.9 * nll) * 40) / 0.1;
    const loss = (0.9 - 0.1 / 39) * nll + (0.1 / 39) * all;
    for (const recorded of recordedFairseq) {
      translations.forEach(({ tokens, score }, i) => {
        expect([...tokens]).toEqual(recorded.translations[i]!.tokens);
        expect(score).toBeCloseTo(recorded.translations[i]!.score, 4);
      });
      expect(loss / recorded.losses[0]!).toBeCloseTo(1, 5);
      expect(recorded.losses[2]!).toBeLessThan(recorded.losses[0]!);
    }
  });

  it('CTranslate2 made the network of our parameters', async () => {
    const { converted, config: options, vocabularies, variables } = recordedFairseq[1]!.ctranslate2!;
    expect(Object.keys(converted)).toEqual(['config.json', 'model.bin', 'shared_vocabulary.json']);
    expect(options).toMatchObject({
      decoder_start_token: '</s>',
      add_source_eos: true,
      add_source_bos: false,
    });
    const dictionary = await Dictionary.read(join(run, 'dict.txt'));
    const symbols = dictionary.symbols.map((symbol) => (symbol === '<pad>' ? '<blank>' : symbol));
    expect(vocabularies).toEqual({ source: symbols, target: symbols });
    const data = (...names: string[]) =>
      Buffer.concat(
        names.map((name) => {
          const { buffer, byteOffset, byteLength } = parameters.get(name)!.data;
          return Buffer.from(buffer, byteOffset, byteLength);
        }),
      );
    const checked = new Set<string>();
    const same = (variable: string, ...names: string[]) => {
      checked.add(variable);
      expect(variables[variable]?.sha256, variable).toBe(sha256(data(...names)));
    };
    const embedding = 'encoder.embed_tokens.weight';
    same('encoder/embeddings_0/weight', embedding);
    same('decoder/embeddings/weight', embedding);
    const norm = (to: string, from: string) => {
      same(`${to}/gamma`, `${from}.weight`);
      same(`${to}/beta`, `${from}.bias`);
    };
    const linear = (to: string, ...from: string[]) => {
      for (const part of ['weight', 'bias']) same(`${to}/${part}`, ...from.map((name) => `${name}.${part}`));
    };
    for (const side of ['encoder', 'decoder']) {
      for (let i = 0; i < 2; i++) {
        const [to, from] = [`${side}/layer_${i}`, `${side}.layers.${i}`];
        const projections = (name: string, letters: string) =>
          [...letters].map((letter) => `${from}.${name}.${letter}_proj`);
        linear(`${to}/self_attention/linear_0`, ...projections('self_attn', 'qkv'));
        linear(`${to}/self_attention/linear_1`, `${from}.self_attn.out_proj`);
        norm(`${to}/self_attention/layer_norm`, `${from}.self_attn_layer_norm`);
        linear(`${to}/ffn/linear_0`, `${from}.fc1`);
        linear(`${to}/ffn/linear_1`, `${from}.fc2`);
        norm(`${to}/ffn/layer_norm`, `${from}.final_layer_norm`);
        if (side === 'encoder') continue;
        linear(`${to}/attention/linear_0`, ...projections('encoder_attn', 'q'));
        linear(`${to}/attention/linear_1`, ...projections('encoder_attn', 'kv'));
        linear(`${to}/attention/linear_2`, `${from}.encoder_attn.out_proj`);
        norm(`${to}/attention/layer_norm`, `${from}.encoder_attn_layer_norm`);
      }
      const number = (value: number, type: 'i8' | 'i16' | 'f32') => {
        const bytes = Buffer.alloc({ i8: 1, i16: 2, f32: 4 }[type]);
        if (type === 'i8') bytes.writeInt8(value);
        else if (type === 'i16') bytes.writeInt16LE(value);
        else bytes.writeFloatLE(value);
        return sha256(bytes);
      };
      expect(variables[`${side}/num_heads`]!.sha256).toBe(number(4, 'i16'));
      expect(variables[`${side}/pre_norm`]!.sha256).toBe(number(0, 'i8'));
      expect(variables[`${side}/activation`]!.sha256).toBe(number(0, 'i8'));
      expect(variables[`${side}/scale_embeddings`]!.sha256).toBe(number(Math.sqrt(32), 'f32'));
    }
    const weights = Object.keys(variables).filter((name) => /(weight|bias|gamma|beta)$/.test(name));
    expect(weights.filter((name) => !checked.has(name))).toEqual(
      weights.includes('decoder/projection/weight') ? ['decoder/projection/weight'] : [],
    );
  });
});

/** A run with parameters out of a formula, by way of a checkpoint. */
async function makeRun(
  options: Partial<ModelOptions>,
  text: Partial<Parameters<typeof importFairseq>[0]> = {},
) {
  const model = modelSchema.parse({
    ...{ vocabSize: 40, embedDim: 8, ffnDim: 12, heads: 2, encoderLayers: 1, decoderLayers: 2 },
    ...options,
  });
  const tensors = new Map<string, Tensor>();
  let next = 0;
  for (const [name, shape] of parameterShapes(model)) {
    const size = shape.reduce((a, b) => a * b, 1);
    tensors.set(name, { shape, data: Float32Array.from({ length: size }, () => Math.sin(next++)) });
  }
  const root = new PickleDict([
    ['args', fairseqOptionsOf(model, { source: 'de', target: 'en' })],
    [
      'model',
      new PickleDict([
        ...[...tensors].map(([name, tensor]): [string, PickleForeign] => [name, new PickleForeign(tensor)]),
        ...['encoder', 'decoder'].map((side): [string, PickleForeign] => [
          `${side}.version`,
          new PickleForeign({ shape: [1], data: Float32Array.of(3) }),
        ]),
      ]),
    ],
  ]);
  const where = scratchDirectory();
  await writeFile(join(where, 'c.pt'), Buffer.concat([...encodeTorchFile(root, 'c')]));
  const out = join(where, 'run');
  const files = { dict: interchangePath('dict.txt'), codes: interchangePath('codes') };
  await importFairseq({ checkpoint: join(where, 'c.pt'), ...files, out, ...text });
  return { run: out, model, tensors, out: join(where, 'out') };
}

test.each<Partial<ModelOptions>>([
  { shareEmbeddings: 'all', norm: 'pre' },
  { shareEmbeddings: 'decoder', activation: 'gelu' },
  { shareEmbeddings: 'none', norm: 'pre', dropout: 0.2, maxPositions: 99 },
])('a run through fairseq and back: %j', async (options) => {
  const { run: from, model, tensors, out } = await makeRun(options);
  const { files, differences } = await exportModel({ run: from, format: 'fairseq', out });
  expect(files).toEqual(['checkpoint_best.pt', 'code', 'dict.de.txt', 'dict.en.txt']);
  expect(differences).toEqual([]);
  expect((await readdir(out)).sort()).toEqual(files);
  const back = await readFairseqCheckpoint(join(out, 'checkpoint_best.pt'));
  expect(back).toEqual({ model, parameters: tensors, source: 'de', target: 'en', updates: 0 });
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
    await expect(exportModel({ run, format: 'fairseq', out: 'x' }, { beam: 3 })).rejects.toMatchObject({
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
      exportModel({ run, format: 'both', out: join(place, 'out'), ...options }),
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
      exportModel({ run, format: 'both', out: join(where, 'out') }, {}, { signal }),
    ).rejects.toMatchObject(aborted);
    const files = { checkpoint: interchangePath('fork.pt'), dict: interchangePath('dict.txt') };
    await expect(importFairseq({ ...files, out: join(where, 'run') }, { signal })).rejects.toMatchObject(
      aborted,
    );
    expect(await readdir(where)).toEqual([]);
  });

  it('and what is there is not replaced', async () => {
    await expect(exportModel({ run, format: 'both', out: directory })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
    });
    expect(config.vocabSize).toBe(40);
  });
});
