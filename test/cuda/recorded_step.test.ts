// The roofline counts what a step records: the nodes of the paper's model on the mock CUDA runtime, name by name.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { noFlavor } from './flavor.js';
import { mockEnvironment } from './gpu_program.js';

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

const program = join(packageRoot, '.cmake-cuda-test/mock/cuda_mock_driver');
const skipReason = noFlavor ?? (existsSync(program) ? null : `${program} is not there`);

/** Of the update, which is a graph of its own. */
const update = ['adam/SquaresKernel', 'step_control/FinishKernel', 'adam/StepKernel'];

test('a recorded step has the nodes that the roofline counts, at most 300', (context) => {
  if (skipReason !== null) return context.skip(skipReason);
  const { stdout, stderr } = spawnSync(program, ['epoch', 'model=paper', 'batches=1', 'nodes=1'], {
    encoding: 'utf8',
    cwd: packageRoot,
    env: { ...process.env, ...mockEnvironment(), MOCK_COMPUTE: '0' },
  });
  const epoch = JSON.parse(stdout || `{"violations":["${stderr.split('\n')[0] ?? ''}"]}`) as Epoch;
  expect(epoch.violations).toEqual([]);
  const found = new Map<string, number>();
  for (const { kind, name, count } of epoch.nodes) {
    const kernel = kind === 'kernel' ? name.replace(/<.*/, '') : kind;
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
