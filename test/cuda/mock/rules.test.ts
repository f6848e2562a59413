// The mock runtime itself: what it has to notice.
import { beforeEach, expect, test } from 'vitest';
import { noMock } from '../flavor.js';
import { mockDriver } from './driver.js';

beforeEach((context) => {
  if (noMock !== null) context.skip(noMock);
});

test.each(['86', '90'])('the mock notices every broken rule of the runtime, on sm_%s', (sm) => {
  const { rules, faults } = mockDriver<{ rules: number; faults: string[] }>('rules', {}, { MOCK_SM: sm });
  expect(faults).toEqual([]);
  expect(rules).toBeGreaterThan(5);
});
