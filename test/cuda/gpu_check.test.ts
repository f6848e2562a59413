// scripts/gpu-check.sh with its own stages, on the mock CUDA runtime in place of a GPU: a rehearsal.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { scratchDirectory } from '../support/scratch.js';
import { noFlavor } from './flavor.js';
import { gpuProgram, mockEnvironment } from './gpu_program.js';

interface Check {
  stages: {
    stage: string;
    result: string;
    message: string;
    cases: { passed: number; failed: string[] };
    rows: { row: string }[];
  }[];
}

test('the stage of the kernels passes and its results are written', (context) => {
  if (noFlavor !== null) return context.skip(noFlavor);
  if (!existsSync(gpuProgram)) return context.skip(`${gpuProgram} is not there`);
  const directory = scratchDirectory();
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const programs = { 'nvidia-smi': "echo 'Mock GPU, 9.0, 600.1'" };
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const unpacked = join(directory, 'kernels');
  mkdirSync(unpacked);
  const preload = Object.entries(mockEnvironment())
    .map(([name, value]) => `${name}='${value}'`)
    .join(' ');
  // Of the program that has to run on the mock, and of it alone.
  writeFileSync(join(unpacked, 'gpu_kernels'), `#!/bin/sh\n${preload} exec '${gpuProgram}' "$@"\n`);
  chmodSync(join(unpacked, 'gpu_kernels'), 0o755);
  const bundle = join(directory, 'bundle');
  mkdirSync(bundle);
  spawnSync('tar', ['-cJf', join(bundle, 'kernels.tar.xz'), '-C', unpacked, '.']);
  const out = join(directory, 'out');
  const script = join(packageRoot, 'scripts/gpu-check.sh');
  const { status, stderr } = spawnSync('bash', [script, '--out', out, '--stages', 'kernels', '--quick'], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: `${bin}:${process.env['PATH']}`,
      GPU_BUNDLE: bundle,
      GPU_UNPACKED: join(directory, 'unpacked'),
      RDROP_GPU_STAGE_SECONDS: '280',
    },
  });
  const read = (file: string) => readFileSync(join(out, file), 'utf8');
  expect(status, stderr + read('mock_gpu_kernels.log')).toBe(0);
  const [stage] = (JSON.parse(read('mock_gpu_check.json')) as Check).stages;
  expect(stage).toMatchObject({ stage: 'kernels', result: 'passed', message: '', cases: { failed: [] } });
  expect(stage!.cases.passed).toBeGreaterThan(60);
  const rows = new Set(stage!.rows.map(({ row }) => row));
  for (const row of ['device', 'cases', 'correct', 'loss', 'kernel', 'sanitizer'])
    expect(rows).toContain(row);
  expect(read('mock_gpu_check.md')).toContain('| kernels (a trial) | passed |');
}, 320_000);
