// Training and translating through the real allocator, graphs, streams and uploads gives the numbers of the emulated device bit for bit, in
// whatever order the work runs that the dependencies allow.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Comparison {
  updates: number;
  lossDifference: number;
  parameterDifference: number;
  sentences: number;
  differentSentences: number;
  graphFallbackReason: string;
  violations: string[];
}

test('a width at which not every bias starts on a boundary of 16 bytes, as cuBLASLt wants it', () => {
  const found = mockDriver<Comparison>('compare', { precision: 'bfloat16', updates: 3, width: 42 });
  expect(found.violations).toEqual([]);
  expect(found).toMatchObject({ differentSentences: 0, lossDifference: 0, parameterDifference: 0 });
}, 600_000);

test.each([
  ['float32', 0, 30],
  ['bfloat16', 1, 30],
  ['float16', 7, 8],
  ['bfloat16', 8, 8],
] as const)(
  "%s, order %i: %i updates and their hypotheses are the emulated device's",
  (precision, order, updates) => {
    const found = mockDriver<Comparison>('compare', { precision, updates }, { MOCK_ORDER: `${order}` });
    expect(found.violations).toEqual([]);
    expect(found).toMatchObject({ updates, graphFallbackReason: '', differentSentences: 0 });
    expect(found.sentences).toBeGreaterThan(0);
    expect(found.lossDifference).toBe(0);
    expect(found.parameterDifference).toBe(0);
  },
  600_000,
);
