// Which parameters are updated how: the names, and the updates against fairseq's Adam written down in float64.
import { beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../../lib/native/binding.js';
import type {
  NativeModelConfig,
  NativeOptimizerOptions,
  NativeParameterGroup,
  NativeRuntime,
  NativeTransformer,
  PackedBatch,
} from '../../../lib/native/contract.js';
import { parseConfig } from '../../../lib/options/index.js';
import { type OptimizerOptions, optimizerSchema } from '../../../lib/options/optimizer.js';
import { optimizerGroups } from '../../../lib/training/optimizer/optimizer_groups.js';
import { emulatedDevice, noEmulatedDevice } from '../../support/emulated_device.js';
import { pack, relativeError } from '../../support/fixtures/fairseq_fixtures.js';
import { trainerState } from '../../support/trainer_state.js';

beforeAll(() => native().setThreads(1));

const base: NativeModelConfig = {
  ...{ vocabSize: 41, embedDim: 14, ffnDim: 23, heads: 1, encoderLayers: 2, decoderLayers: 2 },
  ...{ dropout: 0, attentionDropout: 0, activationDropout: 0, norm: 'pre', activation: 'gelu' },
  ...{ shareEmbeddings: 'none', maxPositions: 64 },
};
const loss = {
  direction: 'bi',
  alpha: 1,
  labelSmoothing: 0.1,
  ignoreIndex: 1,
  passReduction: 'sum',
} as const;
const optimizer: NativeOptimizerOptions = {
  ...{ schedule: 'linear', learningRate: 1e-2, warmupUpdates: 4, warmupInitLearningRate: 1e-3 },
  ...{ minimumLearningRate: 1e-3, totalUpdates: 16, beta1: 0.9, beta2: 0.98, epsilon: 1e-8 },
  ...{ weightDecay: 0.1, clipNorm: 0.5 },
};

const create = (
  precision: NativeRuntime['precision'],
  device: NativeRuntime['device'] = 'cpu',
  dropout = 0,
) => native().Transformer.create({ ...base, dropout }, { seed: 3, device, precision });
const shapes = (await create('float32')).parameterShapes;

const groupsOf = (
  options: OptimizerOptions,
  of: readonly (readonly [string, readonly number[]])[] = shapes,
) => optimizerGroups(of, parseConfig(optimizerSchema, options, 'train.optimizer'));
const named = (groups: NativeParameterGroup[] | null) => new Map(groups!.map((group) => [group.name, group]));
const frozen = (groups: NativeParameterGroup[] | null) =>
  groups!.filter(({ rate }) => rate === 0).map(({ name }) => name);

describe('groups from names', () => {
  test('none where all are alike', () => expect(groupsOf({})).toBeNull());

  test('layer-wise rates of an encoder-decoder', () => {
    const groups = named(groupsOf({ layerDecay: 0.5 }));
    const rate = (name: string) => groups.get(name)!.rate;
    expect(rate('decoder.output_projection.weight')).toBe(1);
    expect(rate('decoder.layer_norm.bias')).toBe(1);
    expect(rate('decoder.layers.1.fc1.weight')).toBe(0.5);
    expect(rate('decoder.layers.0.encoder_attn.k_proj.bias')).toBe(0.25);
    expect(rate('encoder.layer_norm.weight')).toBe(0.25);
    expect(rate('encoder.layers.1.final_layer_norm.weight')).toBe(0.125);
    expect(rate('encoder.layers.0.self_attn.q_proj.weight')).toBe(0.0625);
    expect(rate('encoder.embed_tokens.weight')).toBe(0.03125);
    expect(rate('decoder.embed_tokens.weight')).toBe(0.03125);
  });

  test('layer-wise rates of an encoder with a head', () => {
    const names = [
      ...[
        'encoder.embed_tokens.weight',
        'encoder.embed_positions.weight',
        'encoder.layernorm_embedding.bias',
      ],
      ...['encoder.layers.0.fc1.weight', 'encoder.layers.11.fc1.weight', 'encoder.layer_norm.weight'],
      'classification_heads.sentence_classification_head.dense.weight',
    ];
    const groups = groupsOf(
      { layerDecay: 0.5 },
      names.map((name) => [name, [2, 2]] as const),
    );
    expect(groups!.map(({ rate }) => Math.log2(rate))).toEqual([-13, -13, -13, -12, -1, 0, 0]);
  });

  test('decay of matrices alone', () => {
    const groups = groupsOf({ weightDecayOn: 'matrices' })!;
    expect(groups.filter(({ decay }) => !decay).map(({ name }) => name)).toEqual(
      groups.map(({ name }) => name).filter((name) => name.endsWith('.bias') || /norm\.weight$/.test(name)),
    );
    expect(groups.every(({ rate }) => rate === 1)).toBe(true);
  });

  test.each([
    [['embeddings'], /\.embed_tokens\./],
    [['encoder'], /^encoder\./],
    [['encoder.layers.0'], /^encoder\.layers\.0\./],
    [['encoder.layers.0-1', 'decoder.layers.1'], /^encoder\.layers\.|^decoder\.layers\.1\./],
    [['*.layers.*.*_attn'], /_attn\./],
    [['decoder.layers.0.fc*.bias'], /^decoder\.layers\.0\.fc[12]\.bias$/],
  ])('freeze %j', (freeze, expected) => {
    const names = shapes.map(([name]) => name).filter((name) => expected.test(name));
    expect(names.length).toBeGreaterThan(1);
    expect(frozen(groupsOf({ freeze }))).toEqual(names);
  });

  test('a part is whole: layer 1 is not layer 10', () => {
    const names = Array.from({ length: 12 }, (_, i) => [`encoder.layers.${i}.fc1.bias`, [2]] as const);
    expect(frozen(groupsOf({ freeze: ['encoder.layers.1'] }, names))).toEqual(['encoder.layers.1.fc1.bias']);
    expect(frozen(groupsOf({ freeze: ['encoder.layers.2-10'] }, names)).length).toBe(9);
  });

  test('what fits nothing is refused, with the nearest name; so is freezing everything', () => {
    expect(() => groupsOf({ freeze: ['embeddings', 'encoder.layer.0'] })).toThrow(
      /^train\.optimizer\.freeze\[1\]: .*"encoder\.layer\.0"; did you mean encoder\.layers\.0\?$/,
    );
    expect(() => groupsOf({ freeze: ['encoder.layers.2'] })).toThrow('no parameter of this model');
    expect(() => groupsOf({ freeze: ['*'] })).toThrow('nothing is left to train');
  });
});

function batchOf(seed: number): PackedBatch {
  let state = seed * 2654435761 + 1;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const side = () =>
    pack(
      Array.from({ length: 4 }, () =>
        Int32Array.from([...Array.from({ length: 2 + next(5) }, () => 4 + next(37)), 2]),
      ),
    );
  return { source: side(), target: side() };
}

/**
 * Everything at once, with ranges that begin and end off every boundary: a row of 14 numbers, and 3 biases side by side. A bias
 * of keys changes no loss: its gradient is rounding, of which Adam would make whole steps.
 */
const mixed: OptimizerOptions = {
  layerDecay: 0.7,
  weightDecayOn: 'matrices',
  freeze: ['encoder.embed_tokens', '*.layers.*.*_attn.k_proj.bias', 'decoder.layers.1.fc1'],
};

/** fairseq's Adam with groups, parameter by parameter (fairseq/optim/adam.py, step): 20 updates in float64. */
async function reference(groups: NativeParameterGroup[], updates: number) {
  const model = await create('float64');
  const byName = named(groups);
  const moments = new Map(
    model.parameterShapes.map(([name]) => [name, { m: [] as number[], v: [] as number[] }]),
  );
  const norms: number[] = [];
  for (let update = 0; update < updates; update++) {
    const extra = { secondSource: null, training: false, update };
    const { gradients, tokens } = await model.lossAndGradients(batchOf(update % 5), loss, extra);
    const parameters = await model.parameters();
    const trained = [...gradients].filter(([name]) => byName.get(name)!.rate > 0);
    const norm = Math.sqrt(
      trained.flatMap(([, values]) => [...values]).reduce((sum, g) => sum + (g / tokens) ** 2, 0),
    );
    norms.push(norm);
    const clip = norm > optimizer.clipNorm ? optimizer.clipNorm / (norm + 1e-6) : 1;
    const scheduled = native().learningRate(optimizer, update);
    const { beta1, beta2, epsilon, weightDecay } = optimizer;
    for (const [name, gradient] of trained) {
      const { rate, decay } = byName.get(name)!;
      const { m, v } = moments.get(name)!;
      const p = parameters.get(name)!;
      const lr = scheduled * rate;
      const size = (lr * Math.sqrt(1 - beta2 ** (update + 1))) / (1 - beta1 ** (update + 1));
      for (const [i, each] of gradient.entries()) {
        const g = (each / tokens) * clip;
        m[i] = beta1 * (m[i] ?? 0) + (1 - beta1) * g;
        v[i] = beta2 * (v[i] ?? 0) + (1 - beta2) * g * g;
        p[i] = p[i]! * (1 - (decay ? lr * weightDecay : 0)) - (size * m[i]!) / (Math.sqrt(v[i]!) + epsilon);
      }
    }
    await model.setParameters(parameters);
  }
  return { parameters: await model.parameters(), norms };
}

async function trained(
  model: NativeTransformer,
  groups: NativeParameterGroup[] | null,
  updates: number,
  options = optimizer,
) {
  const before = await model.parameters();
  const trainer = await native().Trainer.create(model, { ...options, groups }, loss);
  const norms: number[] = [];
  for (let update = 0; update < updates; update++) {
    const step = await trainer.step([batchOf(update % 5)]);
    norms.push((step.metrics ?? (await trainer.metrics())).gradientNorm);
  }
  return { before, parameters: await model.parameters(), norms, state: await trainerState(trainer, model) };
}
const flat = (values: Map<string, ArrayLike<number>>) =>
  Float64Array.from([...values.values()].flatMap((array) => Array.from(array)));

describe('updates', () => {
  test("are fairseq's Adam with a rate and a decay for each parameter", async () => {
    const groups = groupsOf(mixed)!;
    const own = await trained(await create('float64'), groups, 20);
    const truth = await reference(groups, 20);
    expect(Math.max(...truth.norms)).toBeGreaterThan(0.5);
    expect(relativeError(own.norms, truth.norms)).toBeLessThan(1e-9);
    for (const [name, values] of own.parameters)
      expect(relativeError(values, truth.parameters.get(name)!), name).toBeLessThan(1e-9);
    for (const name of frozen(groups)) {
      expect(own.parameters.get(name), name).toEqual(own.before.get(name));
      expect(own.state.moments.first.get(name)!.every((value: number) => value === 0)).toBe(true);
    }
    expect(frozen(groups).length).toBe(1 + 6 + 2);
  });

  test('with the same group for each parameter are those without groups, to the bit', async () => {
    const groups = shapes.map(([name]) => ({ name, rate: 1, decay: true }));
    const without = await trained(await create('float32'), null, 20);
    const withGroups = await trained(await create('float32'), groups, 20);
    expect(withGroups.norms).toEqual(without.norms);
    expect(withGroups.parameters).toEqual(without.parameters);
  });

  test.each([
    ['float32', 8],
    ['bfloat16', 4],
  ] as const)('on a device are the CPU’s: %s', async (precision, updates) => {
    expect(noEmulatedDevice).toBeNull();
    const groups = groupsOf(mixed)!;
    const cpu = await trained(await create('float32', 'cpu', 0.1), groups, updates);
    const device = await trained(await create(precision, emulatedDevice, 0.1), groups, updates);
    expect(relativeError(flat(device.parameters), flat(cpu.parameters))).toBeLessThan(
      precision === 'float32' ? 1e-4 : 0.05,
    );
    if (precision === 'float32') expect(relativeError(device.norms, cpu.norms)).toBeLessThan(1e-4);
    for (const name of frozen(groups))
      expect(device.parameters.get(name), name).toEqual(device.before.get(name));
    const moved = (name: string) =>
      device.parameters.get(name)!.some((value, i) => value !== device.before.get(name)![i]);
    expect(groups.filter(({ rate, name }) => rate > 0 && !moved(name))).toEqual([]);
  });

  test('on a device with one group for all follow those without groups', async () => {
    const groups = shapes.map(([name]) => ({ name, rate: 1, decay: true }));
    const without = await trained(await create('float32', emulatedDevice), null, 3);
    const withGroups = await trained(await create('float32', emulatedDevice), groups, 3);
    // The squares are added in another order.
    expect(relativeError(flat(withGroups.parameters), flat(without.parameters))).toBeLessThan(1e-6);
  });
});

test('groups that are not those of the model are refused', async () => {
  const model = await create('float32');
  const groups = shapes.map(([name]) => ({ name, rate: 1, decay: true }));
  const refused = async (given: NativeParameterGroup[], message: string) =>
    expect(native().Trainer.create(model, { ...optimizer, groups: given }, loss)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  await refused(groups.slice(1), 'groups: expected one for each of the');
  await refused([...groups.slice(1), groups[1]!], 'is there twice');
  await refused([...groups.slice(1), { name: 'x', rate: 1, decay: true }], 'groups: none for');
  await refused([{ ...groups[0]!, rate: -1 }, ...groups.slice(1)], 'expected a rate of 0 or more');
  expect(() => native().Trainer.create(model, { ...optimizer, groups: [] }, loss)).toThrow('got none');
});
