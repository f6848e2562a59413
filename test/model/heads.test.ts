// Encoders with a head, and decoders alone, through the public Transformer: batches, files, and what is refused.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Batch } from '../../lib/model/pack.js';
import { Transformer } from '../../lib/model/transformer.js';
import type { ModelOptions } from '../../lib/options/model.js';

const directory = mkdtempSync(join(tmpdir(), 'rdrop-heads-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const sizes = { vocabSize: 20, embedDim: 8, ffnDim: 16, heads: 2, encoderLayers: 1, decoderLayers: 1 };
const classifier: ModelOptions = {
  ...sizes,
  ...{ architecture: 'encoder', outputs: 3, positions: 'learned', maxPositions: 10, tokenTypes: 2 },
};
const regression: ModelOptions = { ...sizes, architecture: 'encoder', output: 'value', outputs: 1 };
const languageModel: ModelOptions = { ...sizes, architecture: 'decoder', bias: false, norm: 'pre' };
const source = [Int32Array.of(0, 7, 2), Int32Array.of(0, 9, 4, 2)];
const classes: Batch = { source, target: [Int32Array.of(2), Int32Array.of(0)] };
const double = { precision: 'float64' } as const;

const batches: [name: string, config: ModelOptions, batch: Batch, rows: number, columns: number][] = [
  ['a classifier', classifier, classes, 2, 3],
  ['a regression', regression, { source, target: [], values: [0.5, -2] }, 2, 1],
  ['a language model', languageModel, { source, target: source }, 7, 20],
];

describe.each(batches)('%s', (name, config, batch, rows, columns) => {
  test('gives logits, states, losses and gradients, and is the same from its file', async () => {
    const path = join(directory, `${name}.safetensors`);
    await using model = await Transformer.create(config, double);
    const logits = await model.logits(batch);
    expect(logits.length).toBe(rows * columns);
    expect((await model.hidden(batch)).length).toBe(7 * 8);
    const options = { direction: 'bi', alpha: 1, ignoreIndex: -100 } as const;
    const { loss, tokens, gradients } = await model.lossAndGradients(batch, options, { training: true });
    expect(loss).toBeGreaterThan(0);
    expect(tokens).toBe(rows);
    const parameters = await model.parameters();
    expect([...gradients.keys()].sort()).toEqual([...parameters.keys()].sort());
    const count = [...parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(model.parameterCount).toBe(count);
    await model.save(path);
    await using loaded = await Transformer.load(path, undefined, double);
    expect(loaded.config).toEqual(model.config);
    expect(await loaded.logits(batch)).toEqual(logits);
  });

  test('is not for translation', async () => {
    await using model = await Transformer.create(config);
    await expect(model.translate(source)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(`"${config.architecture}"`),
    });
  });
});

test('types of tokens make a difference, and are 0 where they are left out', async () => {
  await using model = await Transformer.create(classifier, double);
  const typed = (first: number) => source.map(({ length }) => new Int32Array(length).fill(0).fill(first, 1));
  const plain = await model.logits(classes);
  expect(await model.logits({ ...classes, tokenTypes: typed(0) })).toEqual(plain);
  expect(await model.logits({ ...classes, tokenTypes: typed(1) })).not.toEqual(plain);
});

test('the file of a translation model says nothing of later options', async () => {
  const path = join(directory, 'translation.safetensors');
  await using model = await Transformer.create(sizes);
  await model.save(path);
  const bytes = readFileSync(path);
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0))));
  expect(Object.keys(JSON.parse(header.__metadata__.rdrop)).sort()).toEqual(
    [
      ...Object.keys(sizes),
      ...[
        'dropout',
        'attentionDropout',
        'activationDropout',
        'norm',
        'activation',
        'shareEmbeddings',
        'maxPositions',
      ],
    ].sort(),
  );
});

describe('refused in words:', () => {
  test.each<[string, Partial<ModelOptions>, string]>([
    ['an encoder without outputs', { architecture: 'encoder' }, 'outputs'],
    ['outputs of a decoder', { architecture: 'decoder', outputs: 3 }, 'outputs'],
    ['several values', { architecture: 'encoder', output: 'value', outputs: 2 }, 'outputs'],
    ['a kind of output without a head', { output: 'classes' }, 'output'],
    ['token types of a decoder', { architecture: 'decoder', tokenTypes: 2 }, 'tokenTypes'],
    [
      'dropout before a layer that is not there',
      { pooler: 'none', headInputDropout: 0.1 },
      'headInputDropout',
    ],
    ['two dictionaries of one stack', { architecture: 'decoder', sourceVocabSize: 30 }, 'shareEmbeddings'],
    ['an epsilon of 0', { normEpsilon: 0 }, 'normEpsilon'],
  ])('%s', async (_, changes, option) => {
    await expect(Transformer.create({ ...sizes, ...changes })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(`model.${option}`),
    });
  });

  test.each<[string, Partial<Batch>, RegExp]>([
    ['values beside classes', { values: [1, 2] }, /no targets beside values/],
    ['too few values', { target: [], values: [1] }, /as many sources as values.*2 and 1/],
    [
      'a value that is not a number',
      { target: [], values: [1, Number.NaN] },
      /value 1: expected a finite number/,
    ],
    ['values of a classifier', { target: [], values: [1, 2] }, /expected classes, got values/],
    [
      'types of other lengths',
      { tokenTypes: [Int32Array.of(0), Int32Array.of(0)] },
      /as each source has tokens/,
    ],
    ['an unknown class', { target: [Int32Array.of(3), Int32Array.of(0)] }, /from 0 to 2, got 3/],
  ])('%s', async (_, changes, message) => {
    await using model = await Transformer.create(classifier);
    await expect(model.logits({ ...classes, ...changes })).rejects.toThrow(message);
  });
});
