// Two models in one process, in two precisions, on one device or two: neither changes the other.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Models {
  firstLoss: number;
  secondLoss: number;
  firstSame: boolean;
  secondSame: boolean;
  firstProducts: { float32: number; tf32: number };
  secondProducts: { float32: number; tf32: number };
  violations: string[];
}

test.each(['float32', 'tf32'])(
  'a model that may round to TF32 and one that may not by turns: first %s',
  (precision) => {
    const exact = { float32: expect.any(Number), tf32: 0 };
    const rounded = { float32: 0, tf32: expect.any(Number) };
    const first = precision === 'float32';
    const found = mockDriver<Models>('models', { precision, second_precision: first ? 'tf32' : 'float32' });
    expect(found).toMatchObject({
      ...{ firstSame: true, secondSame: true, violations: [] },
      firstProducts: first ? exact : rounded,
      secondProducts: first ? rounded : exact,
    });
    const { firstProducts, secondProducts } = found;
    expect(firstProducts.float32 + firstProducts.tf32).toBeGreaterThan(50);
    expect(secondProducts.float32 + secondProducts.tf32).toBe(firstProducts.float32 + firstProducts.tf32);
    // The same weights, batches and masks: only the rounding differs.
    expect(found.secondLoss).not.toBe(found.firstLoss);
    expect(found.secondLoss / found.firstLoss).toBeCloseTo(1, 2);
  },
  600_000,
);

test.each([1, 2])(
  'two models by turns on %i devices have the losses that each has alone',
  (devices) => {
    const found = mockDriver<Models>(
      'models',
      { precision: 'float32', second_precision: 'bfloat16', devices },
      { MOCK_DEVICES: `${devices}`, MOCK_ORDER: '5' },
    );
    expect(found).toMatchObject({ firstSame: true, secondSame: true, violations: [] });
  },
  600_000,
);
