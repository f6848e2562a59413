import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { theoryCommand } from '../../lib/cli/theory.js';
import { dropoutMoments } from '../../lib/theory/theory.js';
import { runCommand } from '../support/run_command.js';
import { makeReversalData, tinyOptions, trainAll, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
let run: string;
beforeAll(async () => {
  place = await workplace();
  data = join(place.path, 'data');
  run = join(place.path, 'run');
  await makeReversalData(data);
  await trainAll(tinyOptions(data, run));
});
afterAll(() => place.remove());

const rdropTheory = (...args: string[]) => runCommand(theoryCommand(), args);
const small = ['--batches', '2', '--max-tokens', '48', '--pairs', '5', '--threads', '1'];

describe('rdrop theory', () => {
  it('prints both tables for a run and writes the three files', async () => {
    const out = join(place.path, 'out');
    const { output, errors, thrown } = await rdropTheory('--run', run, ...small, '--out', out);
    expect(thrown).toBeNull();
    expect(output).toContain('Divergence of the two passes');
    expect(output).toMatch(/^bi: half the sum\s+[\d.e-]+/m);
    expect(output).toContain('Gradient of the KL term alone');
    expect(output).toContain('Gradient of the whole loss, CE + 5·KL');
    expect(output).toMatch(/^cross-attention\s.*\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)/m);
    expect(output).toContain(join(out, 'theory.html'));
    expect(errors).toBe('rdrop: passing under 10 pairs of masks\n');
    expect((await readdir(out)).sort()).toEqual(['theory.html', 'theory.json', 'theory.md']);
  });

  it('prints one JSON document, the result of the library', async () => {
    const { output } = await rdropTheory(
      ...['--run', run, '--checkpoint', 'last', '--split', 'test', '--alpha', '2', '--seed', '9'],
      ...['--level', '0.8', '--samples', '50', '--precision', 'float64', ...small, '--json'],
    );
    const { files, ...result } = JSON.parse(output);
    expect(files).toBeNull();
    const expected = await dropoutMoments({
      run: { directory: run, checkpoint: 'last' },
      split: 'test',
      loss: { alpha: 2 },
      seed: 9,
      level: 0.8,
      samples: 50,
      precision: 'float64',
      batches: 2,
      maxTokens: 48,
      pairs: 5,
      threads: 1,
    });
    const { conditions, ...figures } = JSON.parse(JSON.stringify(expected));
    expect(result).toMatchObject(figures);
    expect(result.conditions.options).toEqual(conditions.options);
    const out = join(place.path, 'both');
    const both = await rdropTheory('--run', run, ...small, '--out', out, '--json');
    const document = JSON.parse(both.output);
    expect(document.files.json).toBe(join(out, 'theory.json'));
    const { files: _, ...same } = document;
    expect(JSON.parse(await readFile(document.files.json, 'utf8'))).toEqual(same);
  });

  it("initializes a model: a preset's, and options over it", async () => {
    const sets = ['--set', 'model.embedDim=16', '--set', 'model.ffnDim=32', '--set', 'loss.labelSmoothing=0'];
    const { output, thrown } = await rdropTheory(
      '--data',
      data,
      '--preset',
      'multi30k',
      ...sets,
      ...small,
      '--json',
    );
    expect(thrown).toBeNull();
    expect(JSON.parse(output).conditions).toMatchObject({
      model: { embedDim: 16, encoderLayers: 3, dropout: 0.2 },
      loss: { alpha: 5, labelSmoothing: 0 },
      update: 0,
    });
  });

  it.each([
    ['neither a run nor data', [], 'INVALID_CONFIG', /theory\.data/],
    [
      'a run and a preset',
      ['--run', 'x', '--preset', 'tiny'],
      'INVALID_ARGUMENT',
      /either a run or a preset/,
    ],
    ['a number that is none', ['--run', 'x', '--pairs', 'many'], 'INVALID_CONFIG', /theory\.pairs: .*"many"/],
    ['an unknown option', ['--run', 'x', '--set', 'beta=1'], 'INVALID_CONFIG', /beta/],
    ['a --set without a value', ['--run', 'x', '--set', 'seed'], 'INVALID_ARGUMENT', /--set/],
    ['a checkpoint without a run', ['--data', 'x', '--checkpoint', 'best'], 'INVALID_CONFIG', /theory\.run/],
    ['no such run', ['--run', 'missing'], 'FILE_NOT_FOUND', /missing\/config\.json/],
  ])('refuses %s', async (_, args, code, message) => {
    const out = join(place.path, 'refused');
    const { output, thrown } = await rdropTheory(...args, '--out', out);
    expect(thrown).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(output).toBe('');
    expect(existsSync(out)).toBe(false);
  });
});
