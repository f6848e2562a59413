// Numbers from outside that the core makes integers of: what does not fit is refused or has its meaning, and is never cast.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Transformer } from '../../lib/index.js';
import { pack } from '../../lib/model/pack.js';
import { nativeTransformer } from '../../lib/model/transformer.js';
import { native } from '../../lib/native/binding.js';
import type { NativeOptimizerOptions } from '../../lib/native/contract.js';

const sizes = { vocabSize: 20, embedDim: 8, ffnDim: 8, heads: 2, encoderLayers: 1, decoderLayers: 1 };
const source = [Int32Array.of(5, 6, 7, 2), Int32Array.of(8, 2)];
const batch = { source, target: source };
const loss = { direction: 'uni', alpha: 1 } as const;
let model: Transformer;

beforeAll(async () => {
  model = await Transformer.create({ ...sizes, maxPositions: 12 }, { device: 'cpu', seed: 1 });
});
afterAll(() => model.dispose());

test('maxLenA and maxLenB beyond every integer mean the longest that the model has', async () => {
  // The core's own check: the options of lib/ have smaller maxima.
  const packed = pack(source, 'source');
  const translate = (options: { maxLenA: number; maxLenB: number }) =>
    nativeTransformer(model).translate(packed, {
      ...{ beam: 2, lengthPenalty: 1, minLen: 1, nBest: 1 },
      ...options,
    });
  const longest = await translate({ maxLenB: 11, maxLenA: 0 });
  for (const options of [
    { maxLenA: 1e308, maxLenB: 0 },
    { maxLenA: Number.MAX_VALUE, maxLenB: Number.MAX_SAFE_INTEGER },
    { maxLenA: 1e19, maxLenB: 0 },
    { maxLenA: 0, maxLenB: Number.MAX_SAFE_INTEGER },
  ]) {
    expect(await translate(options), JSON.stringify(options)).toEqual(longest);
  }
});

test('a team may shrink and grow', async () => {
  for (const threads of [4, 1, 2, 0, 1]) {
    await native().setThreads(threads);
    if (threads > 0) expect(native().info().threads).toBe(threads);
    expect((await model.logits(batch)).length).toBe(6 * sizes.vocabSize);
  }
});

test.each([-1, 0.5, 1e19, 1e300, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  'update %d of lossAndGradients is refused',
  async (update) => {
    const call = model.lossAndGradients(batch, loss, { training: true, update });
    await expect(call).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/^update: /),
    });
  },
);

test.each([
  ['update', -1],
  ['update', 1e300],
  ['applied', Number.NaN],
  ['lastOverflow', -2],
  ['lastOverflow', Number.NEGATIVE_INFINITY],
])('%s %d of an optimizer state is refused', async (name, value) => {
  const optimizer: NativeOptimizerOptions = {
    schedule: 'constant',
    ...{ learningRate: 1e-3, warmupUpdates: 0, warmupInitLearningRate: 0 },
    ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0, clipNorm: 0 },
  };
  const complete = { ...loss, labelSmoothing: 0, ignoreIndex: -1, passReduction: 'sum' } as const;
  const trainer = await native().Trainer.create(nativeTransformer(model), optimizer, complete);
  try {
    const state = await trainer.counters();
    expect(() => trainer.setCounters({ ...state, [name]: value })).toThrow(`${name}: expected`);
  } finally {
    trainer.dispose();
  }
});

test('typed arrays without elements are sizes that do not fit, not addresses', async () => {
  const empty = new Int32Array(0);
  expect(() =>
    native().rdropLossSync(new Float32Array(8), 2 ** 53 - 1, empty, {
      ...loss,
      ...{ labelSmoothing: 0, ignoreIndex: -1, passReduction: 'sum' },
    }),
  ).toThrow('logits: expected');
  const call = nativeTransformer(model).logits({
    source: { tokens: empty, offsets: empty },
    target: { tokens: empty, offsets: empty },
  });
  await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});
