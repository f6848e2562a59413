import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweepCommand } from '../../lib/cli/sweep.js';
import type { SweepOptions } from '../../lib/options/index.js';
import { parseSearch } from '../../lib/options/search.js';
import { readRuns } from '../../lib/report/runs.js';
import { conditionsOf, searchedPoints } from '../../lib/sweep/search.js';
import { type SweepEvent, sweep } from '../../lib/sweep/sweep.js';
import { all, fakeTrial, names, of, writeFakeData } from '../support/sweeps/sweeps.js';
import { makeReversalData, tinyOptions } from '../training/tiny_run.js';

let root: string;
let out: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rdrop-search-'));
  out = join(root, 'out');
  await writeFakeData(join(root, 'data'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

type Extra = Partial<SweepOptions> & { signal?: AbortSignal };
const start = (extra: Extra, config: object = {}): AsyncGenerator<SweepEvent> =>
  sweep(
    { data: join(root, 'data'), maxUpdates: 8, ...config },
    { directory: out, seeds: [1], directions: ['uni'], parallel: 2, trialEntry: fakeTrial, ...extra },
  );
const json = async (...path: string[]) => JSON.parse(await readFile(join(out, ...path), 'utf8'));
const behave = (behavior: object): Promise<void> =>
  writeFile(join(root, 'behavior.json'), JSON.stringify(behavior));

describe('a search', () => {
  it('is written as a text', () => {
    expect(parseSearch('random:8')).toEqual({ kind: 'random', samples: 8, seed: 1 });
    expect(parseSearch('random:8:7')).toEqual({ kind: 'random', samples: 8, seed: 7 });
    expect(parseSearch('halving')).toEqual({ kind: 'halving', factor: 3 });
    expect(parseSearch('halving:2')).toEqual({ kind: 'halving', factor: 2 });
    for (const text of ['random', 'random:0', 'halving:1', 'halving:2.5', 'bayes:3', 'random:3:'])
      expect(parseSearch(text)).toBeNull();
  });

  it('is an option of the command', () => {
    const command = sweepCommand();
    command.parseOptions(['--out', 'x', '--search', 'halving:2']);
    expect(command.opts()).toMatchObject({ search: 'halving:2' });
  });
});

describe('random search', () => {
  const grid = { 'loss.alpha': [1, 2, 3, 4, 5], 'model.dropout': [0.1, 0.2, 0.3] };
  const points = (search: string, direction = 'uni', of: typeof grid = grid) =>
    searchedPoints({ grid: of, search }, direction).map(({ suffix }) => suffix);

  it('draws different points by its seed, whose further samples are further points', () => {
    expect(points('random:15')).toHaveLength(15);
    expect(points('random:4')).toHaveLength(4);
    expect(points('random:6')).toEqual(expect.arrayContaining(points('random:4')));
    expect(points('random:4:2')).not.toEqual(points('random:4:1'));
    const { 'loss.alpha': alpha, 'model.dropout': dropout } = grid;
    const turned = { 'model.dropout': dropout, 'loss.alpha': alpha };
    const values = (of: typeof grid) =>
      searchedPoints({ grid: of, search: 'random:4' }, 'uni')
        .map(({ values }) => JSON.stringify([...values].sort()))
        .sort();
    expect(values(turned)).toEqual(values(grid));
  });

  it('has for the baseline, which has no α, one trial for all points that are then the same', () => {
    const dropouts = new Set(points('random:4').map((suffix) => suffix.replace(/-alpha=\d/, '')));
    expect(points('random:4', 'baseline').sort()).toEqual([...dropouts].sort());
  });

  it('trains the points with every seed, is continued and extended, and reported as that', async () => {
    const expected = (search: string, seeds: number[]) =>
      seeds.flatMap((seed) => points(search).map((suffix) => `uni-${seed}${suffix}`)).sort();
    const first = await all(start({ grid, search: 'random:3', seeds: [1, 2] }));
    expect(names(first, 'finish')).toEqual(expected('random:3', [1, 2]));
    expect((await json('sweep.json')).search).toBe('random:3');
    expect((await readRuns([out], false)).map(({ name }) => name).sort()).toEqual(
      expected('random:3', [1, 2]),
    );
    expect(names(await all(start({ grid, search: 'random:3' })), 'start')).toEqual([]);
    const more = await all(start({ grid, search: 'random:4', seeds: [1] }));
    expect(names(more, 'start')).toHaveLength(1);
    // Fewer are part of more, whose plan stands.
    await all(start({ grid, search: 'random:2', seeds: [1] }));
    expect((await json('sweep.json')).search).toBe('random:4');
    const others = { 'loss.alpha': [1, 2], 'model.dropout': [0.1, 0.2] };
    for (const [extra, text] of [
      [{ grid, search: 'random:3:2' }, 'its search'],
      [{ grid }, 'its search'],
      [{ grid: others, search: 'random:3' }, 'the values of its grid'],
    ] as const)
      await expect(all(start(extra))).rejects.toMatchObject({
        code: 'RUN_EXISTS',
        message: expect.stringContaining(text),
      });
  });
});

describe('successive halving', () => {
  const grid = { 'loss.alpha': [1, 2, 3, 4] };
  /** BLEU by update; α 4 would be the best at the end, and is dropped after the first rung. */
  const validBleu = {
    'uni-1-alpha=1': { 2: 10, 4: 11, 8: 12 },
    'uni-1-alpha=2': { 2: 12, 4: 13, 8: 14 },
    'uni-1-alpha=3': { 2: 11, 4: 15, 8: 16 },
    'uni-1-alpha=4': { 2: 9, 4: 30, 8: 40 },
  };
  const halving = { grid, search: 'halving:2' };
  const rungs = (events: SweepEvent[]) =>
    of(events, 'rung').map(({ updates, survivors, reused }) => ({ updates, survivors, reused }));

  it('continues the best of each rung from their checkpoints, and tests the last ones alone', async () => {
    await behave({ validBleu });
    const events = await all(start(halving));
    expect(rungs(events)).toEqual([
      { updates: 2, survivors: ['uni-alpha=2', 'uni-alpha=3'], reused: false },
      { updates: 4, survivors: ['uni-alpha=3'], reused: false },
    ]);
    const starts = of(events, 'start').map(({ trial, resumed }) => [trial.name.at(-1), resumed]);
    expect(starts.slice(0, 4).sort()).toEqual(['1', '2', '3', '4'].map((alpha) => [alpha, false]));
    expect(starts.slice(4, 6).sort()).toEqual([
      ['2', true],
      ['3', true],
    ]);
    expect(starts.slice(6)).toEqual([['3', true]]);
    expect(names(events, 'finish')).toEqual(['uni-1-alpha=3']);
    expect(await json('uni-1-alpha=3', 'result.json')).toMatchObject({ first: 5, updates: 8 });
    for (const alpha of [1, 2, 4]) {
      const directory = join(out, `uni-1-alpha=${alpha}`);
      expect(existsSync(join(directory, 'result.json'))).toBe(false);
      expect(existsSync(join(directory, 'hypotheses'))).toBe(false);
    }
    const reported = (await readRuns([out], false)).map(({ name, state, rung }) => [name, state, rung]);
    expect(reported.sort()).toEqual([
      ['uni-1-alpha=1', 'dropped', 1],
      ['uni-1-alpha=2', 'dropped', 2],
      ['uni-1-alpha=3', 'finished', undefined],
      ['uni-1-alpha=4', 'dropped', 1],
    ]);
    expect((await json('sweep.json')).search).toBe('halving:2');
    expect((await json('rungs.json')).rungs[0].scores[0]).toEqual({
      condition: 'uni-alpha=2',
      bleu: 12,
      loss: 5,
    });
    expect(events.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 1, failed: 0 });

    const again = await all(start(halving));
    expect(names(again, 'start')).toEqual([]);
    expect(rungs(again).map(({ reused }) => reused)).toEqual([true, true]);
    expect(of(again, 'finish')).toMatchObject([{ reused: true, trial: { name: 'uni-1-alpha=3' } }]);
    // Decided anew by what stands in the runs: by what each rung saw, not by what came after.
    const decided = await json('rungs.json');
    await rm(join(out, 'rungs.json'));
    expect(names(await all(start(halving)), 'start')).toEqual([]);
    expect(await json('rungs.json')).toEqual(decided);
    await expect(all(start({ ...halving, seeds: [1, 2] }))).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: expect.stringContaining('its seeds'),
    });
  });

  it('is continued by the same call where it was aborted', async () => {
    await behave({ validBleu });
    const controller = new AbortController();
    const told: SweepEvent[] = [];
    for await (const event of start({ ...halving, parallel: 1, signal: controller.signal })) {
      told.push(event);
      if (event.type === 'progress' && of(told, 'start').length === 3) controller.abort();
    }
    expect(told.at(-1)).toMatchObject({ type: 'end', reason: 'aborted', finished: 0 });
    expect(existsSync(join(out, 'rungs.json'))).toBe(false);
    const rest = await all(start(halving));
    // The two that had come to the end of the rung are not begun again for it.
    expect(of(rest, 'start').filter(({ trial }) => trial.name === 'uni-1-alpha=1')).toEqual([]);
    expect(names(rest, 'finish')).toEqual(['uni-1-alpha=3']);
    expect(rungs(rest)[0]?.survivors).toEqual(['uni-alpha=2', 'uni-alpha=3']);
  });

  it('compares means over seeds, and a condition with a failed trial comes last', async () => {
    const bleu = (two: number) => ({ 4: two, 8: two });
    await behave({
      'uni-2-alpha=1': 'error',
      validBleu: {
        ...{ 'uni-1-alpha=1': bleu(90), 'uni-2-alpha=1': bleu(90) },
        ...{ 'uni-1-alpha=2': bleu(30), 'uni-2-alpha=2': bleu(1) },
        ...{ 'uni-1-alpha=3': bleu(20), 'uni-2-alpha=3': bleu(20) },
      },
    });
    const options = { search: 'halving', grid: { 'loss.alpha': [1, 2, 3] }, seeds: [1, 2] };
    const events = await all(start(options, { maxUpdates: 12 }));
    expect(of(events, 'rung')[0]?.scores).toEqual([
      { condition: 'uni-alpha=3', bleu: 20, loss: 5 },
      { condition: 'uni-alpha=2', bleu: 15.5, loss: 5 },
      { condition: 'uni-alpha=1', bleu: null, loss: null },
    ]);
    expect(names(events, 'finish')).toEqual(['uni-1-alpha=3', 'uni-2-alpha=3']);
    expect(events.at(-1)).toEqual({ type: 'end', reason: 'finished', finished: 2, failed: 1 });
  });

  it('decides nothing where all have failed', async () => {
    const failing = Object.fromEntries(Object.keys(validBleu).map((name) => [name, 'error']));
    await behave({ ...failing, validBleu });
    expect((await all(start(halving))).at(-1)).toEqual({
      type: 'end',
      reason: 'finished',
      finished: 0,
      failed: 4,
    });
    expect(existsSync(join(out, 'rungs.json'))).toBe(false);
  });

  it('trains its survivor as a sweep without a search does, and translates no other test split', async () => {
    const data = join(root, 'reversal');
    await makeReversalData(data);
    const { seed: _s, runDirectory: _r, ...shared } = tinyOptions(data, '');
    const config = { ...shared, maxUpdates: 20, validation: { ...shared.validation, interval: 5 } };
    const dropouts = { 'model.dropout': [0, 0.9] };
    const options = { seeds: [3], directions: ['bi' as const], grid: dropouts, search: 'halving:2' };
    const stages = new Map<string, Set<string>>();
    for await (const event of sweep(config, { directory: out, ...options })) {
      if (event.type === 'fail') throw event.error;
      if (event.type !== 'progress' || event.event.type !== 'progress') continue;
      const { name } = event.trial;
      stages.set(name, (stages.get(name) ?? new Set()).add(event.event.stage));
    }
    const [{ survivors }] = (await json('rungs.json')).rungs;
    expect(survivors).toHaveLength(1);
    const [survivor, dropped] = survivors[0].endsWith('=0')
      ? ['bi-3-dropout=0', 'bi-3-dropout=0.9']
      : ['bi-3-dropout=0.9', 'bi-3-dropout=0'];
    expect([...stages.get(survivor)!]).toContain('test translation');
    expect([...stages.get(dropped)!]).not.toContain('test translation');
    expect(existsSync(join(out, dropped, 'result.json'))).toBe(false);
    expect(existsSync(join(out, dropped, 'checkpoints/last'))).toBe(true);

    const plain = join(root, 'plain');
    const { search: _search, ...rest } = options;
    for await (const event of sweep(config, { directory: plain, ...rest }))
      if (event.type === 'fail') throw event.error;
    for (const file of ['checkpoints/last/model.safetensors', 'hypotheses/test.en']) {
      const [one, other] = await Promise.all(
        [out, plain].map((place) => readFile(join(place, survivor, file))),
      );
      expect(one!.equals(other!)).toBe(true);
    }
  }, 60_000);

  it('refuses what does not go together', async () => {
    const refused = async (extra: object, config: object, text: string) =>
      expect(all(start({ ...halving, ...extra }, config))).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining(text),
      });
    await refused({ search: 'halving:1' }, {}, 'sweep.search');
    await refused({ queue: 'redis://127.0.0.1:1/0', name: 'x', parallel: 0 }, {}, 'queue');
    await refused({}, { distributed: { processes: 2 } }, 'one process');
    await refused({}, { maxUpdates: 0, maxEpochs: 2 }, 'maxUpdates');
    await refused({ search: 'halving:5' }, {}, 'at least 5 conditions, the sweep has 4');
    const smoothing = { 'loss.labelSmoothing': [0, 0.1, 0.2] };
    await refused({ grid: smoothing }, { validation: { metric: 'loss' } }, 'loss.labelSmoothing');
    await refused({ grid: { maxUpdates: [2, 4] } }, {}, 'maxUpdates in the grid');
    await refused({ search: 'random:5' }, {}, 'at most as many samples as the grid has points, 4');
    await refused({ search: 'random:5', grid: {} }, {}, 'a grid');
    expect(existsSync(out)).toBe(false);
    expect(conditionsOf({ directions: ['baseline', 'uni'], grid })).toEqual([
      'baseline',
      ...[1, 2, 3, 4].map((alpha) => `uni-alpha=${alpha}`),
    ]);
  });
});
