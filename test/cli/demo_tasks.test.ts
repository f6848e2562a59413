// rdrop demo --task --quick, as its users run it: from nothing to a report, and once more from what is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDemo } from '../../lib/demo/demo.js';
import { scratchDirectory } from '../support/scratch.js';
import { workplace } from '../training/tiny_run.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const rdrop = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });

let place: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ path: place, remove } = await workplace());
});
afterAll(() => remove());

interface Printed {
  results: { name: string; result: { task: string; updates: number; testScore: { name: string } } }[];
  comparisons: { a: string; b: string; meanDifference: number }[];
  samples: string[][];
  html: string;
}

describe.each([
  ['classification', 'accuracy', ['baseline', 'uni', 'bi'], ['uni-baseline', 'bi-baseline', 'uni-bi']],
  [
    'regression',
    'pearson',
    ['one-pass', 'baseline', 'uni'],
    ['uni-baseline', 'uni-one-pass', 'baseline-one-pass'],
  ],
  ['language-model', 'perplexity', ['baseline', 'uni', 'bi'], ['uni-baseline', 'bi-baseline', 'uni-bi']],
] as const)('rdrop demo --task %s --quick', (task, metric, directions, pairs) => {
  it('goes from nothing to a report and to predictions', () => {
    const out = join(place, task);
    const first = rdrop('demo', '--task', task, '--quick', '--out', out, '--json');
    expect(first.stderr).toContain(`${directions[2]}-64: finished`);
    expect(first.status).toBe(0);
    const printed = JSON.parse(first.stdout) as Printed;
    expect(printed.results.map(({ name }) => name)).toEqual(
      [63, 64].flatMap((seed) => directions.map((direction) => `${direction}-${seed}`)),
    );
    for (const { result } of printed.results)
      expect(result).toMatchObject({ task, updates: 20, testScore: { name: metric } });
    expect(printed.comparisons.map(({ a, b }) => `${a}-${b}`)).toEqual(pairs);
    expect(printed.samples).toHaveLength(4);
    for (const row of printed.samples) {
      expect(row).toHaveLength(task === 'language-model' ? 1 : 3);
      for (const cell of row) expect(cell).toMatch(/\S/);
    }
    expect(readFileSync(printed.html, 'utf8')).toContain('<svg');
  }, 240_000);
});

describe('rdrop demo --task', () => {
  // After the first of the tests above.
  it('reuses what is there, and prints tables, tests and predictions', () => {
    const out = join(place, 'classification');
    const result = join(out, 'sweep', 'uni-63', 'result.json');
    const before = statSync(result).mtimeMs;
    // One trial is missing, as after an interruption.
    rmSync(join(out, 'sweep', 'uni-64'), { recursive: true });
    const second = rdrop('demo', '--task', 'classification', '--quick', '--out', out);
    expect(second.status).toBe(0);
    expect(statSync(result).mtimeMs).toBe(before);
    expect(second.stderr).toContain('uni-64: finished');
    expect(second.stdout).toContain('Test accuracy by direction and seed');
    for (const text of ["Cohen's d", 'rank-sum', 'signed-rank', 'Predictions of uni-63', 'report.html'])
      expect(second.stdout).toContain(text);
  }, 240_000);
});

describe('the directory of a demo', () => {
  it('belongs to one task', async () => {
    const directory = join(scratchDirectory(), 'demo');
    const { recipe, data } = await openDemo({ task: 'regression', directory, quick: true });
    expect(recipe).toMatchObject({ version: 1, task: 'regression' });
    expect(existsSync(join(data, 'train.label'))).toBe(true);
    for (const task of ['classification', 'translation'] as const) {
      await expect(openDemo({ task, directory, quick: true })).rejects.toMatchObject({ code: 'RUN_EXISTS' });
    }
    await openDemo({ task: 'classification', directory, quick: true, fresh: true });
    expect(readFileSync(join(data, 'text.json'), 'utf8')).toContain('classification');
    await expect(openDemo({ task: 'tagging' as 'regression', directory })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/demo\.task: .*tagging/),
    });
  });
});
