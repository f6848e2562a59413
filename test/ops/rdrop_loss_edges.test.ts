// rdrop::loss where it is easily wrong: finite differences, rows that are ignored, ties, far logits, and what it refuses.
import { expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { FloatArray, NativeLossOptions } from '../../lib/native/contract.js';
import { onEachInstructionSet } from '../support/instruction_sets.js';
import { referenceLoss } from '../support/rdrop_loss_reference.js';

const options: NativeLossOptions = {
  direction: 'bi',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: -100,
  passReduction: 'sum',
};
const directions = ['uni', 'uni-reverse', 'bi'] as const;

const run = (
  logits: FloatArray | Uint16Array,
  classes: number,
  targets: Int32Array,
  changed: Partial<NativeLossOptions> = {},
) => native().rdropLoss(logits, classes, targets, { ...options, ...changed });

/** Deterministic, without a pattern that a symmetric mistake could hide behind. */
const numbers = (length: number, scale = 2) =>
  Float64Array.from({ length }, (_, i) => scale * Math.sin(i * i * 0.37 + i) + (i % 7) * 0.1);

/** Every element, or a sample of them that holds the first and the last. */
const some = (length: number, limit: number) =>
  Array.from({ length: Math.min(length, limit) }, (_, i) =>
    Math.round((i * (length - 1)) / Math.max(1, Math.min(length, limit) - 1)),
  );

for (const classes of [1, 3, 17, 1000]) {
  test(`gradient equals finite differences with ${classes} classes`, async () => {
    const targets = Int32Array.of(classes - 1, -100, 0);
    const logits = numbers(2 * targets.length * classes);
    await onEachInstructionSet(async (set) => {
      for (const direction of directions) {
        for (const changed of [
          {},
          { alpha: 0 },
          { labelSmoothing: 0 },
          { passReduction: 'mean' },
        ] as Partial<NativeLossOptions>[]) {
          const { gradient } = await run(logits, classes, targets, { ...changed, direction });
          for (const i of some(logits.length, classes > 100 ? 12 : 40)) {
            const step = 1e-5;
            const at = async (x: number) => {
              const moved = logits.slice();
              moved[i] = x;
              return (await run(moved, classes, targets, { ...changed, direction })).loss;
            };
            const slope = ((await at(logits[i]! + step)) - (await at(logits[i]! - step))) / (2 * step);
            expect(Math.abs(gradient[i]! - slope), `${set} ${direction} [${i}]`).toBeLessThan(2e-8);
          }
        }
      }
    });
  });
}

test('an ignored row has loss 0 and gradient exactly 0, whatever lies in it', async () => {
  const classes = 37;
  const targets = Int32Array.of(3, -100, 5);
  await onEachInstructionSet(async () => {
    for (const array of [Float32Array, Float64Array]) {
      const logits = array.from(numbers(6 * classes));
      const alone = await run(
        array.from([...logits.subarray(0, classes), ...logits.subarray(3 * classes, 4 * classes)]),
        classes,
        targets.subarray(0, 1),
      );
      logits.fill(Number.NaN, classes, 2 * classes);
      logits.fill(Number.POSITIVE_INFINITY, 4 * classes, 5 * classes);
      const result = await run(logits, classes, targets);
      const gradient = result.gradient as FloatArray;
      expect(result.tokens).toBe(2);
      expect(Number.isFinite(result.loss)).toBe(true);
      for (const row of [1, 4])
        for (const g of gradient.subarray(row * classes, (row + 1) * classes)) expect(g).toBe(0);
      const tolerance = array === Float64Array ? 1e-14 : 1e-7;
      for (let v = 0; v < classes; v++)
        expect(Math.abs(gradient[v]! - alone.gradient[v]!)).toBeLessThanOrEqual(tolerance);

      const none = await run(logits, classes, new Int32Array(3).fill(-100));
      expect({ ...none, gradient: null }).toEqual({
        ...{ loss: 0, crossEntropy: 0, nll: 0, kl: 0, tokens: 0 },
        gradient: null,
      });
      expect(none.gradient.every((g) => g === 0)).toBe(true);
    }
  });
});

test('equal passes have no divergence, ties no direction', async () => {
  for (const classes of [1, 16, 1000]) {
    const pass = new Float32Array(classes).fill(2.5);
    await onEachInstructionSet(async () => {
      for (const direction of directions) {
        const { kl, nll, gradient } = await run(
          Float32Array.of(...pass, ...pass),
          classes,
          Int32Array.of(0),
          { direction },
        );
        expect(Math.abs(kl)).toBeLessThan(1e-6);
        expect(nll).toBeCloseTo(2 * Math.log(classes), 5);
        const others = gradient.slice(1, classes) as FloatArray;
        expect(others.every((g) => g === others[0])).toBe(true);
      }
    });
  }
});

test('stays finite at logit gaps of 10,000, and right', async () => {
  const classes = 130;
  const targets = Int32Array.of(0, 7, 129);
  // The passes disagree on which classes are far away.
  const far = (i: number) => (i % 3 === 0 ? 5000 : i % 5 === 0 ? -5000 : 0);
  const logits = numbers(6 * classes).map((x, i) => x + far(i < 3 * classes ? i : i + 1));
  await onEachInstructionSet(async (set) => {
    for (const array of [Float32Array, Float64Array]) {
      const input = array.from(logits);
      for (const direction of directions) {
        const truth = referenceLoss(input, classes, targets, { ...options, direction });
        const result = await run(input, classes, targets, { direction });
        const gradient = result.gradient as FloatArray;
        const tolerance = array === Float64Array ? 1e-11 : 1e-5;
        expect(truth.kl).toBeGreaterThan(1000);
        expect(Math.abs(result.loss / truth.loss - 1), `${set} ${direction}`).toBeLessThan(tolerance);
        const largest = truth.gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
        for (let i = 0; i < gradient.length; i++) {
          expect(Math.abs(gradient[i]! - truth.gradient[i]!)).toBeLessThanOrEqual(tolerance * largest);
        }
      }
    }
  });
});

test('finds the largest logit wherever it is, also when logits keep rising', async () => {
  for (const classes of [513, 1537]) {
    for (const slope of [50, -50, 0.5]) {
      const input = Float32Array.from({ length: 2 * classes }, (_, i) => (i % classes) * slope);
      const targets = Int32Array.of(classes >> 1);
      const truth = referenceLoss(input, classes, targets, options);
      await onEachInstructionSet(async () => {
        const result = await run(input, classes, targets);
        expect(Math.abs(result.loss / truth.loss - 1)).toBeLessThan(1e-5);
      });
    }
  }
});

test('logits of any finite size end in a number or in a coded error, never in a hang', async () => {
  const classes = 40;
  await onEachInstructionSet(async () => {
    for (const size of [1e6, 1e10, 1e20, 1e30, 3e38]) {
      const input = Float32Array.from(numbers(2 * classes, size / 3));
      const truth = referenceLoss(input, classes, Int32Array.of(3), options);
      const result = await run(input, classes, Int32Array.of(3));
      expect(Math.abs(result.loss / truth.loss - 1)).toBeLessThan(1e-5);
      expect(result.gradient.every(Number.isFinite)).toBe(true);
    }
    const far = Float64Array.of(1.7e308, -1.7e308, -1.7e308, 1.7e308);
    await expect(run(far, 2, Int32Array.of(0))).rejects.toMatchObject({ code: 'NON_FINITE' });
  });
});

test('NaN and infinity at a real row are refused, naming pass, position and row', async () => {
  await onEachInstructionSet(async () => {
    for (const classes of [1, 17, 1000]) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        for (const pass of [1, 2]) {
          for (const array of [Float32Array, Float64Array]) {
            const logits = array.from(numbers(4 * classes));
            const row = 1 + (pass - 1) * 2;
            logits[row * classes + (classes >> 1)] = bad;
            await expect(run(logits, classes, Int32Array.of(0, 0))).rejects.toMatchObject({
              code: 'NON_FINITE',
              message: expect.stringContaining(`pass ${pass} at position 1 (row ${row})`),
            });
          }
        }
      }
    }
  });
});

test('a target outside the classes is refused, naming its position', async () => {
  for (const target of [-1, 5, 2 ** 31 - 1]) {
    await expect(run(numbers(20), 5, Int32Array.of(4, target))).rejects.toMatchObject({
      code: 'TOKEN_OUT_OF_RANGE',
      message: expect.stringContaining(
        `targets[1]: expected a class in 0..4 or the ignored -100, got ${target}`,
      ),
    });
  }
});

test('the same numbers on one thread and on two, bit for bit', async () => {
  const classes = 1003;
  const rows = 64;
  const logits = Float32Array.from(numbers(2 * rows * classes));
  const targets = Int32Array.from({ length: rows }, (_, n) => (n % 9 === 4 ? -100 : (n * 37) % classes));
  const before = native().info().threads;
  try {
    await onEachInstructionSet(async () => {
      await native().setThreads(1);
      const one = await run(logits, classes, targets);
      await native().setThreads(2);
      const two = await run(logits, classes, targets);
      expect(two).toEqual(one);
    });
  } finally {
    await native().setThreads(before);
  }
});

test('an unknown instruction set is refused', () => {
  expect(() => native().setInstructionSet('sse' as 'avx2')).toThrow(/scalar, avx2 or avx512/);
});

test('the event loop goes on while the loss is computed', async () => {
  const classes = 10_000;
  const logits = new Float32Array(2 * 600 * classes);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  // A busy machine may leave this thread no turn within one loss; one that held the loop would leave none within any.
  for (let i = 0; i < 20 && ticks === 0; i++) await run(logits, classes, new Int32Array(600));
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(0);
});
