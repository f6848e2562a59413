// Two models in one process, in two precisions, on one device or two: neither changes the other.
import { beforeEach, expect, test } from 'vitest';
import { noMock } from '../flavor.js';
import { mockDriver } from './driver.js';

beforeEach((context) => {
  if (noMock !== null) context.skip(noMock);
});

test.each([1, 2])(
  'two models by turns on %i devices have the losses that each has alone',
  (devices) => {
    const found = mockDriver<{ firstSame: boolean; secondSame: boolean; violations: string[] }>(
      'models',
      { precision: 'float32', second_precision: 'bfloat16', devices },
      { MOCK_DEVICES: `${devices}`, MOCK_ORDER: '5' },
    );
    expect(found).toMatchObject({ firstSame: true, secondSame: true, violations: [] });
  },
  600_000,
);
