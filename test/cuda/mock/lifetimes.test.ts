// What live graphs use stays allocated.
import { expect, test } from 'vitest';
import { noMock } from '../flavor.js';
import { mockDriver } from './driver.js';

interface Lifetimes {
  checks: { after: string; pointers: number; lost: string[] }[];
  violations: string[];
}

test.each(['bfloat16', 'float32'])(
  '%s: every address in a live graph stays allocated after a validation, other micro-batches, a second model and its end',
  (precision, context) => {
    if (noMock !== null) return context.skip(noMock);
    const found = mockDriver<Lifetimes>('lifetimes', { precision }, { MOCK_COMPUTE: '0' });
    expect(found.violations).toEqual([]);
    expect(found.checks.length).toBeGreaterThan(4);
    for (const { after, pointers, lost } of found.checks) {
      expect(pointers, after).toBeGreaterThan(0);
      expect(lost, after).toEqual([]);
    }
  },
);
