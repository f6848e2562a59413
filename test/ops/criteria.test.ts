// R-Drop's criteria for language models, classification and regression against what PyTorch gives on the same numbers
// (test/fixtures/criteria/record.py), in every instruction set, and the gradients by finite differences.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { rdropLoss, rdropLossSync } from '../../lib/model/rdrop_loss.js';
import { squaredErrorLoss } from '../../lib/model/squared_error.js';
import { native } from '../../lib/native/binding.js';
import type { LossOptions, SquaredErrorOptions } from '../../lib/options/loss.js';
import { onEachInstructionSet } from '../support/instruction_sets.js';

interface Recorded {
  classes: {
    name: string;
    logits: number[];
    classes: number;
    targets: number[];
    options: LossOptions;
    divisor: number;
    loss: number;
    tokens: number;
    gradient: number[];
  }[];
  values: {
    name: string;
    predictions: number[];
    values: number[];
    options: SquaredErrorOptions;
    divisor: number;
    loss: number;
    gradient: number[];
  }[];
}
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/criteria/criteria.json', import.meta.url), 'utf8'),
) as Recorded;

const widest = native().info().instructionSet;
afterAll(() => native().setInstructionSet(widest));

/** |found - expected| ≤ tolerance·(1 + |expected|) everywhere. */
function expectNear(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) {
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < found.length; i++) {
    const error = Math.abs(found[i]! - expected[i]!) / (1 + Math.abs(expected[i]!));
    expect(error, `number ${i}: ${found[i]} in place of ${expected[i]}`).toBeLessThanOrEqual(tolerance);
  }
}

describe('criteria of classes', () => {
  it.each(recorded.classes)('$name', async ({ logits, classes, targets, options, divisor, ...truth }) => {
    const y = Int32Array.from(targets);
    const divided = (gradient: Float32Array | Float64Array) =>
      Float64Array.from(gradient, (g) => g / divisor);
    await onEachInstructionSet(async () => {
      const exact = await rdropLoss(Float64Array.from(logits), classes, y, options);
      expectNear([exact.loss / divisor], [truth.loss], 1e-13);
      expect(exact.tokens).toBe(truth.tokens);
      expectNear(divided(exact.gradient), truth.gradient, 1e-13);
      const single = await rdropLoss(Float32Array.from(logits), classes, y, options);
      expectNear([single.loss / divisor], [truth.loss], 1e-6);
      expectNear(divided(single.gradient), truth.gradient, 2e-6);
      expect(rdropLossSync(Float64Array.from(logits), classes, y, options)).toEqual(exact);
    });
  });
});

describe('criteria of values', () => {
  it.each(recorded.values)('$name', async ({ predictions, values, options, divisor, loss, gradient }) => {
    const y = Float64Array.from(values);
    const exact = await squaredErrorLoss(Float64Array.from(predictions), y, options);
    expectNear([exact.loss / divisor], [loss], 1e-13);
    expectNear(
      exact.gradient.map((g) => g / divisor),
      gradient,
      1e-13,
    );
    expect(exact.values).toBe(values.length);
    const single = await squaredErrorLoss(Float32Array.from(predictions), y, options);
    expectNear([single.loss / divisor], [loss], 1e-6);
  });

  it('names what is wrong', async () => {
    const call = (predictions: Float64Array, values: Float64Array, options: SquaredErrorOptions) =>
      squaredErrorLoss(predictions, values, options).catch((error: unknown) => error);
    const three = Float64Array.of(1, 2, 3);
    expect(await call(three, three, { alpha: 1 })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('predictions: expected 2 × 3 values = 6 numbers, got 3'),
    });
    expect(await call(Float64Array.of(1, NaN, 3), three, { alpha: 1, passes: 1 })).toMatchObject({
      code: 'NON_FINITE',
      message: expect.stringContaining('prediction of pass 1 at position 1'),
    });
    expect(await call(Float64Array.of(1, 2, 3, 1, 2, Infinity), three, { alpha: 1 })).toMatchObject({
      code: 'NON_FINITE',
      message: expect.stringContaining('pass 2 at position 2'),
    });
    expect(await call(three, Float64Array.of(1, 2, NaN), { alpha: 1, passes: 1 })).toMatchObject({
      code: 'NON_FINITE',
      message: expect.stringContaining('values[2]'),
    });
    expect(await call(three, three, { alpha: -1, passes: 1 })).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

const wave = (count: number, seed: number) =>
  Float64Array.from({ length: count }, (_, i) => 2 * Math.sin(12.9898 * (i + 1) + seed) * Math.cos(i * seed));

describe('gradients by finite differences', () => {
  const step = 1e-5;
  const weights = (classes: number) => Array.from({ length: classes }, (_, v) => (v % 4) / 2);
  it.each<[string, number, (classes: number) => Partial<LossOptions>]>([
    ['one pass', 40, () => ({ passes: 1, labelSmoothing: 0.1 })],
    ['one pass of many classes', 2000, () => ({ passes: 1, labelSmoothing: 0.1 })],
    ['one pass, weighted', 17, (classes) => ({ passes: 1, classWeights: weights(classes) })],
    ['KL summed', 17, () => ({ klReduction: 'sum', alpha: 0.5 })],
    [
      'KL summed, weighted',
      700,
      (classes) => ({ klReduction: 'sum', alpha: 0.5, classWeights: weights(classes) }),
    ],
  ])('%s', async (_, classes, more) => {
    native().setInstructionSet(widest);
    const targets = Int32Array.of(3, -100, 0, classes - 1, 5);
    const options: LossOptions = { direction: 'bi', alpha: 0, ...more(classes) };
    const logits = wave((options.passes ?? 2) * targets.length * classes, 7);
    const { gradient } = await rdropLoss(logits, classes, targets, options);
    for (const row of [0, 1, 4, logits.length / classes - 1]) {
      for (const v of [0, 3, classes - 1]) {
        const place = row * classes + v;
        const at = async (offset: number) => {
          const moved = logits.slice();
          moved[place]! += offset;
          return (await rdropLoss(moved, classes, targets, options)).loss;
        };
        const slope = ((await at(step)) - (await at(-step))) / (2 * step);
        expectNear([gradient[place]!], [slope], 1e-8);
      }
    }
  });

  it('the squared error', async () => {
    const predictions = wave(10, 3);
    const values = wave(5, 4);
    const options: SquaredErrorOptions = { alpha: 0.7, klReduction: 'sum', passReduction: 'mean' };
    const { gradient } = await squaredErrorLoss(predictions, values, options);
    for (const place of predictions.keys()) {
      const at = async (offset: number) => {
        const moved = predictions.slice();
        moved[place]! += offset;
        return (await squaredErrorLoss(moved, values, options)).loss;
      };
      const slope = ((await at(step)) - (await at(-step))) / (2 * step);
      expectNear([gradient[place]!], [slope], 1e-8);
    }
  });
});

describe('one pass', () => {
  it('is the same in every instruction set, far logits among the others', async () => {
    const classes = 1031;
    const logits = wave(6 * classes, 5).map((z, i) => (i % 97 === 0 ? z * 100 : z));
    const targets = Int32Array.of(5, 1030, 0, 9, 700, 1);
    const options: LossOptions = { direction: 'uni', alpha: 0, passes: 1, labelSmoothing: 0.1 };
    native().setInstructionSet('scalar');
    const truth = await rdropLoss(logits, classes, targets, options);
    await onEachInstructionSet(async () => {
      const found = await rdropLoss(logits, classes, targets, options);
      expectNear([found.loss], [truth.loss], 1e-13);
      expectNear(found.gradient, truth.gradient, 1e-12);
    });
    expect(truth.kl).toBe(0);
  });

  it('is half of two equal passes', async () => {
    native().setInstructionSet(widest);
    const classes = 900;
    const targets = Int32Array.of(5, 899, 0);
    const logits = wave(3 * classes, 6);
    const twice = Float64Array.of(...logits, ...logits);
    const options = { direction: 'bi', alpha: 3, labelSmoothing: 0.1 } as const;
    const one = await rdropLoss(logits, classes, targets, { ...options, alpha: 0, passes: 1 });
    const two = await rdropLoss(twice, classes, targets, options);
    expectNear([2 * one.loss], [two.loss], 1e-13);
    expectNear(one.gradient, two.gradient.subarray(0, logits.length), 1e-13);
  });

  it('refuses a wrong number of weights and a negative one', async () => {
    const logits = wave(6, 1);
    const call = (classWeights: number[]) =>
      rdropLoss(logits, 3, Int32Array.of(1), { direction: 'uni', alpha: 1, classWeights }).catch(
        (e: unknown) => e,
      );
    expect(await call([1, 2])).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(
        'options.classWeights: expected a number for each of 3 classes, got 2',
      ),
    });
    expect(await call([1, 2, -1])).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
