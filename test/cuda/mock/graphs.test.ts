// Graphs of the real librdrop_cuda.so on the mock CUDA runtime: the memory that they were recorded with stays theirs.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Lifetimes {
  checks: { after: string; pointers: number; lost: string[] }[];
  violations: string[];
}

test.each([
  ['float32', {}],
  // The mock does not compute the kernel of libtorch that rounds the first weights.
  ['bfloat16', { MOCK_COMPUTE: '0' }],
  ['float16', { MOCK_COMPUTE: '0' }],
] as [string, Record<string, string>][])(
  '%s: what live graphs use is allocated after a validation, other micro-batches, a second model and its end',
  (precision, environment) => {
    const { checks, violations } = mockDriver<Lifetimes>('lifetimes', { precision }, environment);
    expect(violations).toEqual([]);
    expect(checks.length).toBeGreaterThan(4);
    for (const { after, pointers, lost } of checks) {
      expect(lost, after).toEqual([]);
      expect(pointers, after).toBeGreaterThan(0);
    }
  },
);
