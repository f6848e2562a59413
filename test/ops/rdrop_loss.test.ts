// rdrop::loss against the numbers recorded from fairseq, and over random shapes against the definition.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { FloatArray, NativeLossOptions } from '../../lib/native/contract.js';
import { fixture, floats, relativeError, scalar } from '../support/fixtures/fairseq_fixtures.js';
import { instructionSets, onEachInstructionSet } from '../support/instruction_sets.js';
import { fromBfloat16, referenceLoss, toBfloat16 } from '../support/rdrop_loss_reference.js';

/** α 5, ε 0.1 and padding 1, as everything of the fixtures was recorded. */
const recorded: NativeLossOptions = {
  direction: 'uni',
  alpha: 5,
  labelSmoothing: 0.1,
  ignoreIndex: 1,
  passReduction: 'sum',
};

const directions = [
  ['uni', 'uni_pq'],
  ['uni-reverse', 'uni_qp'],
  ['bi', 'bi'],
] as const;

const kinds = [
  { type: 'f64', array: Float64Array, tolerance: 1e-9 },
  { type: 'f32', array: Float32Array, tolerance: 1e-5 },
] as const;

const close = (actual: number, truth: number, tolerance: number, what: string) =>
  expect(Math.abs(actual - truth) / Math.abs(truth), what).toBeLessThanOrEqual(tolerance);

for (const name of ['small', 'peaky']) {
  for (const [direction, key] of directions) {
    test(`equals fairseq on ${name}, ${direction}`, async (context) => {
      const tensors = fixture('logits_case');
      if (tensors === null) return context.skip('the recorded logits are not here');
      const { shape } = tensors.get(`${name}/logits`)!;
      const targets = Int32Array.from(tensors.get(`${name}/target`)!.data as BigInt64Array, Number);
      const logits = floats(tensors, `${name}/logits`);
      const ran = await onEachInstructionSet(async (set) => {
        for (const { type, array, tolerance } of kinds) {
          const what = `${set} ${type}`;
          const input = array.from(logits);
          const call = (options: NativeLossOptions) =>
            native().rdropLoss(input, shape.at(-1)!, targets, options);
          const result = await call({ ...recorded, direction });
          // Truth is the float64 recording in both cases: the logits are float32 numbers.
          const truth = `${name}/${key}/f64`;
          close(result.loss, scalar(tensors, `${truth}/loss`), tolerance, `${what} loss`);
          close(result.nll, scalar(tensors, `${truth}/nll_loss`), tolerance, `${what} nll`);
          close(result.kl, scalar(tensors, `${truth}/kl_loss`), tolerance, `${what} kl`);
          expect(result.tokens).toBe(targets.filter((target) => target !== 1).length);
          const gradient = relativeError(
            result.gradient as FloatArray,
            floats(tensors, `${truth}/grad_logits`),
          );
          expect(gradient, `${what} gradient`).toBeLessThanOrEqual(tolerance);

          const plain = await call({ ...recorded, direction, alpha: 0 });
          close(plain.loss, scalar(tensors, `${name}/ls/f64/loss`), tolerance, `${what} cross-entropy`);
          const plainGradient = relativeError(
            plain.gradient as FloatArray,
            floats(tensors, `${name}/ls/f64/grad_logits`),
          );
          expect(plainGradient, `${what} gradient of the cross-entropy`).toBeLessThanOrEqual(tolerance);
        }
      });
      expect(ran).toContain('scalar');
    });
  }

  test(`equals fairseq's divergence at every position of ${name}`, async (context) => {
    const tensors = fixture('logits_case');
    if (tensors === null) return context.skip('the recorded logits are not here');
    const classes = tensors.get(`${name}/logits`)!.shape.at(-1)!;
    const logits = Float64Array.from(floats(tensors, `${name}/logits`));
    const rows = logits.length / classes / 2;
    const targets = tensors.get(`${name}/target`)!.data as ArrayLike<number | bigint>;
    const padding = Array.from(targets, (target) => Number(target) === 1);
    expect(padding.filter((is) => !is).length).toBeGreaterThan(5);
    for (const [direction, key] of [
      ['uni', 'kl_pq'],
      ['uni-reverse', 'kl_qp'],
    ] as const) {
      const truth = floats(tensors, `${name}/pos/f64/${key}`);
      for (let n = 0; n < rows; n++) {
        if (padding[n]) continue; // recorded as 0
        // One row counts, the others are ignored.
        const targets = new Int32Array(rows).fill(1);
        targets[n] = 2;
        const { kl, tokens } = await native().rdropLoss(logits, classes, targets, { ...recorded, direction });
        expect(tokens).toBe(1);
        close(kl, truth[n]!, 1e-9, `${key} of position ${n}`);
      }
    }
  });
}

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 6 }),
  // Around the vectors' widths, and past one chunk of the vectorized bodies.
  classes: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 500, max: 1100 })),
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  spread: fc.constantFrom(0, 0.01, 1, 8, 60),
  shift: fc.constantFrom(0, -300, 2000),
});

const settings = fc.record({
  direction: fc.constantFrom('uni', 'uni-reverse', 'bi'),
  alpha: fc.constantFrom(0, 0.5, 5),
  labelSmoothing: fc.constantFrom(0, 0.1),
  ignoreIndex: fc.constantFrom(-100, 0),
  passReduction: fc.constantFrom('sum', 'mean'),
}) as fc.Arbitrary<NativeLossOptions>;

/** Numbers in (-1, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
}

for (const set of instructionSets) {
  test(`equals the definition over random shapes: ${set}`, async (context) => {
    const before = native().info().instructionSet;
    try {
      native().setInstructionSet(set);
    } catch {
      return context.skip(`this machine has no ${set}`);
    }
    try {
      await fc.assert(
        fc.asyncProperty(shapes, settings, async ({ rows, classes, seed, spread, shift }, options) => {
          const random = generator(seed);
          const logits = Float64Array.from({ length: 2 * rows * classes }, () => shift + spread * random());
          const targets = Int32Array.from({ length: rows }, () =>
            random() < -0.6 ? options.ignoreIndex : Math.floor(((random() + 1) / 2) * classes) % classes,
          );
          for (const [input, numbers, tolerance, rounding] of [
            [logits, logits, 1e-11, 0],
            [Float32Array.from(logits), Float32Array.from(logits), 3e-6, 0],
            // The gradient is rounded to 8 bits.
            [toBfloat16(logits), fromBfloat16(toBfloat16(logits)), 3e-6, 2 ** -8],
          ] as const) {
            const kept = input.slice();
            const truth = referenceLoss(numbers, classes, targets, options);
            const result = await native().rdropLoss(input, classes, targets, options);
            const unit = Math.max(1, truth.tokens);
            // A divergence is a small difference of large numbers: its error is that of the logits' spread.
            const scale = (1 + spread) * unit;
            expect(result.tokens).toBe(truth.tokens);
            expect(Math.abs(result.nll - truth.nll)).toBeLessThanOrEqual(tolerance * scale);
            expect(Math.abs(result.crossEntropy - truth.crossEntropy)).toBeLessThanOrEqual(tolerance * scale);
            expect(Math.abs(result.kl - truth.kl)).toBeLessThanOrEqual(tolerance * scale);
            expect(Math.abs(result.loss - truth.loss)).toBeLessThanOrEqual(
              tolerance * scale * (1 + options.alpha),
            );
            const gradient =
              result.gradient instanceof Uint16Array ? fromBfloat16(result.gradient) : result.gradient;
            const bound = tolerance * (1 + spread) * (1 + options.alpha);
            for (let i = 0; i < gradient.length; i++) {
              const error = Math.abs(gradient[i]! - truth.gradient[i]!);
              if (error <= bound + rounding * Math.abs(truth.gradient[i]!)) continue;
              throw new Error(`gradient[${i}] is ${gradient[i]}, expected ${truth.gradient[i]}`);
            }
            expect(input).toEqual(kept);
          }
        }),
        { numRuns: 60, seed: 64 },
      );
    } finally {
      native().setInstructionSet(before);
    }
  });
}
