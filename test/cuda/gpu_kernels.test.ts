// native/test/gpu/: the program of gpu-check.sh's first stage, on the mock CUDA runtime in place of a GPU.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { noFlavor } from './flavor.js';
import { gpuProgram, mockEnvironment } from './gpu_program.js';

interface Row {
  row: string;
  part: string;
  phase: string;
  shape: string;
  bytes: number;
}
interface Kernel {
  part: string;
  phase: string;
  bytes: number;
}
const { stepKernels } = (await import(join(packageRoot, 'benchmarks/roofline/counts.mjs'))) as {
  stepKernels: (config: object, batch: object, options: object) => Kernel[];
};

function run(args: string[], env: Record<string, string> = {}) {
  const { stdout, stderr, status } = spawnSync(gpuProgram, args, {
    encoding: 'utf8',
    env: { ...process.env, ...mockEnvironment(), ...env },
  });
  const lines = stdout.split('\n');
  return {
    ...{ status, stderr, lines },
    rows: lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Row),
    failed: lines.filter((line) => line.startsWith('FAILED ')),
    passed: lines.filter((line) => line.startsWith('ok ')),
  };
}

const skipReason = noFlavor ?? (existsSync(gpuProgram) ? null : `${gpuProgram} is not there`);

test('the micro-benchmarks count the bytes that the roofline counts', (context) => {
  if (skipReason !== null) return context.skip(skipReason);
  const { rows } = run(['list']);
  const config = {
    ...{ vocabSize: 10_152, embedDim: 512, ffnDim: 1024, heads: 4 },
    ...{ encoderLayers: 6, decoderLayers: 6, dropout: 0.3 },
  };
  const tiles = { forward: [64, 64], causal: [64, 64], backward: [64, 64] };
  // 7,200 rows of both passes on the source's side, 3,584 target positions of one pass.
  const counted = stepKernels(config, { source: [3600], target: [3584] }, { tiles, chunkRows: 3584 });
  const kernels = rows.filter((row) => !('direction' in row));
  expect(kernels.length).toBeGreaterThanOrEqual(9);
  for (const { part, phase, shape, bytes } of kernels) {
    // The bytes of the kernel for short sequences; the roofline counts what a step runs.
    if (part.startsWith('attention') && phase === 'backward') continue;
    const alike = counted.filter((kernel) => kernel.part === part && kernel.phase === phase);
    expect(
      alike.map((kernel) => kernel.bytes),
      `${part}, ${phase}, ${shape}`,
    ).toContain(bytes);
  }
  const loss = counted.find(({ part }) => part === 'R-Drop loss')!;
  const [bfloat16, float32] = ['bfloat16', 'float32'].map(
    (precision) =>
      rows.find((row) => 'direction' in row && row['precision' as keyof Row] === precision)!.bytes,
  );
  expect(bfloat16).toBe(loss.bytes);
  expect(float32).toBe(2 * loss.bytes);
});

test('every kernel test passes on memory of the device', (context) => {
  if (skipReason !== null) return context.skip(skipReason);
  const { status, failed, passed, rows, stderr } = run(['cases']);
  expect(failed).toEqual([]);
  expect(passed.length).toBeGreaterThan(60);
  expect(stderr).not.toContain('violation');
  expect(rows).toEqual([expect.objectContaining({ row: 'cases', failures: 0 })]);
  expect((rows[0] as unknown as { launches: number }).launches).toBeGreaterThan(500);
  expect(status).toBe(0);
}, 300_000);

for (const how of ['crash', 'hang']) {
  test(`after a case that ends in a ${how} the next ones run`, (context) => {
    if (skipReason !== null) return context.skip(skipReason);
    const name = 'adam: a copy in float16';
    const { status, failed, passed } = run(['cases', 'adam: '], { RDROP_GPU_SABOTAGE: `${how} ${name}` });
    expect(failed).toEqual([`FAILED ${name}: the program ended (signal ${how === 'crash' ? 11 : 9})`]);
    expect(passed.length).toBeGreaterThan(3);
    expect(status).toBe(1);
  }, 120_000);
}

test('the micro-benchmarks run, and the loss gives the numbers of the CPU', (context) => {
  if (skipReason !== null) return context.skip(skipReason);
  const { status, rows, stderr } = run(['bench', '--quick']);
  expect(rows.filter(({ row }) => row === 'correct')).toEqual([expect.objectContaining({ differs: '' })]);
  expect(rows.length).toBe(run(['list']).rows.length + 1);
  for (const row of rows.slice(1))
    expect(row).toMatchObject({ median: expect.any(Number), shareOfCopy: expect.any(Number) });
  expect(stderr).not.toContain('violation');
  expect(status).toBe(0);
}, 120_000);
