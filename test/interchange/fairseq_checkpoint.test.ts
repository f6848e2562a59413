// The parameters that a checkpoint of fairseq holds, under the names of each of its versions.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { Tensor } from '../../lib/data/safetensors/safetensors.js';
import { readFairseqCheckpoint } from '../../lib/interchange/fairseq/checkpoint.js';
import { fairseqOptionsOf } from '../../lib/interchange/fairseq/options.js';
import {
  fieldsOf,
  PickleDict,
  PickleForeign,
  type PickleValue,
} from '../../lib/interchange/torch_file/pickle_values.js';
import { OrderedPickleDict } from '../../lib/interchange/torch_file/pickle_writer.js';
import { encodeTorchFile } from '../../lib/interchange/torch_file/writer.js';
import { parameterShapes, untiedParameters } from '../../lib/model/parameter_names.js';
import { native } from '../../lib/native/binding.js';
import { type ModelOptions, modelSchema } from '../../lib/options/index.js';
import { collected } from '../support/fixtures/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const languages = { source: 'de', target: 'en' };

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
    await writeFile(path, await collected(encodeTorchFile(new PickleDict(Object.entries(content)), 'c')));
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
