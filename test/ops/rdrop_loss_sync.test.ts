// rdropLossSync gives what rdropLoss gives: bits, checks, errors; also while the engine works and from several workers.
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import {
  type LogitsArray,
  type LossOptions,
  type RdropLossResult,
  rdropLoss,
  rdropLossSync,
  Transformer,
} from '../../lib/index.js';

const options: LossOptions = { direction: 'bi', alpha: 2, labelSmoothing: 0.1, ignoreIndex: 3 };

/** A fixed sequence over the range of usual logits. */
const numbers = (count: number) => Array.from({ length: count }, (_, i) => 8 * Math.sin(i * 12.9898) ** 3);

const bfloat16 = (values: number[]) =>
  Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16);

const types: [string, (values: number[]) => LogitsArray][] = [
  ['float32', (values) => Float32Array.from(values)],
  ['float64', (values) => Float64Array.from(values)],
  ['bfloat16', bfloat16],
];
const shapes = [
  [0, 5],
  [1, 1],
  [3, 7],
  [40, 1000],
] as const;

/** Equal to the last bit; toEqual takes seconds over long arrays, and a NaN of another payload for the same. */
function expectSame(found: RdropLossResult<LogitsArray>, expected: RdropLossResult<LogitsArray>) {
  const { gradient, ...sums } = found;
  const { gradient: expectedGradient, ...expectedSums } = expected;
  expect(sums).toEqual(expectedSums);
  expect(gradient.constructor).toBe(expectedGradient.constructor);
  expect(Buffer.from(gradient.buffer).equals(Buffer.from(expectedGradient.buffer))).toBe(true);
}

/** A model whose work takes the engine long, beside the small losses here. */
async function busyEngine() {
  const sizes = { vocabSize: 300, embedDim: 128, ffnDim: 256, heads: 2, encoderLayers: 2, decoderLayers: 2 };
  const model = await Transformer.create(sizes, { device: 'cpu', seed: 1 });
  const source = Array.from({ length: 32 }, () =>
    Int32Array.from({ length: 30 }, (_, i) => (i < 29 ? 5 + i : 2)),
  );
  const work = () => model.lossAndGradients({ source, target: source }, options);
  return { model, work };
}

describe('rdropLossSync', () => {
  describe.each(types)('%s', (_, of) => {
    test.each(shapes)('has the bits of rdropLoss: %i targets, %i classes', async (rows, classes) => {
      const logits = of(numbers(2 * rows * classes));
      const targets = Int32Array.from({ length: rows }, (__, i) => i % classes);
      const expected = await rdropLoss(logits, classes, targets, options);
      const found = rdropLossSync(logits, classes, targets, options);
      expectSame(found, expected);
      expect(found.gradient.constructor).toBe(logits.constructor);
      const untouched = of(numbers(2 * rows * classes));
      expect(Buffer.from(logits.buffer).equals(Buffer.from(untouched.buffer))).toBe(true);
    });
  });

  test('throws what rdropLoss rejects with', async () => {
    const logits = Float32Array.from(numbers(12));
    const targets = Int32Array.of(0, 1);
    const infinite = logits.slice();
    infinite[4] = Number.POSITIVE_INFINITY;
    // biome-ignore lint/suspicious/noExplicitAny: wrong types on purpose
    const calls: [any, any, any, any][] = [
      [[1, 2], 3, targets, options],
      [new Int32Array(12), 3, targets, options],
      [logits, 0, targets, options],
      [logits, 1.5, targets, options],
      [logits, '3', targets, options],
      [logits, 4, targets, options],
      [logits, 2 ** 53 - 1, targets, options],
      [logits, 3, [0, 1], options],
      [logits, 3, targets, { ...options, direction: 'both' }],
      [logits, 3, targets, { ...options, alpha: Number.NaN }],
      [logits, 3, targets, { ...options, beta: 1 }],
      [logits, 3, targets, undefined],
      [logits, 3, Int32Array.of(0, 9), options],
      [infinite, 3, targets, options],
    ];
    for (const call of calls) {
      const asynchronous = await rdropLoss(...call).then(
        () => null,
        (error) => error,
      );
      let thrown: unknown = null;
      try {
        rdropLossSync(...call);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ name: 'RdropError', code: asynchronous.code });
      expect((thrown as Error).message).toBe(asynchronous.message);
    }
  });

  test('does not wait for work under way, nor changes its bits, nor its own', async () => {
    const { model, work } = await busyEngine();
    try {
      const logits = Float32Array.from(numbers(2 * 40 * 1000));
      const targets = new Int32Array(40).fill(5);
      const expected = await rdropLoss(logits, 1000, targets, options);
      const start = performance.now();
      const quiet = await work();
      const each = performance.now() - start;
      const queued = Array.from({ length: 8 }, work);
      const began = performance.now();
      const found = rdropLossSync(logits, 1000, targets, options);
      // Waiting for the queue would take eight times `each`.
      expect(performance.now() - began).toBeLessThan(4 * each + 50);
      expectSame(found, expected);
      const bytes = ({ gradients }: typeof quiet) => Buffer.from([...gradients.values()][0]!.buffer);
      for (const result of await Promise.all(queued)) expect(bytes(result).equals(bytes(quiet))).toBe(true);
    } finally {
      model.dispose();
    }
  });

  test('has the same bits in several workers at once', async () => {
    const logits = Float32Array.from(numbers(2 * 40 * 1000));
    const targets = new Int32Array(40).fill(5);
    const expected = rdropLossSync(logits, 1000, targets, options);
    const url = new URL('../../dist/index.js', import.meta.url).href;
    const source = `
      import { parentPort, workerData } from 'node:worker_threads';
      import { rdropLossSync } from ${JSON.stringify(url)};
      const { logits, targets, options } = workerData;
      let result;
      for (let i = 0; i < 50; ++i) result = rdropLossSync(logits, 1000, targets, options);
      parentPort.postMessage(result);`;
    const results = await Promise.all(
      [0, 1, 2].map(
        () =>
          new Promise<RdropLossResult<LogitsArray>>((resolve, reject) => {
            const data = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
            const worker = new Worker(data, { workerData: { logits, targets, options } });
            worker.once('message', resolve).once('error', reject);
          }),
      ),
    );
    for (const result of results) expectSame(result, expected);
  });
});
