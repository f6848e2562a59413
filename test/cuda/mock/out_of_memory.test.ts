// Memory that does not suffice, on the mock CUDA runtime: graphs make room for the training that they belong to.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Epoch {
  failed: number;
  failure: string;
  graphs: number;
  peakBytes: number;
  shapesWithoutGraph: number;
  violations: string[];
}
const gib = 2 ** 30;

/** 60 batches of IWSLT'14 twice, with the paper's model; kernels are recorded, not computed. */
const epoch = (environment: Record<string, string>) =>
  mockDriver<Epoch>('epoch', { model: 'paper', batches: 60 }, { MOCK_COMPUTE: '0', ...environment });

test('a training with graphs needs the memory of one without', () => {
  const recorded = epoch({});
  const plain = epoch({ MOCK_RECORD: '0' });
  expect([recorded.failed, plain.failed]).toEqual([0, 0]);
  expect(recorded.graphs).toBeGreaterThan(30);
  expect(plain.graphs).toBe(0);
  expect(recorded.peakBytes).toBeLessThan(1.02 * plain.peakBytes);
});

test('a training that fits without graphs ends with them as well', () => {
  const plain = epoch({ MOCK_RECORD: '0' });
  for (const share of [0.75, 0.9, 1]) {
    const mebibytes = String(Math.ceil((share * plain.peakBytes) / 2 ** 20));
    const without = epoch({ MOCK_RECORD: '0', MOCK_MEMORY_MIB: mebibytes });
    const result = epoch({ MOCK_MEMORY_MIB: mebibytes });
    expect(result.violations).toEqual([]);
    expect(result.failed, `${result.failure} in ${mebibytes} MiB, ${plain.peakBytes / gib} GiB without`).toBe(
      without.failed,
    );
  }
});
