// Networks of an encoder, a decoder or both, with every option of theirs: against numbers that PyTorch computed
// (test/fixtures/compositions/record.py), and against central differences under dropout.
import { beforeAll, describe, expect, test } from 'vitest';
import { parameterShapes } from '../../lib/model/parameter_names.js';
import { native } from '../../lib/native/binding.js';
import type { NativeLossOptions, NativeModelConfig, PackedBatch } from '../../lib/native/contract.js';
import { modelSchema } from '../../lib/options/model.js';
import {
  batchOf,
  formulaOf,
  lossOf,
  networkNamed,
  networks,
  ragged,
  withDropouts,
} from '../support/compositions.js';
import { relativeError } from '../support/fixtures/fairseq_fixtures.js';

// These models are too small to share.
beforeAll(() => native().setThreads(1));

const create = (config: NativeModelConfig, precision: 'float32' | 'float64' | 'bfloat16' = 'float64') =>
  native().Transformer.create(config, { seed: 7, device: 'cpu', precision });

describe.each(networks)('%s, as PyTorch computes it in float64', (_, truth) => {
  const batch = batchOf(truth.batch);
  const options = lossOf(truth.options);

  test('has the same parameters, outputs, loss and gradients', async () => {
    const model = await create(truth.config);
    const shapes = parameterShapes(modelSchema.parse(truth.config));
    expect(new Map(model.parameterShapes)).toEqual(
      new Map([...shapes].map(([name, shape]) => [name, [...shape]])),
    );
    expect([...shapes.keys()].sort()).toEqual(Object.keys(truth.gradients).sort());
    await model.setParameters(formulaOf(model));
    expect(relativeError(await model.logits(batch), truth.logits)).toBeLessThan(1e-11);
    expect(relativeError(await model.hidden(batch), truth.hidden)).toBeLessThan(1e-11);
    const found = await model.lossAndGradients(batch, options, {
      secondSource: ragged(truth.batch.second),
      ...{ training: false, update: 0 },
    });
    expect(Math.abs(found.loss / truth.loss - 1)).toBeLessThan(1e-11);
    expect(Math.abs(found.kl - truth.kl)).toBeLessThan(1e-11);
    const largest = Math.max(...Object.values(truth.gradients).flat().map(Math.abs));
    for (const [name, expected] of Object.entries(truth.gradients)) {
      const gradient = found.gradients.get(name)!;
      expect(gradient.length, name).toBe(expected.length);
      const worst = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - gradient[i]!)), 0);
      expect(worst / largest, name).toBeLessThan(1e-11);
    }
    model.dispose();
  });

  test.each([
    ['float32', 2e-5],
    ['bfloat16', 5e-2],
  ] as const)('in %s within its rounding', async (precision, tolerance) => {
    const model = await create(truth.config, precision);
    await model.setParameters(
      new Map([...formulaOf(model)].map(([name, values]) => [name, Float32Array.from(values)])),
    );
    const found = await model.lossAndGradients(batch, options, {
      secondSource: ragged(truth.batch.second),
      ...{ training: false, update: 0 },
    });
    expect(Math.abs(found.loss / truth.loss - 1)).toBeLessThan(tolerance);
    expect(relativeError(await model.hidden(batch), truth.hidden)).toBeLessThan(tolerance);
    model.dispose();
  });

  test("has a validation loss of one pass, which is its logits'", async () => {
    const model = await create(truth.config);
    await model.setParameters(formulaOf(model));
    const { loss, kl, tokens } = await model.evaluate(batch, { ...options, labelSmoothing: 0 });
    const { target, values } = truth.batch;
    let expected = 0;
    let counted = 0;
    const labels = values ?? target.flat();
    const classes = truth.logits.length / labels.length;
    labels.forEach((label, i) => {
      if (label === options.ignoreIndex) return;
      counted++;
      const row = truth.logits.slice(i * classes, (i + 1) * classes);
      if (values !== undefined) expected += (row[0]! - label) ** 2;
      else expected += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label]!;
    });
    expect(Math.abs(loss / expected - 1)).toBeLessThan(1e-11);
    expect([kl, tokens]).toEqual([0, counted]);
    model.dispose();
  });
});

/** Central differences at a few numbers of each parameter. */
async function differences(
  config: NativeModelConfig,
  batch: PackedBatch,
  options: NativeLossOptions,
): Promise<void> {
  const model = await create(config);
  const parameters = formulaOf(model);
  await model.setParameters(parameters);
  const training = { secondSource: null, training: true, update: 3 } as const;
  const { gradients } = await model.lossAndGradients(batch, options, training);
  const step = 1e-5;
  for (const [name, values] of parameters) {
    const gradient = gradients.get(name)!;
    // The first tokens and positions that the batch reads are among them.
    for (const i of new Set([0.1, 0.34, 0.73].map((share) => Math.floor(share * values.length)))) {
      const original = values[i]!;
      const lossAt = async (value: number) => {
        values[i] = value;
        await model.write(name, i, i + 1, Float64Array.of(value));
        return (await model.lossAndGradients(batch, options, training)).loss;
      };
      const numeric = ((await lossAt(original + step)) - (await lossAt(original - step))) / (2 * step);
      await lossAt(original);
      const scale = Math.max(1, Math.abs(numeric));
      expect(Math.abs(gradient[i]! - numeric) / scale, `${name}[${i}]`).toBeLessThan(2e-6);
    }
  }
  model.dispose();
}

test.each(networks)('%s: gradients under every dropout against central differences', async (_, truth) => {
  await differences(withDropouts(truth.config), batchOf(truth.batch), lossOf(truth.options));
});

test('dropout of the head makes the passes differ where nothing else does', async () => {
  const { config, batch, options } = networkNamed('BERT');
  for (const rates of [{ headDropout: 0.5 }, { headInputDropout: 0.5 }]) {
    const model = await create({ ...config, ...rates });
    const { kl } = await model.lossAndGradients(batchOf(batch), lossOf(options), {
      ...{ secondSource: null, training: true, update: 1 },
    });
    expect(kl).toBeGreaterThan(0);
    model.dispose();
  }
});

test('a causal network does not see what comes', async () => {
  const { config } = networkNamed('GPT');
  const model = await create(config);
  await model.setParameters(formulaOf(model));
  const logits = async (...tokens: number[]) =>
    model.logits({ source: ragged([tokens]), target: ragged([tokens.map(() => 1)]) });
  const [a, b] = [await logits(4, 5, 6, 7), await logits(4, 5, 9, 10)];
  const classes = config.vocabSize;
  expect(a.slice(0, 2 * classes)).toEqual(b.slice(0, 2 * classes));
  expect(a.slice(2 * classes, 3 * classes)).not.toEqual(b.slice(2 * classes, 3 * classes));
  model.dispose();
});

test('parameters start as BERT and GPT-2 start them', async () => {
  const deviation = (values: ArrayLike<number>) =>
    Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length);
  const wide = { embedDim: 64, ffnDim: 128, maxPositions: 200, vocabSize: 300 };
  for (const [name, initialization] of [
    ['BERT', 'bert'],
    ['GPT', 'gpt2'],
  ] as const) {
    const model = await create({ ...networkNamed(name).config, ...wide, bias: true, initialization });
    const last = initialization === 'bert' ? 0.02 : 0.02 / Math.sqrt(2 * 2);
    for (const [parameter, values] of await model.parameters()) {
      if (parameter.endsWith('.bias')) expect(new Set(values), parameter).toEqual(new Set([0]));
      else if (/norm(_embedding)?\.weight$/.test(parameter)) expect(new Set(values)).toEqual(new Set([1]));
      else {
        const sublayerEnd = /(self_attn\.out_proj|fc2)\.weight$/.test(parameter);
        const expected = sublayerEnd ? last : 0.02;
        const tolerance = 4 / Math.sqrt(2 * values.length);
        const zeroRow = /embed_(tokens|positions)/.test(parameter) ? 64 : 0;
        const scaled = deviation(values) * Math.sqrt(values.length / (values.length - zeroRow));
        expect(Math.abs(scaled / expected - 1), parameter).toBeLessThan(tolerance);
        if (zeroRow > 0) expect(new Set(values.slice(64, 128)), parameter).toEqual(new Set([0]));
      }
    }
    model.dispose();
  }
});

describe('a batch that does not fit the network', () => {
  const fails = async (name: string, changes: Partial<PackedBatch>, message: RegExp) => {
    const { config, batch } = networkNamed(name);
    const model = await create(config);
    await expect(model.logits({ ...batchOf(batch), ...changes })).rejects.toThrow(message);
    model.dispose();
  };

  test('is refused in words', async () => {
    await fails('GPT', { target: ragged([[4], [2], [7, 2, 6]]) }, /targets as long as their sources/);
    await fails('GPT', { target: ragged([[9, 12, 5, 2, 13], [1], [7, 2, 6]]) }, /from 0 to 12, got 13/);
    await fails('GPT', { tokenTypes: new Int32Array(9) }, /no tokenTypes/);
    await fails('GPT', { values: new Float64Array(3) }, /no values/);
    await fails('BERT', { target: ragged([[2], [0]]) }, /3 classes.*got 2/);
    await fails('BERT', { target: ragged([[2], [3], [0]]) }, /from 0 to 2, got 3/);
    await fails('BERT', { tokenTypes: new Int32Array(8) }, /one of each of 9 tokens, got 8/);
    await fails('BERT', { tokenTypes: new Int32Array(9).fill(2) }, /below 2, got 2/);
    await fails('BERT', { values: new Float64Array(3) }, /expected classes, got values/);
    await fails('regression', { values: new Float64Array(2) }, /3 values.*got 2/);
    await fails('regression', { values: Float64Array.of(1, Number.NaN, 2) }, /finite/);
    await fails('regression', { target: ragged([[2], [0], [1]]) }, /no targets beside values/);
  });

  test('and so is the translation by half a network', async () => {
    const model = await create(networkNamed('GPT').config);
    const beam = { beam: 1, lengthPenalty: 1, maxLenA: 0, maxLenB: 5, minLen: 1, nBest: 1 };
    await expect(model.translate(ragged([[4, 2]]), beam)).rejects.toThrow(/encoder and decoder/);
    model.dispose();
  });
});
