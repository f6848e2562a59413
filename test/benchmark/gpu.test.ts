import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { scratchDirectory } from '../support/scratch.js';

type Row = Record<string, unknown>;
interface Result {
  program: string;
  quick: boolean;
  device: { kind: string; name: string };
  stages: { stage: string; failed?: { message: string }; rows: Row[] }[];
}

const positive = (row: Row, ...names: string[]) => {
  for (const name of names) expect(row[name], name).toBeGreaterThan(0);
};

describe('benchmarks/gpu.mjs', () => {
  it('runs every stage on the CPU and writes its rows', async () => {
    const file = join(scratchDirectory(), 'rdrop.json');
    const script = join(packageRoot, 'benchmarks/gpu.mjs');
    await promisify(execFile)(process.execPath, [script, '--out', file, '--device', 'cpu', '--quick']);
    const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
    expect(result).toMatchObject({ program: 'rdrop', quick: true, device: { kind: 'cpu' } });
    expect(result.stages.filter(({ failed }) => failed)).toEqual([]);
    const rows = new Map(result.stages.map((stage) => [stage.stage, stage.rows]));
    expect([...rows.keys()]).toEqual(['loss', 'memory', 'step', 'epoch', 'validation']);

    expect(rows.get('loss')!.map(({ direction, precision }) => `${direction} ${precision}`)).toEqual(
      ['bfloat16', 'float32'].flatMap((precision) =>
        ['uni', 'uni-reverse', 'bi'].map((direction) => `${direction} ${precision}`),
      ),
    );
    for (const row of rows.get('loss')!) positive(row, 'median', 'gigabytesPerSecond', 'shareOfCopy');
    positive(rows.get('memory')![0]!, 'peakBytes');
    expect(rows.get('step')!.map(({ direction }) => direction)).toEqual(['uni', 'bi']);
    for (const row of rows.get('step')!) {
      positive(row, 'median', 'p10', 'p90', 'stepsPerSecond', 'tokensPerSecond', 'operationsPerSecond');
    }
    for (const row of rows.get('epoch')!) {
      expect(row).toMatchObject({ updates: 12, measuredUpdates: 12, scaled: false });
      expect(row['seconds']).toBeCloseTo(row['measuredSeconds'] as number, 9);
    }
    expect(rows.get('validation')![0]).toMatchObject({ sentences: 6, beam: 5 });
    positive(rows.get('validation')![0]!, 'seconds', 'generatedTokens');
  }, 120_000);
});
