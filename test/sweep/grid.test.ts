import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sweepCommand } from '../../lib/cli/sweep.js';
import type { SweepOptions } from '../../lib/options/index.js';
import { conditionOf } from '../../lib/report/conditions.js';
import { readRuns } from '../../lib/report/runs.js';
import { gridPoints } from '../../lib/sweep/grid.js';
import { sweep } from '../../lib/sweep/sweep.js';
import { all, fakeTrial, names, writeFakeData } from '../support/sweeps/sweeps.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rdrop-grid-'));
  await writeFakeData(join(root, 'data'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function finished(extra: Partial<SweepOptions>): Promise<string[]> {
  const options = { directory: join(root, 'out'), seeds: [1], directions: ['uni' as const], ...extra };
  const shared = { data: join(root, 'data'), maxUpdates: 3 };
  return names(await all(sweep(shared, { ...options, trialEntry: fakeTrial })), 'finish');
}
const json = async (...path: string[]) => JSON.parse(await readFile(join(root, 'out', ...path), 'utf8'));

describe('a grid', () => {
  const grid = { 'loss.alpha': [1, 5], 'model.dropout': [0.1, 0.3] };

  it('trains every combination in a directory that names it', async () => {
    expect(await finished({ grid, directions: ['baseline', 'uni'] })).toEqual([
      ...['baseline-1-dropout=0.1', 'baseline-1-dropout=0.3'],
      ...['uni-1-alpha=1-dropout=0.1', 'uni-1-alpha=1-dropout=0.3'],
      ...['uni-1-alpha=5-dropout=0.1', 'uni-1-alpha=5-dropout=0.3'],
    ]);
    expect(await json('uni-1-alpha=1-dropout=0.3', 'config.json')).toMatchObject({
      loss: { alpha: 1 },
      model: { dropout: 0.3 },
    });
    expect((await json('sweep.json')).grid).toEqual(grid);
  });

  it('takes further values, and no other options', async () => {
    await finished({ grid: { 'model.dropout': [0.1] } });
    expect(await finished({ grid: { 'model.dropout': [0.3] } })).toEqual(['uni-1-dropout=0.3']);
    expect((await json('sweep.json')).grid).toEqual({ 'model.dropout': [0.1, 0.3] });
    await expect(finished({ grid: { 'loss.alpha': [1] } })).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: expect.stringContaining('grid'),
    });
    await expect(finished({})).rejects.toMatchObject({ code: 'RUN_EXISTS' });
  });

  it('is grouped in a report by what differs, trials that have not begun too', async () => {
    await finished({ grid: { 'model.dropout': [0.1, 0.3] } });
    await rm(join(root, 'out', 'uni-1-dropout=0.3'), { recursive: true });
    const runs = await readRuns([join(root, 'out')], false);
    expect(runs.map((run) => [conditionOf(run), run.state])).toEqual([
      ['uni, dropout=0.1', 'finished'],
      ['uni, dropout=0.3', 'missing'],
    ]);
  });

  it('refuses options and values that a trial cannot have', async () => {
    const refused = (values: object, text: string) =>
      expect(finished({ grid: values as NonNullable<SweepOptions['grid']> })).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining(text),
      });
    await refused({ 'model.drop': [0.1] }, 'drop');
    await refused({ 'model.dropout': [2] }, 'dropout');
    await refused({ seed: [1] }, 'sweep.grid');
    await refused({ runDirectory: ['x'] }, 'sweep.grid');
    await refused({ 'model.dropout': [] }, 'sweep.grid');
    await refused({ 'model.dropout': [0.1, 0.1] }, 'differ');
    await refused({ 'model.norm': ['../x'] }, 'sweep.grid');
  });

  it('names options by their last part, or whole where two end alike', () => {
    expect(gridPoints({ 'a.b': [1], 'c.b': [2] }, 'bi').map(({ suffix }) => suffix)).toEqual([
      '-a.b=1-c.b=2',
    ]);
    expect(gridPoints({}, 'bi').map(({ suffix }) => suffix)).toEqual(['']);
  });

  it('comes from the command line as lists of numbers, names and truth values', async () => {
    const runSweep = vi.fn(async () => ({ results: [], failures: [], reason: 'finished' }));
    vi.doMock('../../lib/cli/shared/run_sweep.js', () => ({ runSweep }));
    try {
      const given = ['loss.alpha=1, 5e-1', 'model.dropout=0.1', 'model.norm=pre,post', 'a.b=true,false'];
      const flags = given.flatMap((each) => ['--grid', each]);
      await sweepCommand()
        .exitOverride()
        .parseAsync(['--data', 'd', '--out', 'o', ...flags], { from: 'user' });
    } finally {
      vi.doUnmock('../../lib/cli/shared/run_sweep.js');
    }
    const [[, options] = []] = runSweep.mock.calls as unknown as [unknown, SweepOptions][];
    expect(options?.grid).toEqual({
      'loss.alpha': [1, 0.5],
      'model.dropout': [0.1],
      'model.norm': ['pre', 'post'],
      'a.b': [true, false],
    });
  });

  it('comes from the command line as option=list', async () => {
    const command = sweepCommand().exitOverride();
    await expect(
      command.parseAsync(['--data', join(root, 'data'), '--out', join(root, 'out'), '--grid', 'dropout'], {
        from: 'user',
      }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
