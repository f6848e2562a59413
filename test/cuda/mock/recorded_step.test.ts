// The roofline counts what a step records: the nodes of the paper's model on the mock CUDA runtime, name by name.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../lib/native/binding.js';
import { mockDriver, needsMock } from './driver.js';

needsMock();

interface Epoch {
  violations: string[];
  nodes: { kind: string; name: string; count: number }[];
}

const load = (name: string) => import(join(packageRoot, 'benchmarks', name));
const { stepKernels, recordedNodes } = (await load('roofline/counts.mjs')) as {
  stepKernels: (config: object, batch: object, options: object) => object[];
  recordedNodes: (kernels: object[]) => Map<string, number>;
};
const { readBatches } = (await load('iwslt14/batches.mjs')) as { readBatches: () => object[] };
const { iwslt14 } = (await load('roofline.mjs')) as { iwslt14: object };

/** Of the update, which is a graph of its own. */
const update = ['adam/SquaresKernel', 'step_control/FinishKernel', 'adam/StepKernel'];

test('a recorded step has the nodes that the roofline counts, at most 300', () => {
  const epoch = mockDriver<Epoch>(
    'epoch',
    { model: 'paper', precision: 'bfloat16', batches: 1, nodes: 1 },
    { MOCK_COMPUTE: '0' },
  );
  expect(epoch.violations).toEqual([]);
  const found = new Map<string, number>();
  for (const { kind, name, count } of epoch.nodes) {
    const kernel = kind === 'kernel' || kind === 'product' ? name.replace(/[< ].*/, '') : kind;
    found.set(kernel, (found.get(kernel) ?? 0) + count);
  }
  const counted = recordedNodes(
    stepKernels(iwslt14, readBatches()[0]!, {
      tiles: { forward: [64, 64], causal: [64, 64], backward: [64, 64] },
      padded: true,
    }),
  );
  expect([...counted.values()].reduce((a, b) => a + b)).toBeLessThanOrEqual(300);
  for (const name of update) counted.delete(name);
  const sorted = (of: Map<string, number>) => Object.fromEntries([...of].sort());
  expect(sorted(found)).toEqual(sorted(counted));
}, 300_000);
