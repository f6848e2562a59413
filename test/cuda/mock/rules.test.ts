// The mock runtime itself: what it has to notice.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

test.each(['86', '90'])('the mock notices every broken rule of the runtime, on sm_%s', (sm) => {
  const { rules, faults } = mockDriver<{ rules: number; faults: string[] }>('rules', {}, { MOCK_SM: sm });
  expect(faults).toEqual([]);
  expect(rules).toBeGreaterThan(5);
});
