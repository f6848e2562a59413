import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { linkTo, runFiles } from '../../lib/report/run_files.js';
import { readRuns } from '../../lib/report/runs.js';
import { samplesOf } from '../../lib/report/samples.js';
import { makeReportData, makeReportRun } from '../support/report_runs.js';
import { scratchDirectory } from '../support/scratch.js';

async function twoRuns() {
  const directory = scratchDirectory();
  const data = join(directory, 'data');
  await makeReportData(data);
  const paths = ['uni', 'baseline'].map((direction) => join(directory, direction));
  for (const [i, direction] of ['uni', 'baseline'].entries())
    await makeReportRun(paths[i] as string, data, { direction, seed: 1, score: 30 + i });
  return { directory, data, paths: paths as [string, string], runs: () => readRuns(paths) };
}

describe('samplesOf', () => {
  it('shows the sentences on which the conditions differ, beside source and reference', async () => {
    const { runs } = await twoRuns();
    expect(await samplesOf(await runs())).toEqual({
      kind: 'samples',
      title: 'Sample translations',
      samples: [
        {
          line: 2,
          source: 'Die Frau liest ein Buch.',
          reference: 'The woman reads a book.',
          translations: [
            { condition: 'uni', text: 'The woman reads a book.' },
            { condition: 'baseline', text: 'The man reads a <i>paper</i>.' },
          ],
        },
      ],
      note:
        'Evenly spaced over the 1 of 4 test sentences on which the conditions differ, in the translations of uni (seed 1), ' +
        'baseline (seed 1). Underlined: words that the reference does not have.',
    });
  });

  it('shows translations alone where the data are gone, and none of another test split', async () => {
    const { data, paths, runs } = await twoRuns();
    await rm(data, { recursive: true });
    await writeFile(join(paths[1], 'hypotheses', 'test.en'), 'One line.\n');
    const samples = (await samplesOf(await runs()))?.samples;
    expect(samples).toHaveLength(4);
    expect(samples?.[1]).toEqual({
      line: 2,
      translations: [{ condition: 'uni', text: 'The woman reads a book.' }],
    });
  });

  it('shows nothing of runs without translations', async () => {
    const { paths, runs } = await twoRuns();
    for (const path of paths) await rm(join(path, 'hypotheses'), { recursive: true });
    expect(await samplesOf(await runs())).toBeNull();
  });
});

describe('runFiles', () => {
  it('links to what each run has, from where the report lies', async () => {
    const { directory, paths, runs } = await twoRuns();
    await rm(join(paths[0], 'result.json'));
    const [uni] = await runFiles(await runs(), join(directory, 'reports', 'new'));
    expect(uni).toEqual({
      run: 'uni',
      files: ['config.json', 'environment.json', 'metrics.jsonl', 'hypotheses/test.en'].map((name) => ({
        name,
        href: `../../uni/${name}`,
      })),
    });
  });

  it('escapes what a name may hold', () => {
    expect(linkTo('/a/b c"<:?#%/config.json', '/a')).toBe('./b%20c%22%3C%3A%3F%23%25/config.json');
  });
});
