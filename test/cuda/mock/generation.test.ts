// Generation on the mock CUDA runtime: the texts of the emulated device and of the CPU, and work that grows with the tokens alone.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Found {
  texts: number;
  /** Of greedy, drawn and searched texts. */
  differentFromEmulated: number[];
  differentFromCpu: number[];
  multiplications: number[];
  violations: string[];
}

test.each(['float32', 'bfloat16', 'float16'])(
  '%s: texts of many lengths, beyond the longest that the network can see',
  (precision) => {
    const found = mockDriver<Found>('generation', { precision }, { MOCK_ORDER: '3' });
    expect(found).toMatchObject({ texts: 19, violations: [], differentFromEmulated: [0, 0, 0] });
    if (precision === 'float32') expect(found.differentFromCpu).toEqual([0, 0, 0]);
  },
  600_000,
);

test('a token costs the same work wherever it stands: the prefix is not read again', () => {
  const { multiplications, violations } = mockDriver<Found>('generation', { precision: 'float32' });
  expect(violations).toEqual([]);
  const steps = multiplications.slice(1).map((each, i) => each - multiplications[i]!);
  expect(steps[0]).toBeGreaterThan(0);
  expect(steps).toEqual(steps.map(() => steps[0]));
}, 600_000);
