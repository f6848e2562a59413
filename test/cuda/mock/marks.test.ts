// Where gradients of the CPU begin to travel while the backward pass runs: the driver has the core's own network.
import { expect, test } from 'vitest';
import { mockDriver, needsMock } from './driver.js';

needsMock();

test('post-norm and pre-norm: a mark for each layer, and what lies behind it is final', () => {
  expect(mockDriver('marks', {}, { OMP_NUM_THREADS: '1' })).toEqual({ faults: [] });
}, 60_000);
