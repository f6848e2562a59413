// The shapes of an epoch of IWSLT'14 at full size: recorded, checked, not computed.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Epoch {
  batches: number;
  failed: number;
  failure: string;
  graphs: number;
  graphFallbackReason: string;
  peakBytes: number;
  leastNodes: number;
  mostNodes: number;
  violations: string[];
  nodes: { kind: string; name: string; own: boolean; count: number }[];
}

const epoch = (precision: string, sm: string, batches: number) =>
  mockDriver<Epoch>(
    'epoch',
    { model: 'paper', precision, batches, nodes: 1 },
    { MOCK_COMPUTE: '0', MOCK_SM: sm },
  );

test.each([
  ['bfloat16', '86', 1102],
  ['float16', '90', 300],
  ['float32', '86', 100],
] as const)(
  'an epoch in %s on sm_%s: no violation, every shape becomes a graph',
  (precision, sm, batches) => {
    const found = epoch(precision, sm, batches);
    expect(found.violations).toEqual([]);
    expect(found).toMatchObject({ batches, failed: 0, failure: '', graphFallbackReason: '' });
    expect(found.graphs).toBeGreaterThan(20);
    expect(found.nodes.reduce((sum, { count }) => sum + count, 0)).toBe(found.mostNodes);
    expect(found.mostNodes).toBeLessThanOrEqual(400);
  },
  300_000,
);
