import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract } from 'tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoRecipe, openDemo } from '../../lib/demo/demo.js';
import { writeReport } from '../../lib/report/report.js';
import { readRuns } from '../../lib/report/runs.js';
import { type SweepEvent, sweep } from '../../lib/sweep/sweep.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { fitAll, metricsOf } from '../training/tiny_run.js';

/** What rdrop 0.1 left (fixtures/run_of_0.1/make.mjs): the direction `plain`, lines of metrics of the type `valid`. */
let root: string;
const at = (...parts: string[]): string => join(root, ...parts);
const json = async (...parts: string[]) => JSON.parse(await readFile(at(...parts), 'utf8'));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rdrop-0.1-'));
  await extract({
    file: join(import.meta.dirname, '..', 'fixtures', 'run_of_0.1', 'runs.tar.gz'),
    cwd: root,
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** The options of make.mjs. */
const shared = () =>
  ({
    data: at('data'),
    device: 'cpu',
    precision: 'float32',
    threads: 1,
    model: { embedDim: 8, ffnDim: 8, heads: 2, encoderLayers: 1, decoderLayers: 1, dropout: 0.1 },
    optimizer: { learningRate: 5e-3, warmupUpdates: 4 },
    batches: { maxTokens: 128 },
    maxUpdates: 12,
    logInterval: 2,
    checkpointInterval: 2,
    validation: { interval: 4, beam: { beam: 2, maxLenA: 0, maxLenB: 10 } },
    test: { beam: { beam: 2, maxLenA: 0, maxLenB: 10 } },
  }) as const;

describe('runs of 0.1', () => {
  it('are reported, with the names of this version', async () => {
    const runs = await readRuns([at('sweep')]);
    expect(runs.map(({ direction, seed, state }) => `${direction}-${seed} ${state}`)).toEqual([
      'baseline-63 finished',
      'baseline-64 unfinished',
      'uni-63 finished',
      'uni-64 missing',
    ]);
    const [first] = runs;
    expect(
      first?.curve.flatMap(({ update, validLoss }) => (validLoss === undefined ? [] : [update])),
    ).toEqual([4, 8, 12]);
    const { html } = await writeReport(at('sweep'), at('report'));
    expect(await readFile(html, 'utf8')).toContain('uni − baseline');
  });

  it('resume to their end as the whole run did', async () => {
    {
      using trainer = await Trainer.resume(at('interrupted'), { data: at('data') });
      expect((await fitAll(trainer)).at(-1)).toMatchObject({ type: 'end', reason: 'maxUpdates', update: 12 });
    }
    const lines = await metricsOf(at('interrupted'));
    const whole = (await readFile(at('whole.jsonl'), 'utf8')).trimEnd().split('\n');
    const expected = whole.map((line) => JSON.parse(line));
    const places = (all: Record<string, unknown>[]) => all.map(({ type, update }) => `${type} ${update}`);
    expect(places(lines)).toEqual(
      places(expected).map((place, i) => (i < 4 ? place : place.replace('valid ', 'validation '))),
    );
    // Another processor may round differently.
    lines.forEach((line, i) => {
      for (const key of ['loss', 'nll']) expect(line[key]).toBeCloseTo(expected[i][key], 3);
    });
    expect(await json('interrupted', 'result.json')).toMatchObject({ updates: 12 });
  });

  it('translate', async () => {
    await using translator = await Translator.load(at('sweep', 'plain-63'));
    const translations = await translator.translate(['bal cem dif', 'mir'], { beam: 2, maxLenB: 10 });
    expect(translations.map(({ text }) => typeof text)).toEqual(['string', 'string']);
  });

  it('are extended as a sweep in the directories that they have', async () => {
    const events: SweepEvent[] = [];
    const options = {
      directory: at('sweep'),
      seeds: [63, 64],
      directions: ['baseline', 'uni', 'bi'],
    } as const;
    for await (const event of sweep(shared(), {
      ...options,
      seeds: [63, 64],
      directions: [...options.directions],
    })) {
      if (event.type === 'fail') throw event.error;
      events.push(event);
    }
    const [plan] = events;
    if (plan?.type !== 'plan') throw new Error('expected a plan');
    expect(plan.trials.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'baseline-63 finished',
      'uni-63 finished',
      'bi-63 new',
      'baseline-64 interrupted',
      'uni-64 new',
      'bi-64 new',
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'finished', finished: 6, failed: 0 });
    expect(existsSync(at('sweep', 'plain-64', 'result.json'))).toBe(true);
    expect(['baseline-63', 'baseline-64'].filter((name) => existsSync(at('sweep', name)))).toEqual([]);
    expect(await json('sweep', 'sweep.json')).toMatchObject({
      seeds: [63, 64],
      directions: ['baseline', 'uni', 'bi'],
    });
    expect((await readRuns([at('sweep')])).map(({ state }) => state)).toEqual(Array(6).fill('finished'));
  });

  it('are a demo with its recipe', async () => {
    const recipe = { ...demoRecipe(true), directions: ['plain', 'uni', 'bi'] };
    const directory = await mkdtemp(at('demo-'));
    await writeFile(join(directory, 'demo.json'), JSON.stringify(recipe));
    const demo = await openDemo({ directory, quick: true });
    expect(demo.recipe.directions).toEqual(['baseline', 'uni', 'bi']);
  });

  it('do not let an option be called by the name of before', async () => {
    const events = sweep(shared(), { directory: at('other'), directions: ['plain' as 'baseline'] });
    await expect(events.next()).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/sweep\.directions\.0: .*did you mean baseline\?, got "plain"/),
    });
  });
});
