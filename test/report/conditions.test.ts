import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig, trainSchema } from '../../lib/options/index.js';
import { mergeOptions } from '../../lib/options/presets.js';
import { conditionOf, withConditions } from '../../lib/report/conditions.js';
import { type RunSummary, renderReport, writeReport } from '../../lib/report/report.js';
import { directionOf } from '../../lib/sweep/direction_loss.js';
import { rowsOf } from '../support/html.js';

const environment = {
  rdrop: '0.1.0',
  compiledAgainst: '2.13.0',
  node: 'v20.20.2',
  processor: 'A',
  threads: 1,
  data: { 'train.de': 'aa' },
};
let directories = 0;

/** A finished run with every option; what differs from the rest is given. */
function run(seed: number, options: object = {}, more: object = {}): RunSummary {
  const name = `run${directories++}`;
  const shared = {
    data: '/data/one',
    runDirectory: `/runs/${name}`,
    seed,
    device: 'cpu',
    precision: 'float32',
  };
  const config = parseConfig(trainSchema, mergeOptions(shared, options), 'train');
  return {
    direction: directionOf(config.loss),
    seed,
    testScore: 30 + seed / 10,
    seconds: 10,
    curve: [],
    name,
    state: 'finished',
    config,
    environment: { ...environment, ...more },
  };
}
const conditionsOf = (runs: RunSummary[]) => withConditions(runs).map(conditionOf);

describe('the condition of a run', () => {
  it('is its direction where nothing but the seed, places, threads and machine differ', () => {
    const runs = [
      run(1),
      run(
        2,
        { data: '/elsewhere/one', threads: 8, logInterval: 7, checkpointInterval: 3 },
        { processor: 'B' },
      ),
      run(1, { loss: { direction: 'bi' } }),
      run(1, { loss: { alpha: 0 } }),
      run(2, { loss: { alpha: 0, direction: 'bi' } }),
      run(1, { loss: { alpha: 0, passes: 1 } }),
    ];
    expect(conditionsOf(runs)).toEqual(['uni', 'uni', 'bi', 'baseline', 'baseline', 'one-pass']);
  });

  it.each([
    ['α', { loss: { alpha: 1 } }, 'uni, alpha=5', 'uni, alpha=1'],
    ['dropout', { model: { dropout: 0.1 } }, 'uni, dropout=0.3', 'uni, dropout=0.1'],
    ['the smoothing', { loss: { smoothing: 'fairseq' } }, 'uni, smoothing=dropreg', 'uni, smoothing=fairseq'],
    [
      'the learning rate',
      { optimizer: { learningRate: 1 } },
      'uni, learningRate=0.0005',
      'uni, learningRate=1',
    ],
    ['the batches', { batches: { maxTokens: 9 } }, 'uni, maxTokens=4096', 'uni, maxTokens=9'],
    ['a limit', { maxUpdates: 9 }, 'uni, maxUpdates=300000', 'uni, maxUpdates=9'],
    ['the search', { test: { beam: { beam: 1 } } }, 'uni, beam=5', 'uni, beam=1'],
    ['the precision', { precision: 'bfloat16' }, 'uni, precision=float32', 'uni, precision=bfloat16'],
  ])('has %s where it differs', (_, options, first, second) => {
    expect(conditionsOf([run(1), run(2), run(1, options)])).toEqual([first, first, second]);
  });

  it('has the content of the data and the versions that matter', () => {
    const other = { data: { 'train.de': 'bb' } };
    expect(conditionsOf([run(1), run(1, { data: '/data/two' }, other)])).toEqual([
      'uni, data=one',
      'uni, data=two',
    ]);
    // The same place with another content.
    expect(conditionsOf([run(1), run(1, {}, other)])).toEqual(['uni, data=A', 'uni, data=B']);
    expect(conditionsOf([run(1), run(1, {}, { rdrop: '0.2.0' })])).toEqual([
      'uni, rdrop=0.1.0',
      'uni, rdrop=0.2.0',
    ]);
    expect(conditionsOf([run(1), run(1, {}, { compiledAgainst: '2.12.0' })])).toEqual([
      'uni, libtorch=2.13.0',
      'uni, libtorch=2.12.0',
    ]);
  });

  it('has everything that differs, and no weight for plain', () => {
    const options = { loss: { alpha: 1 }, model: { dropout: 0.1 } };
    expect(conditionsOf([run(1), run(1, options), run(1, { loss: { alpha: 0 } })])).toEqual([
      'uni, alpha=5, dropout=0.3',
      'uni, alpha=1, dropout=0.1',
      'baseline, dropout=0.3',
    ]);
    // Two options of one name.
    expect(
      conditionsOf([
        run(1),
        run(1, {
          validation: { beam: { beam: 2, maxLenA: 1.2, maxLenB: 10 } },
          test: { beam: { beam: 2 } },
        }),
      ])[1],
    ).toBe('uni, validation.beam.beam=2, test.beam.beam=2');
  });

  it('tells conditions apart that differ in more than is spelled out', () => {
    const many = (last: number) => ({
      model: { embedDim: 8, ffnDim: 8, heads: 2, encoderLayers: 1, decoderLayers: last, dropout: 0.1 },
    });
    const found = conditionsOf([run(1), run(1, many(1)), run(1, many(2))]);
    expect(new Set(found).size).toBe(3);
    for (const name of found) expect(name.length).toBeLessThan(90);
  });

  it('takes a run from before an option existed for one with its default', () => {
    const old = run(1);
    const loss = { ...(old.config?.['loss'] as object) } as Record<string, unknown>;
    delete loss['smoothing'];
    expect(conditionsOf([{ ...old, config: { ...old.config, loss } }, run(2)])).toEqual(['uni', 'uni']);
  });

  it('is the direction where nothing else is known', () => {
    const bare = ['uni', 'bi'].map((direction) => ({
      direction,
      seed: 1,
      testScore: 1,
      seconds: 1,
      curve: [],
    }));
    expect(conditionsOf(bare)).toEqual(['uni', 'bi']);
  });
});

describe('a report of runs that differ', () => {
  it('pools no two conditions, compares each pair, and says what is pooled', async () => {
    const runs = [1, 2, 3].flatMap((seed) => [
      { ...run(seed), testScore: 30 + seed },
      { ...run(seed, { loss: { alpha: 1 } }, { processor: 'B' }), testScore: 20 + seed },
      { ...run(seed, { loss: { alpha: 10 } }, seed === 2 ? { processor: 'B' } : {}), testScore: 10 + seed },
    ]);
    const { html, markdown } = await renderReport(runs, 'Ablation');
    expect(rowsOf(html, 'Test BLEU by condition and seed').map((row) => row.slice(0, 5))).toEqual([
      ['uni, alpha=1', '21.00', '22.00', '23.00', '22.00'],
      ['uni, alpha=5', '31.00', '32.00', '33.00', '32.00'],
      ['uni, alpha=10', '11.00', '12.00', '13.00', '12.00'],
    ]);
    expect(rowsOf(html, 'Differences between conditions in test BLEU').map(([pair]) => pair)).toEqual([
      'uni, alpha=1 − uni, alpha=5',
      'uni, alpha=1 − uni, alpha=10',
      'uni, alpha=5 − uni, alpha=10',
    ]);
    expect(rowsOf(html, 'What the conditions differ in')).toEqual([
      ['uni, alpha=1', '3', '1'],
      ['uni, alpha=5', '3', '5'],
      ['uni, alpha=10', '3', '10'],
    ]);
    expect(markdown).toContain(
      'Runs are pooled over the seed, the run directory, the number of threads and the machine',
    );
    // Of the third condition alone one run has another processor.
    expect(markdown).toContain('Pooled although they differ: processor (A, B).');
    for (const name of ['uni, alpha=1', 'uni, alpha=5', 'uni, alpha=10'])
      expect(html).toContain(`>${name}</text>`);
  });
});

describe('reports of sweeps', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rdrop-conditions-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** A sweep directory; the trials of the seeds given have finished. */
  async function sweep(name: string, options: object, seeds: number[], finished: number[]): Promise<string> {
    const directory = join(root, name);
    const shared = parseConfig(trainSchema, mergeOptions({ data: 'd', runDirectory: 'r' }, options), 'train');
    const { seed: _s, runDirectory: _r, threads: _t, data: _d, loss, ...rest } = shared;
    const { direction: _direction, ...sharedLoss } = loss;
    await mkdir(directory, { recursive: true });
    const config = { ...rest, loss: sharedLoss };
    const plan = { version: 1, seeds, directions: ['uni', 'bi'], config, data: environment.data };
    await writeFile(join(directory, 'sweep.json'), JSON.stringify(plan));
    for (const direction of ['uni', 'bi'] as const) {
      for (const seed of finished) {
        const trial = join(directory, `${direction}-${seed}`);
        await mkdir(trial);
        const resolved = { device: 'cpu', precision: 'float32', seed, loss: { direction } };
        const own = mergeOptions(shared, { runDirectory: trial }, resolved);
        await writeFile(join(trial, 'config.json'), JSON.stringify(own));
        await writeFile(join(trial, 'environment.json'), JSON.stringify(environment));
        const testBleu = { score: 30 + seed, signature: 's' };
        await writeFile(join(trial, 'result.json'), JSON.stringify({ testBleu, seconds: 1 }));
      }
    }
    return directory;
  }
  const read = async (directories: string[]) =>
    readFile((await writeReport(directories, join(root, 'out'))).html, 'utf8');

  it('puts two sweeps into one report, those that have not begun in their places', async () => {
    const one = await sweep('one', { model: { dropout: 0.1 } }, [1, 2], [1, 2]);
    const two = await sweep('two', { model: { dropout: 0.2 } }, [1, 2], [1]);
    const html = await read([one, two]);
    expect(rowsOf(html, 'Test BLEU by condition and seed').map((row) => row.slice(0, 3))).toEqual([
      ['uni, dropout=0.1', '31.00', '32.00'],
      ['uni, dropout=0.2', '31.00', '—'],
      ['bi, dropout=0.1', '31.00', '32.00'],
      ['bi, dropout=0.2', '31.00', '—'],
    ]);
    expect(html).toContain('uni, dropout=0.2, seed 2 (not begun)');
  });

  it('goes on with one sweep in another directory under other seeds, and refuses the same seed twice', async () => {
    const one = await sweep('one', {}, [1, 2], [1, 2]);
    const two = await sweep('two', {}, [3], [3]);
    expect(
      rowsOf(await read([one, two]), 'Test BLEU by direction and seed').map((row) => row.slice(0, 4)),
    ).toEqual([
      ['uni', '31.00', '32.00', '33.00'],
      ['bi', '31.00', '32.00', '33.00'],
    ]);
    const again = await sweep('again', {}, [2], [2]);
    await expect(read([one, again])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/one\/uni-2 and .*again\/uni-2, .* direction uni and seed 2/),
    });
  });
});
