// Calls of the runtime that fail, one at a time, at whatever point: a trainer goes on or throws a coded error, and the process
// works afterwards.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Failures {
  kind: string;
  tried: number;
  calls: number;
  codes: Record<string, number>;
  faults: string[];
  violations: string[];
}

const known = ['none', 'OUT_OF_MEMORY', 'CUDA_FAILED', 'NON_FINITE'];

test.each(['allocation', 'memory', 'launch', 'product', 'copy', 'event', 'capture', 'graph', 'wait'])(
  'a failing %s, every single one: a coded error at most, and training continues',
  (kind) => {
    const found = mockDriver<Failures>('failures', { kind, precision: 'bfloat16' }, { MOCK_COMPUTE: '0' });
    expect(found.faults).toEqual([]);
    expect(found.violations).toEqual([]);
    expect(found.tried).toBeGreaterThan(0);
    for (const code of Object.keys(found.codes)) expect(known).toContain(code);
  },
  300_000,
);
