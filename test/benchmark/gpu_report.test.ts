import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { scratchDirectory } from '../support/scratch.js';

type Row = Record<string, unknown>;
interface Stage {
  stage: string;
  rows: Row[];
  failed?: { code: string | null; message: string };
}
interface Report {
  quick: boolean;
  failed: { program: string; stage: string; message: string }[];
  goals: { goal: string; wanted: string; found: number | null; met: boolean | null }[];
}

const time = (median: number) => ({ median, p10: 0.9 * median, p90: 1.2 * median, repetitions: 9 });
const device = {
  kind: 'cuda',
  name: 'NVIDIA GeForce RTX 3090',
  driver_version: '600.1',
  totalBytes: 2 ** 34,
};
const model = { vocabSize: 10152, embedDim: 512, ffnDim: 1024, heads: 4, dropout: 0.3 };

const lossRow = (direction: string, median: number, shareOfCopy: number): Row => ({
  ...{ side: 'rdrop', direction, precision: 'bfloat16', rows: 3584, classes: 10152, bytes: 291_078_144 },
  ...{ ...time(median), gigabytesPerSecond: 700, copy: time(median * shareOfCopy), shareOfCopy },
});
const stepRow = (side: string, direction: string, stepsPerSecond: number, more: Row = {}): Row => ({
  ...{ side, direction, precision: 'bfloat16', ...time(1 / stepsPerSecond), stepsPerGroup: 8, steps: 192 },
  ...{ stepsPerSecond, tokensPerSecond: 7246 * stepsPerSecond, ...more },
});
const epochRow = (direction: string, seconds: number, scaled: boolean): Row => ({
  ...{ side: 'rdrop', direction, precision: 'bfloat16', seconds, updates: 1102 },
  ...{ measuredUpdates: scaled ? 551 : 1102, measuredSeconds: scaled ? seconds / 2 : seconds, scaled },
});

const rdrop = (stages: Stage[]) => ({
  ...{ program: 'rdrop', quick: false, date: '2026-11-25', seed: 64, precision: 'bfloat16', device },
  ...{ versions: { libtorch: '2.14.1' }, model: { ...model, encoderLayers: 6, decoderLayers: 6 }, stages },
});
const pytorch = (stages: Stage[]) => ({
  ...{ program: 'pytorch', quick: false, date: '2026-11-25', seed: 64, precision: 'bfloat16', device },
  ...{ versions: { torch: '2.14.1' }, model: { ...model, layers: 6 }, stages },
});
const ours = rdrop([
  {
    stage: 'loss',
    rows: [lossRow('uni', 0.0004, 0.9), lossRow('uni-reverse', 0.0004, 0.84), lossRow('bi', 0.000404, 0.88)],
  },
  { stage: 'memory', rows: [{ side: 'rdrop', direction: 'uni', precision: 'bfloat16', peakBytes: 2 ** 31 }] },
  {
    stage: 'step',
    rows: [
      stepRow('rdrop', 'uni', 25, { shareOfMatrixPeak: 0.57, graphs: 12, graphFallbackReason: '' }),
      stepRow('rdrop', 'bi', 24, { graphFallbackReason: 'no memory' }),
    ],
  },
  { stage: 'epoch', rows: [epochRow('uni', 41.1, false), epochRow('bi', 42.8, true)] },
  { stage: 'validation', rows: [], failed: { code: 'CUDA_FAILED', message: 'an error | in the\nmiddle' } },
]);
const theirs = pytorch([
  {
    stage: 'step, eager',
    rows: [
      stepRow('torch eager', 'uni', 6, { peakBytes: 2 ** 33 }),
      stepRow('torch eager', 'bi', 6.1, { peakBytes: 2 ** 33 }),
    ],
  },
  { stage: 'step, compile', rows: [], failed: { code: 'RuntimeError', message: 'no compiler' } },
]);

async function report(...contents: (object | string)[]) {
  const directory = scratchDirectory();
  const files = contents.map((content, i) => {
    const file = join(directory, `in${i}.json`);
    if (content !== '') writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  });
  const script = join(packageRoot, 'benchmarks/gpu_report.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...[script, ...files, '--out-directory', directory],
  ]);
  const [json = '', markdown = ''] = stdout.trim().split('\n');
  return {
    ...{ json, markdown },
    report: JSON.parse(readFileSync(json, 'utf8')) as Report,
    text: readFileSync(markdown, 'utf8'),
  };
}

describe('benchmarks/gpu_report.mjs', () => {
  it('names its files after the device and lists goals met, missed and without a figure', async () => {
    const { json, report: found } = await report(ours, theirs);
    expect(json).toMatch(/nvidia_geforce_rtx_3090\.json$/);
    const goals = new Map(found.goals.map(({ goal, met }) => [goal, met]));
    expect(Object.fromEntries(goals)).toEqual({
      'loss uni, bfloat16: share of the copy bandwidth': true,
      'loss uni-reverse, bfloat16: share of the copy bandwidth': false,
      'loss bi, bfloat16: share of the copy bandwidth': true,
      'loss, bfloat16: uni and bi apart by': true,
      "steps a second, uni, of PyTorch eager's": true,
      "steps a second, uni, of torch.compile's": null,
      "steps a second, bi, of PyTorch eager's": false,
      "steps a second, bi, of torch.compile's": null,
      'epoch, uni: seconds': true,
      'epoch, bi: seconds': false,
    });
    expect(found.goals.find(({ goal }) => goal.includes('apart'))!.found).toBeCloseTo(0.01, 9);
    expect(found.goals.find(({ goal }) => goal.startsWith('steps a second, uni'))!.found).toBeCloseTo(
      25 / 6,
      9,
    );
  });

  it('reports every figure with its spread and conditions', async () => {
    const { text } = await report(ours, theirs);
    for (const line of [
      '# NVIDIA GeForce RTX 3090',
      '| driver_version | 600.1 |',
      '| rdrop | 2026-11-25 | 64 | bfloat16 | libtorch 2.14.1 | V 10152, D 512, F 1024, H 4, 6+6 layers, dropout 0.3 |',
      '| epoch, bi: seconds | ≤ 42 | 42.8 | **missed** |',
      '| rdrop | uni | bfloat16 | 2 · 3584 × 10152 | 0.4 (0.36 to 0.48) | 700 | 0.36 (0.324 to 0.432) | 90% |',
      '| rdrop | uni | bfloat16 | 40 (36 to 48) | 25 | 181,000 | 57% | 192 | 8 | 12 |',
      '| rdrop | bi | bfloat16 | 41.7 (37.5 to 50) | 24 | 174,000 | – | 192 | 8 | none: no memory |',
      '| rdrop | uni | bfloat16 | 41.1 | 1102 | all |',
      '| rdrop | bi | bfloat16 | 42.8 | 1102 | 551 updates by size in 21.4 s, scaled by tokens |',
      '| rdrop | uni | bfloat16 | 2 GiB |',
      '| torch eager | uni | bfloat16 | 8 GiB |',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });

  it('names what failed, stages and files alike', async () => {
    const { report: found, text } = await report(ours, theirs, '{"broken":', '');
    expect(found.failed.map(({ program, stage }) => [program.replace(/.*\//, ''), stage])).toEqual([
      ['rdrop', 'validation'],
      ['pytorch', 'step, compile'],
      ['in2.json', 'all'],
      ['in3.json', 'all'],
    ]);
    expect(text).toContain('| rdrop | validation | an error \\| in the middle |\n');
    expect((await report({ ...ours, stages: ours.stages.slice(0, 4) })).text).toContain('No stage failed.');
  });

  it('takes the file of scripts/gpu-check.sh', async () => {
    const rows = (name: string, of: typeof ours | typeof theirs) =>
      of.stages
        .filter(({ stage }) => stage.split(',')[0] === name)
        .flatMap((stage) => stage.rows.map((row) => ({ row: name, ...row })));
    const of = (stage: string, result: string, found: Row[]) => ({
      ...{
        stage,
        result,
        seconds: 9,
        quick: false,
        date: '2026-11-30',
        message: result === 'failed' ? 'why' : '',
      },
      ...{ cases: { passed: 0, failed: [] }, rows: found },
    });
    const { report: found, text } = await report({
      device: { name: device.name, capability: '8.6', driver: '600.1' },
      stages: [
        of('kernels', 'passed', rows('loss', ours)),
        of('step', 'failed', [
          { row: 'build', libtorch: '2.14.1' },
          ...['memory', 'step', 'epoch'].flatMap((name) => rows(name, ours)),
        ]),
        of('peers', 'passed', rows('step', theirs)),
        of('node', 'passed', [{ row: 'step', ...stepRow('rdrop', 'uni', 1) }]),
      ],
    });
    const { report: direct } = await report(ours, theirs);
    expect(found.goals).toEqual(direct.goals);
    expect(found.failed).toEqual([{ program: 'rdrop', stage: 'step', message: 'failed: why' }]);
    expect(text).toContain('| rdrop | 2026-11-30 | 64 | bfloat16 | libtorch 2.14.1 |');
  });

  it('does not dress a trial run as a measurement', async () => {
    expect((await report({ ...ours, quick: true }, theirs)).text).toContain('No figure here says how fast');
    expect((await report(ours, theirs)).text).not.toContain('trial run');
  });

  it('refuses figures of different devices, and nothing at all', async () => {
    const other = { ...theirs, device: { ...device, name: 'NVIDIA H200' } };
    await expect(report(ours, other)).rejects.toThrow(
      /different devices: NVIDIA GeForce RTX 3090, NVIDIA H200/,
    );
    await expect(report('')).rejects.toThrow(/none of the files could be read/);
  });
});
