// Checkpoints that fairseq saved: options, parameters, and the translations of the model they hold.
import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { native } from '../../lib/binding.js';
import { type ModelOptions, modelSchema } from '../../lib/config.js';
import type { Tensor } from '../../lib/data/safetensors.js';
import { readFairseqCheckpoint } from '../../lib/interchange/fairseq_checkpoint.js';
import { fairseqOptionsOf, modelOf } from '../../lib/interchange/fairseq_options.js';
import { importFairseq } from '../../lib/interchange/import_fairseq.js';
import { parameterShapes, untiedParameters } from '../../lib/interchange/parameter_names.js';
import {
  fieldsOf,
  PickleDict,
  PickleForeign,
  type PickleValue,
} from '../../lib/interchange/pickle_values.js';
import { OrderedPickleDict } from '../../lib/interchange/pickle_writer.js';
import { encodeTorchFile } from '../../lib/interchange/torch_writer.js';
import { Transformer } from '../../lib/model/transformer.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { fixture, fixturePath, floats } from '../support/fairseq_fixtures.js';
import {
  importFork,
  interchangePath,
  recordedJson,
  trainedSources,
} from '../support/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const recordedBeam = JSON.parse(readFileSync(fixturePath('trained_beam.json')!, 'utf8')).splits.valid.beam;
const languages = { source: 'de', target: 'en' };

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
    "half precision with an optimiser's state",
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

test.each<Partial<ModelOptions>>([
  { shareEmbeddings: 'all' },
  { shareEmbeddings: 'decoder', norm: 'pre' },
  { shareEmbeddings: 'none', norm: 'pre', decoderLayers: 1 },
])("the list of parameters is the native model's: %j", async (options) => {
  const config = modelSchema.parse({
    vocabSize: 9,
    embedDim: 8,
    ffnDim: 12,
    heads: 2,
    encoderLayers: 2,
    ...options,
  });
  const model = await native().Transformer.create(config, { seed: 1, device: 'cpu', precision: 'float32' });
  expect(new Map(model.parameterShapes)).toEqual(parameterShapes(config));
  model.dispose();
});

describe('options', () => {
  const base = modelSchema.parse({ vocabSize: 9, embedDim: 8, ffnDim: 12, heads: 2 });
  const options = (changes: Record<string, PickleValue> = {}) =>
    new Map([...fieldsOf(fairseqOptionsOf(base, languages))!, ...Object.entries(changes)]);

  it.each<Partial<ModelOptions>>([
    {},
    { norm: 'pre', activation: 'gelu', shareEmbeddings: 'none', maxPositions: 77 },
    {
      shareEmbeddings: 'decoder',
      dropout: 0.1,
      attentionDropout: 0.2,
      activationDropout: 0.25,
      decoderLayers: 3,
    },
  ])('of %j come back', (changes) => {
    const model = modelSchema.parse({ ...base, ...changes });
    expect(modelOf(fieldsOf(fairseqOptionsOf(model, languages))!, 9, 'x.pt')).toEqual(model);
  });

  it('older names and missing ones', () => {
    const old = options({ relu_dropout: 0.4, activation_dropout: 0, encoder_layerdrop: null });
    for (const name of ['max_target_positions', 'activation_fn', 'share_all_embeddings', 'decoder_embed_dim'])
      old.delete(name);
    expect(modelOf(old, 9, 'x.pt')).toMatchObject({
      activationDropout: 0.4,
      shareEmbeddings: 'decoder',
      activation: 'relu',
    });
  });

  it.each<[string, PickleValue, string]>([
    ['encoder_learned_pos', true, 'expected False, got True'],
    ['decoder_learned_pos', true, 'expected False, got True'],
    ['layernorm_embedding', true, 'expected False, got True'],
    ['cross_self_attention', true, 'expected False, got True'],
    ['no_cross_attention', true, 'expected False, got True'],
    ['adaptive_softmax_cutoff', '50000,200000', 'expected None, got "50000,200000"'],
    ['no_scale_embedding', true, 'expected False, got True'],
    ['no_token_positional_embeddings', true, 'expected False, got True'],
    ['quant_noise_pq', 0.1, 'expected 0, got 0.1'],
    ['encoder_layerdrop', 0.2, 'expected 0, got 0.2'],
    ['decoder_layers_to_keep', '0,2', 'expected None, got "0,2"'],
    ['base_layers', 1, 'expected 0, got 1'],
    ['activation_fn', 'gelu_accurate', 'expected "relu" or "gelu", got "gelu_accurate"'],
    ['decoder_embed_dim', 16, 'expected the value of encoder_embed_dim, 8, got 16'],
    ['decoder_ffn_embed_dim', 16, 'expected the value of encoder_ffn_embed_dim, 12, got 16'],
    ['decoder_attention_heads', 4, 'expected the value of encoder_attention_heads, 2, got 4'],
    ['decoder_normalize_before', true, 'expected the value of encoder_normalize_before, False, got True'],
    ['decoder_output_dim', 4, 'expected the value of encoder_embed_dim, 8, got 4'],
    ['arch', 'lstm', 'expected an encoder-decoder of the kind "transformer", got "lstm"'],
    [
      'arch',
      'transformer_lm_big',
      'expected an encoder-decoder of the kind "transformer", got "transformer_lm_big"',
    ],
  ])('%s of another value is refused by name', (name, value, message) => {
    expect(() => modelOf(options({ [name]: value }), 9, 'x.pt')).toThrow(
      expect.objectContaining({ code: 'NOT_EXPRESSIBLE', message: `x.pt: option ${name}: ${message}` }),
    );
  });

  it('one that is missing, and one out of range', () => {
    const without = options();
    without.delete('encoder_layers');
    expect(() => modelOf(without, 9, 'x.pt')).toThrow(
      /x\.pt: option encoder_layers: expected a number, got nothing/,
    );
    expect(() => modelOf(options({ encoder_layers: 0 }), 9, 'x.pt')).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(/encoderLayers/) }),
    );
  });
});

describe('parameters', () => {
  const base = modelSchema.parse({
    vocabSize: 6,
    embedDim: 4,
    ffnDim: 5,
    heads: 2,
    encoderLayers: 1,
    decoderLayers: 1,
  });
  const filled = (model = base) => {
    let next = 0;
    const tensors = new Map<string, Tensor>();
    for (const [name, shape] of parameterShapes(model)) {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next++ / 8);
      tensors.set(name, { shape, data });
    }
    return tensors;
  };
  async function save(tensors: Map<string, Tensor>, model = base, root: Record<string, PickleValue> = {}) {
    const path = join(scratchDirectory(), 'c.pt');
    const state = new OrderedPickleDict(
      [...tensors].map(([name, tensor]) => [name, new PickleForeign(tensor)]),
    );
    const content = { args: fairseqOptionsOf(model, languages), model: state, ...root };
    await writeFile(path, Buffer.concat([...encodeTorchFile(new PickleDict(Object.entries(content)), 'c')]));
    return path;
  }
  const one = (value: number): Tensor => ({ shape: [1], data: Float32Array.of(value) });

  it.each(['all', 'decoder', 'none'] as const)(
    'with every matrix under its own name, shared: %s',
    async (shareEmbeddings) => {
      const model = { ...base, shareEmbeddings };
      const tensors = untiedParameters(filled(model), model);
      // Copies: fairseq on a GPU saves what is shared as often as it has names.
      for (const [name, { shape, data }] of tensors)
        tensors.set(name, { shape, data: data.slice() as Float32Array });
      const read = await readFairseqCheckpoint(await save(tensors, model));
      expect(read.parameters).toEqual(filled(model));
    },
  );

  it('one matrix for q, k and v, numbered layer norms, embed_out: the names of old checkpoints', async () => {
    const model = { ...base, shareEmbeddings: 'none' as const };
    const tensors = new Map(filled(model));
    for (const layer of [
      'encoder.layers.0.self_attn',
      'decoder.layers.0.self_attn',
      'decoder.layers.0.encoder_attn',
    ]) {
      for (const part of ['weight', 'bias']) {
        const parts = ['q', 'k', 'v'].map((letter) => `${layer}.${letter}_proj.${part}`);
        const data = Float32Array.from(
          parts.flatMap((name) => [...(tensors.get(name)!.data as Float32Array)]),
        );
        for (const name of parts) tensors.delete(name);
        tensors.set(`${layer}.in_proj_${part}`, { shape: part === 'weight' ? [12, 4] : [12], data });
      }
    }
    const rename = (name: string, old: string) => {
      tensors.set(old, tensors.get(name)!);
      tensors.delete(name);
    };
    const norms = { encoder: ['self_attn', 'final'], decoder: ['self_attn', 'encoder_attn', 'final'] };
    for (const [side, list] of Object.entries(norms)) {
      for (const [i, norm] of list.entries()) {
        for (const part of ['weight', 'bias']) {
          rename(`${side}.layers.0.${norm}_layer_norm.${part}`, `${side}.layers.0.layer_norms.${i}.${part}`);
        }
      }
    }
    rename('decoder.output_projection.weight', 'decoder.embed_out');
    for (const side of ['encoder', 'decoder']) {
      tensors.set(`${side}.version`, one(1));
      tensors.set(`${side}.embed_positions._float_tensor`, one(0));
      tensors.set(`${side}.embed_positions.weights`, { shape: [3, 4], data: new Float32Array(12) });
    }
    expect((await readFairseqCheckpoint(await save(tensors, model))).parameters).toEqual(filled(model));
  });

  it('a pre-norm model from before the last layer norm is refused', async () => {
    const model = { ...base, norm: 'pre' as const };
    const tensors = filled(model).set('encoder.version', one(3)).set('decoder.version', one(3));
    expect((await readFairseqCheckpoint(await save(tensors, model))).model.norm).toBe('pre');
    await expect(
      readFairseqCheckpoint(await save(tensors.set('decoder.version', one(2)), model)),
    ).rejects.toMatchObject({
      code: 'NOT_EXPRESSIBLE',
      message: expect.stringMatching(/c\.pt: decoder\.version: expected at least 3/),
    });
  });

  const name = 'encoder.layers.0.fc1.bias';
  it.each<[string, (tensors: Map<string, Tensor>) => void, string, RegExp]>([
    [
      'one is missing',
      (t) => t.delete(name),
      'CHECKPOINT_MISMATCH',
      /parameter encoder\.layers\.0\.fc1\.bias: is missing/,
    ],
    [
      'one too many',
      (t) => t.set('encoder.layernorm_embedding.weight', one(1)),
      'CHECKPOINT_MISMATCH',
      /parameter encoder\.layernorm_embedding\.weight: the model .* has none of this name/,
    ],
    [
      'another shape',
      (t) => t.set(name, one(1)),
      'CHECKPOINT_MISMATCH',
      /fc1\.bias: expected the shape \[5\], got \[1\]/,
    ],
    [
      'whole numbers',
      (t) => t.set(name, { shape: [5], data: new BigInt64Array(5) }),
      'MALFORMED_FILE',
      /tensor encoder\.layers\.0\.fc1\.bias: expected floating-point numbers, got LongStorage/,
    ],
    [
      'a shared matrix that differs',
      (t) => t.set('decoder.output_projection.weight', { shape: [6, 4], data: new Float32Array(24) }),
      'CHECKPOINT_MISMATCH',
      /decoder\.output_projection\.weight: the options share it with encoder\.embed_tokens\.weight/,
    ],
    [
      'no embedding',
      (t) => t.delete('encoder.embed_tokens.weight'),
      'CHECKPOINT_MISMATCH',
      /embed_tokens\.weight: expected a matrix, got nothing/,
    ],
  ])('%s', async (_, change, code, message) => {
    const tensors = filled();
    change(tensors);
    await expect(readFairseqCheckpoint(await save(tensors))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it.each<[string, Record<string, PickleValue>, RegExp]>([
    ['no options', { args: null }, /expected the options of a model in args or cfg\.model, got None/],
    ['no model', { model: null }, /expected a mapping of parameters under "model", got None/],
    [
      'a parameter that is none',
      { model: new PickleDict([['a', 1]]) },
      /model\["a"\]: expected a tensor, got 1/,
    ],
  ])('%s', async (_, root, message) => {
    await expect(readFairseqCheckpoint(await save(filled(), base, root))).rejects.toMatchObject({
      code: 'MALFORMED_FILE',
      message: expect.stringMatching(message),
    });
  });

  it('the sections of a configuration of fairseq 1.0', async () => {
    const flat = fieldsOf(fairseqOptionsOf(base, languages))!;
    const model = new PickleDict([['_name', 'transformer']]);
    const sides = { encoder: new PickleDict(), decoder: new PickleDict() };
    for (const [key, value] of flat) {
      const side = /^(encoder|decoder)_(.*)$/.exec(key);
      if (side !== null) sides[side[1] as 'encoder'].set(side[2]!, value);
      else if (!['arch', 'task', 'source_lang', 'target_lang'].includes(key)) model.set(key, value);
    }
    for (const [side, options] of Object.entries(sides)) model.set(side, options);
    const task = new PickleDict([
      ['_name', 'translation'],
      ['source_lang', 'de'],
      ['target_lang', 'en'],
    ]);
    const cfg = new PickleDict([
      ['model', model],
      ['task', task],
    ]);
    const read = await readFairseqCheckpoint(await save(filled(), base, { args: null, cfg }));
    expect(read).toMatchObject({ model: base, source: 'de', target: 'en', updates: null });
  });
});

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
      'NOT_EXPRESSIBLE',
      /dict\.en\.txt:3: expected the dictionary of .* got "x" where it has "w22"/,
    ],
    [
      'a shorter dictionary for the target',
      async () => ({
        targetDict: await write('dict.en.txt', dictionary.split('\n').slice(0, 30).join('\n')),
      }),
      'NOT_EXPRESSIBLE',
      /dict\.en\.txt:31: /,
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
