import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../lib/data/safetensors/safetensors.js';
import { importHuggingFace } from '../../lib/interchange/huggingface/import_huggingface.js';
import { readTaskTextConfig, TaskText } from '../../lib/text/tasks/task_text.js';
import { readRunConfig } from '../../lib/training/run/run_directory.js';
import { scratchDirectory } from '../support/scratch.js';

const models = join(import.meta.dirname, '../fixtures/huggingface/models');
const head = 'classification_heads.sentence_classification_head';

async function imported(name: string, options: { pairs?: boolean; ignore?: string[] } = {}) {
  const out = join(scratchDirectory(), 'run');
  const result = await importHuggingFace({ directory: join(models, name), out, ...options });
  const { tensors, metadata } = await readSafetensors(join(out, 'checkpoints/best/model.safetensors'));
  return { out, result, tensors, metadata };
}

/** A copy of a recorded directory, to be spoiled. */
function spoiled(name: string, spoil: (directory: string) => void): string {
  const directory = join(scratchDirectory(), 'model');
  cpSync(join(models, name), directory, { recursive: true });
  spoil(directory);
  return directory;
}

const withOption = (name: string, option: string, value: unknown) =>
  spoiled(name, (directory) => {
    const path = join(directory, 'config.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), [option]: value }));
  });

const withTensors = async (name: string, change: (tensors: Map<string, Tensor>) => void) => {
  const { tensors } = await readSafetensors(join(models, name, 'model.safetensors'));
  change(tensors);
  return spoiled(name, (directory) =>
    writeFileSync(join(directory, 'model.safetensors'), Buffer.concat(encodeSafetensors(tensors))),
  );
};

const refusal = (directory: string) => importHuggingFace({ directory, out: join(scratchDirectory(), 'run') });

describe('importHuggingFace', () => {
  it('makes a run of BERT with its head: options, labels, text, padding in its place', async () => {
    const { out, result, tensors } = await imported('bert_relu', { pairs: true });
    expect(result).toMatchObject({
      kind: 'bert',
      vocabSize: 29,
      head: 'classification',
      missing: [],
      leftOut: [],
    });
    expect(result.labels).toEqual(['zebra', 'apple', 'Äpfel']);
    expect(readFileSync(join(out, 'labels.txt'), 'utf8')).toBe('zebra\napple\nÄpfel\n');
    const config = await readRunConfig(out);
    expect(config).toMatchObject({ task: 'classification', precision: 'float64', data: out });
    expect(config.model).toMatchObject({
      ...{
        embedDim: 8,
        ffnDim: 12,
        heads: 2,
        encoderLayers: 2,
        norm: 'post',
        activation: 'relu',
        maxPositions: 11,
      },
      ...{ dropout: 0.2, attentionDropout: 0, activationDropout: 0, headDropout: 0.3, headInputDropout: 0 },
      ...{
        positions: 'learned',
        tokenTypes: 4,
        scaleEmbeddings: false,
        embeddingNorm: true,
        normEpsilon: 1e-3,
      },
      ...{ pooling: 'first', pooler: 'tanh', initialization: 'bert', bias: true },
    });
    const { decoderLayers: _d, shareEmbeddings: _e, ...network } = config.model;
    expect(JSON.parse(readFileSync(join(out, 'model.json'), 'utf8'))).toEqual({
      precision: 'float64',
      model: JSON.parse(JSON.stringify(network)),
    });
    expect(await readTaskTextConfig(out)).toMatchObject({
      task: 'classification',
      pieces: 'huggingface',
      pairs: true,
    });
    const text = await TaskText.load(out);
    expect(text.vocabSize).toBe(29);
    // [CLS] is 1 there, where padding is here.
    expect([...text.encode('a', 'b').tokens]).toEqual([5, 4, 2, 6, 2]);
    const { tensors: given } = await readSafetensors(join(models, 'bert_relu/model.safetensors'));
    const row = ({ data }: Tensor, at: number) => [...data.slice(at * 8, at * 8 + 8)];
    const [ours, theirs] = [
      tensors.get('encoder.embed_tokens.weight')!,
      given.get('bert.embeddings.word_embeddings.weight')!,
    ];
    expect(ours.shape).toEqual([29, 8]);
    for (let id = 0; id < 29; id++)
      expect(row(ours, id)).toEqual(row(theirs, id === 1 ? 5 : id === 5 ? 1 : id));
    const positions = tensors.get('encoder.embed_positions.weight')!;
    expect(positions.shape).toEqual([13, 8]);
    expect(positions.data.slice(0, 16).every((value) => value === 0)).toBe(true);
    expect(positions.data.slice(16)).toEqual(given.get('bert.embeddings.position_embeddings.weight')!.data);
    expect(result.parameters).toBe([...given.values()].reduce((sum, { data }) => sum + data.length, 0) + 16);
  });

  it('reads RoBERTa, whose positions begin behind the padding, and DistilBERT', async () => {
    const roberta = await imported('roberta');
    const { tensors: given } = await readSafetensors(join(models, 'roberta/model.safetensors'));
    expect(roberta.result).toMatchObject({ kind: 'roberta', head: 'classification', differences: [] });
    expect((await readRunConfig(roberta.out)).model).toMatchObject({
      ...{
        maxPositions: 11,
        tokenTypes: 1,
        normEpsilon: 1e-5,
        headInputDropout: 0.1,
        headDropout: 0.1,
        pooler: 'tanh',
      },
    });
    for (const [ours, theirs] of [
      ['encoder.embed_positions.weight', 'roberta.embeddings.position_embeddings.weight'],
      ['encoder.embed_tokens.weight', 'roberta.embeddings.word_embeddings.weight'],
      [`${head}.dense.bias`, 'classifier.dense.bias'],
      [`${head}.out_proj.weight`, 'classifier.out_proj.weight'],
    ] as const)
      expect(roberta.tensors.get(ours)).toEqual(given.get(theirs));
    const regression = await imported('roberta_types');
    expect(regression.result).toMatchObject({ head: 'regression', labels: [] });
    expect((await readRunConfig(regression.out)).task).toBe('regression');
    const distilbert = await imported('distilbert_sinusoidal');
    expect((await readRunConfig(distilbert.out)).model).toMatchObject({
      ...{
        tokenTypes: 0,
        normEpsilon: 1e-12,
        pooler: 'relu',
        headDropout: 0.2,
        attentionDropout: 0.2,
        activation: 'relu',
      },
    });
    expect(distilbert.result.differences).toEqual([expect.stringMatching(/sinusoidal positions.*freeze/)]);
    expect((await imported('distilbert')).result.differences).toEqual([
      expect.stringMatching(/DistilBERT drops it nowhere/),
    ]);
  });

  it('widens half precision and reads parts by their index', async () => {
    const { tensors } = await imported('bert_bfloat16');
    const { tensors: given } = await readSafetensors(join(models, 'bert_bfloat16/model.safetensors'));
    expect(tensors.get('encoder.layers.1.fc1.weight')!.data).toBeInstanceOf(Float32Array);
    expect(tensors.get('encoder.layers.1.fc1.weight')).toEqual(
      given.get('bert.encoder.layer.1.intermediate.dense.weight'),
    );
    expect((await imported('bert_sharded')).tensors).toEqual((await imported('bert_float32')).tensors);
  });

  it('reads an encoder without a head, names of before 2020, and leaves other heads out', async () => {
    const bare = await imported('bert_encoder');
    expect(bare.result).toMatchObject({
      ...{
        head: null,
        labels: [],
        leftOut: [],
        missing: [`${head}.out_proj.weight`, `${head}.out_proj.bias`],
      },
    });
    expect([...bare.tensors.keys()]).toContain(`${head}.dense.weight`);
    expect((await imported('bert_old_names')).tensors).toEqual(bare.tensors);
    const masked = await imported('bert_masked');
    expect(masked.result.head).toBeNull();
    expect(masked.result.missing.length).toBe(4);
    expect(masked.result.leftOut.sort()).toContain('cls.predictions.transform.dense.weight');
    expect([...masked.tensors.keys()].filter((name) => name.startsWith(head))).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['model_type', 'gpt2', /model_type: expected one of "bert", "roberta", "distilbert", got "gpt2"/],
    ['hidden_act', 'gelu_new', /hidden_act: expected gelu or gelu_python or relu, got "gelu_new"/],
    [
      'position_embedding_type',
      'relative_key',
      /position_embedding_type: expected "absolute", got "relative_key"/,
    ],
    ['is_decoder', true, /is_decoder: expected false, got true/],
    ['add_cross_attention', true, /add_cross_attention: expected false, got true/],
    ['pad_token_id', null, /pad_token_id: expected the id of the padding token, got null/],
    ['problem_type', 'multi_label_classification', /problem_type: expected "single_label_classification"/],
    ['pruned_heads', { 0: [1] }, /pruned_heads: expected \{\}/],
    ['embedding_size', 4, /embedding_size: expected no such option .*--ignore/],
    ['quantization_config', { bits: 4 }, /quantization_config/],
  ])('refuses the option %s = %j by its name', async (option, value, message) => {
    await expect(refusal(withOption('bert', option, value))).rejects.toMatchObject({
      code: 'NOT_EXPRESSIBLE',
      message: expect.stringMatching(message),
    });
  });

  it('takes an unknown option that is said to change nothing', async () => {
    const directory = withOption('bert', 'my_note', 'hello');
    const out = join(scratchDirectory(), 'run');
    expect((await importHuggingFace({ directory, out, ignore: ['my_note'] })).kind).toBe('bert');
  });

  it.each<[string, unknown, string, RegExp]>([
    ['hidden_size', '8', 'MALFORMED_FILE', /hidden_size: expected a number, got "8"/],
    ['id2label', { 0: 'a', 1: 'a' }, 'MALFORMED_FILE', /id2label: expected labels that differ/],
    ['id2label', { 0: 'a', 2: 'b' }, 'MALFORMED_FILE', /id2label: expected a label for each id from 0 to 1/],
    ['num_attention_heads', 3, 'INVALID_CONFIG', /heads: embedDim must be a multiple of heads/],
    ['type_vocab_size', 17, 'INVALID_CONFIG', /tokenTypes/],
    [
      'vocab_size',
      30,
      'CHECKPOINT_MISMATCH',
      /word_embeddings\.weight: expected the shape \[30,8\], got \[29,8\]/,
    ],
    ['vocab_size', 20, 'MALFORMED_FILE', /expected at most 20 ids/],
    [
      'max_position_embeddings',
      12,
      'CHECKPOINT_MISMATCH',
      /position_embeddings\.weight: expected the shape \[12,8\]/,
    ],
    [
      'num_hidden_layers',
      3,
      'CHECKPOINT_MISMATCH',
      /bert\.encoder\.layer\.2\.attention\.self\.query\.weight: is missing/,
    ],
    [
      'num_hidden_layers',
      1,
      'CHECKPOINT_MISMATCH',
      /bert\.encoder\.layer\.1\..*: the model has none of this name/,
    ],
  ])('says what is wrong with %s = %j', async (option, value, code, message) => {
    await expect(refusal(withOption('bert', option, value))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('names tensors that are missing or unknown, and files that are not there', async () => {
    const without = await withTensors('roberta', (tensors) => tensors.delete('classifier.out_proj.bias'));
    await expect(refusal(without)).rejects.toThrow(/classifier\.out_proj\.bias: is missing/);
    const more = await withTensors('bert', (tensors) =>
      tensors.set('bert.adapter.weight', { shape: [1], data: Float64Array.of(1) }),
    );
    await expect(refusal(more)).rejects.toThrow(/bert\.adapter\.weight: the model has none of this name/);
    const mixed = await withTensors('bert', (tensors) =>
      tensors.set('classifier.bias', { shape: [3], data: new Float32Array(3) }),
    );
    await expect(refusal(mixed)).rejects.toThrow(/expected parameters of one type, got F32 and F64/);
    const whole = await withTensors('bert', (tensors) =>
      tensors.set('classifier.bias', { shape: [3], data: new Int32Array(3) }),
    );
    await expect(refusal(whole)).rejects.toThrow(
      /classifier\.bias: expected floating-point numbers, got I32/,
    );
    for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) {
      const incomplete = spoiled('bert', (directory) => rmSync(join(directory, name)));
      await expect(refusal(incomplete), name).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    }
    const outside = spoiled('bert_sharded', (directory) => {
      const path = join(directory, 'model.safetensors.index.json');
      const index = JSON.parse(readFileSync(path, 'utf8'));
      index.weight_map['classifier.bias'] = '../other.safetensors';
      writeFileSync(path, JSON.stringify(index));
    });
    await expect(refusal(outside)).rejects.toThrow(/expected a file of this directory, got "\.\.\/other/);
  });
});
