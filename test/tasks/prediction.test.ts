// What a trained run says of texts, through the library and the command line, and of what it refuses.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { evaluateRun } from '../../lib/prediction/evaluate_run.js';
import { Predictor } from '../../lib/prediction/predictor.js';
import { Trainer } from '../../lib/training/trainer.js';
import { fitAll, makeReversalData, tinyOptions, trainAll, workplace } from '../training/tiny_run.js';
import { makeTaskData, taskOptions } from './tiny_tasks.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (...names: string[]) => join(place.path, ...names);
const short = { maxUpdates: 4, validation: { interval: 2 } };
const load = { threads: 1 };

beforeAll(async () => {
  place = await workplace();
  const data = await makeTaskData(at('made'), 'classification');
  await trainAll({ ...taskOptions('classification', data, at('run')), ...short });
}, 60_000);
afterAll(() => place.remove());

const rdrop = (args: string[], input: string) =>
  spawnSync(process.execPath, [join(packageRoot, 'dist/cli/main.js'), ...args], { encoding: 'utf8', input });

describe('Predictor', () => {
  it('says of the test split what the run says', async () => {
    const rows = readFileSync(at('run', 'hypotheses', 'predictions.tsv'), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1);
    const cells = rows.map((row) => row.split('\t'));
    await using predictor = await Predictor.load(at('run'), load);
    expect(predictor.task).toBe('classification');
    const found = await predictor.predict(cells.map((each) => each[6]!));
    expect(found.map((each) => each!.label)).toEqual(cells.map((each) => each[2]));
    for (const [i, each] of found.entries()) {
      expect(Object.keys(each!.probabilities!)).toEqual(['blue', 'green', 'red']);
      expect(Object.values(each!.probabilities!).map((p) => Number(p.toPrecision(8)))).toEqual(
        cells[i]!.slice(3, 6).map(Number),
      );
    }
    expect(await predictor.predict([])).toEqual([]);
  });

  it('refuses an empty text, a pair, one that is too long, and calls after dispose()', async () => {
    const predictor = await Predictor.load(at('run'), load);
    const refused = (texts: Parameters<Predictor['predict']>[0], message: string, work = {}) =>
      expect(predictor.predict(texts, work)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(message),
      });
    await refused(['red', ' '], 'texts:2: expected a text, got an empty line');
    await refused([['red', 'blue']], 'texts:1: expected one text, got 2');
    const long = 'stone '.repeat(100);
    await refused(['red', long], 'in.txt:8: expected at most 64 tokens', { name: 'in.txt', line: 7 });
    const [, skipped] = await predictor.predict(['red', long], { overlong: 'skip' });
    expect(skipped).toBeNull();
    const [cut] = await predictor.predict([long], { overlong: 'truncate' });
    expect(cut!.label).toBeTypeOf('string');
    predictor.dispose();
    await expect(predictor.predict(['red'])).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('of pairs wants two texts, whose segments have embeddings of their own', async () => {
    const data = await makeTaskData(at('pairs'), 'regression', { pairs: true });
    const options = taskOptions('regression', data, at('pairs', 'run'));
    await trainAll({ ...options, ...short, model: { ...options.model, tokenTypes: 2 } });
    await using predictor = await Predictor.load(at('pairs', 'run'), load);
    const [one, other] = await predictor.predict([
      ['red stone', 'a bird'],
      ['red', 'stone a bird'],
    ]);
    expect(one!.value).toBeTypeOf('number');
    expect(one!.value).not.toBe(other!.value);
    await expect(predictor.predict(['red stone'])).rejects.toThrow(/texts:1: expected two texts/);
  }, 60_000);

  it('refuses a run of another task', async () => {
    await makeReversalData(at('reversal'));
    await trainAll({ ...tinyOptions(at('reversal'), at('translation')), maxUpdates: 1 });
    await expect(Predictor.load(at('translation'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(
        'expected a run of classification or regression, got one of translation',
      ),
    });
    // Of translation there are figures all the same.
    const { scores } = await evaluateRun(at('translation'), load);
    expect(scores).toEqual(JSON.parse(readFileSync(at('translation', 'result.json'), 'utf8')).scores);
  }, 60_000);
});

describe('the commands', () => {
  it('rdrop predict answers lines with labels, probabilities or JSON', () => {
    const input = 'red stone\nblue bird cloud\n';
    const plain = rdrop(['predict', at('run'), '--threads', '1'], input);
    expect(plain.stderr).toBe('');
    const lines = plain.stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split('\t')[0])).toEqual(['red stone', 'blue bird cloud']);
    const json = JSON.parse(rdrop(['predict', at('run'), '--threads', '1', '--json'], input).stdout);
    expect(json.map(({ text, label }: { text: string; label: string }) => `${text}\t${label}`)).toEqual(
      lines,
    );
    const [first] = rdrop(['predict', at('run'), '--threads', '1', '--probabilities'], input).stdout.split(
      '\n',
    );
    expect(first).toMatch(/^red stone\t\w+\tblue=0\.\d+\tgreen=0\.\d+\tred=0\.\d+$/);
    const empty = rdrop(['predict', at('run')], 'red\n\n');
    expect([empty.status, empty.stderr]).toEqual([
      1,
      'rdrop: INVALID_ARGUMENT: standard input:2: expected a text, got an empty line\n',
    ]);
  }, 60_000);

  it('rdrop evaluate prints the figures of the result', () => {
    const { stdout } = rdrop(['evaluate', at('run'), '--threads', '1', '--json'], '');
    const { scores } = JSON.parse(readFileSync(at('run', 'result.json'), 'utf8'));
    expect(JSON.parse(stdout)).toMatchObject({ task: 'classification', split: 'test', scores });
    expect(rdrop(['evaluate', at('run'), '--threads', '1', '--split', 'valid'], '').stdout).toMatch(
      /accuracy +0\.\d+/,
    );
  }, 60_000);
});

describe('evaluateRun', () => {
  it('refuses data of other labels', async () => {
    const other = await makeTaskData(at('other'), 'classification', { train: 130 });
    await expect(evaluateRun(at('run'), { ...load, data: other })).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining('dict.txt: expected the same file as'),
    });
  }, 60_000);
});

describe('a run that begins with another', () => {
  it('has its parameters, but for those that are its own', async () => {
    const data = JSON.parse(readFileSync(at('run', 'config.json'), 'utf8')).data as string;
    const options = taskOptions('classification', data, at('fine'));
    using trainer = await Trainer.create({ ...options, seed: 9, init: at('run') });
    const [theirs, own] = [await Predictor.load(at('run'), load), await trainer.model.parameters()];
    theirs.dispose();
    using again = await Trainer.create({ ...options, seed: 9, runDirectory: at('other-seed') });
    const drawn = await again.model.parameters();
    for (const [name, { data: values }] of own) expect(values, name).not.toBe(drawn.get(name)!.data);
    const embedding = 'encoder.embed_tokens.weight';
    expect(own.get(embedding)!.data).not.toEqual(drawn.get(embedding)!.data);
    // Nothing is left to be told.
    const events = await fitAll(trainer);
    expect(events.filter(({ type }) => type === 'warning')).toEqual([]);
  }, 60_000);

  it('of another task and dictionary takes the layers, and says what it did not take', async () => {
    const data = await makeTaskData(at('numbers'), 'regression', { pairs: true });
    const options = taskOptions('regression', data, at('numbers', 'run'));
    using trainer = await Trainer.create({ ...options, init: at('run'), maxUpdates: 1 });
    const [warning] = (await fitAll(trainer)).filter(({ type }) => type === 'warning');
    expect(warning).toMatchObject({
      code: 'INIT_PARTIAL',
      message: expect.stringMatching(/parameters are those of .*out_proj.*its shape is another|embed_tokens/),
    });
  }, 60_000);

  it('refuses other positions, and a run that is not there', async () => {
    const data = JSON.parse(readFileSync(at('run', 'config.json'), 'utf8')).data as string;
    const options = taskOptions('classification', data, at('longer'));
    await expect(
      Trainer.create({ ...options, init: at('run'), model: { ...options.model, maxPositions: 65 } }),
    ).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining('expected 67 positions (model.maxPositions 65), got 66'),
    });
    await expect(
      Trainer.create({ ...options, runDirectory: at('gone'), init: at('nowhere') }),
    ).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  }, 60_000);
});

describe('broken data of a task', () => {
  it('of one label alone, or with an unknown one, is refused', async () => {
    const data = await makeTaskData(at('broken'), 'classification');
    const options = taskOptions('classification', data, at('never'));
    rmSync(join(data, 'manifest.json'));
    const labels = readFileSync(join(data, 'labels.txt'), 'utf8');
    writeFileSync(join(data, 'labels.txt'), 'red\n');
    await expect(Trainer.create(options)).rejects.toMatchObject({ code: 'ONE_CLASS' });
    writeFileSync(join(data, 'labels.txt'), labels.replace('green', 'mauve'));
    await expect(Trainer.create(options)).rejects.toMatchObject({
      code: 'UNKNOWN_LABEL',
      message: expect.stringMatching(/train\.label:\d+: expected a label of labels\.txt, got "green"/),
    });
  });
});
