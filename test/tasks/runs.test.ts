// Each task from a prepared directory to its result: what is written, what is better than chance, and that nothing depends on where a
// run was stopped.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TaskMetricName, taskMetrics } from '../../lib/options/tasks/names.js';
import { evaluateRun } from '../../lib/prediction/evaluate_run.js';
import { Trainer } from '../../lib/training/trainer.js';
import { fitAll, metricsOf, modelBytes, trainAll, workplace } from '../training/tiny_run.js';
import { makeTaskData, type TinyTask, taskOptions, tinyTasks } from './tiny_tasks.js';

let place: Awaited<ReturnType<typeof workplace>>;
let runs = 0;
/** A directory for a run or data. */
const fresh = () => join(place.path, String(runs++));
beforeAll(async () => {
  place = await workplace();
});
afterAll(() => place.remove());

const timeless = ({
  seconds: _,
  tokensPerSecond: _t,
  validationSeconds: _v,
  ...rest
}: Record<string, unknown>) => rest;
const resultOf = (run: string) => JSON.parse(readFileSync(join(run, 'result.json'), 'utf8'));

describe.each(tinyTasks)('a run of %s', (task: TinyTask) => {
  let data: string;
  let straight: string;
  beforeAll(async () => {
    data = await makeTaskData(fresh(), task);
    straight = fresh();
    await trainAll(taskOptions(task, data, straight));
  }, 60_000);

  it('has its figures in every validation and in the result', async () => {
    const lines = (await metricsOf(straight)).filter(({ type }) => type === 'validation');
    expect(lines.map(({ update }) => update)).toEqual([10, 20, 30]);
    const names = taskMetrics[task]
      .map(({ name }) => name as TaskMetricName)
      .filter((name) => name !== 'loss' && name !== 'f1');
    for (const line of lines) {
      expect(line).toMatchObject({ bleu: null, loss: expect.any(Number), nll: expect.any(Number) });
      expect(Object.keys(line['scores'] as object)).toEqual(names);
    }
    const result = resultOf(straight);
    const [first] = taskMetrics[task];
    expect(result).toMatchObject({
      task,
      validBleu: null,
      testBleu: null,
      validScore: { name: first.name, mode: first.mode },
      testScore: { name: first.name, mode: first.mode, score: result.scores[0].score },
    });
    const values = lines.map((line) => (line['scores'] as Record<string, number>)[first.name]!);
    const best = first.mode === 'max' ? Math.max(...values) : Math.min(...values);
    expect(result.validScore.value).toBe(best);
    expect(result.scores.map(({ name }: { name: string }) => name)).toEqual(
      task === 'language-model' ? [...names, 'loss'] : names,
    );
  });

  it('is evaluated after it with the same figures', async () => {
    const { scores, update } = await evaluateRun(straight, { threads: 1 });
    expect(scores).toEqual(resultOf(straight).scores);
    expect(update).toBe(resultOf(straight).bestUpdate);
    const { validScore } = resultOf(straight);
    const valid = await evaluateRun(straight, { threads: 1, split: 'valid' });
    expect(valid.scores.find(({ name }) => name === validScore.name)!.score).toBe(validScore.value);
  });

  it('goes on bit for bit where it was stopped', async () => {
    const run = fresh();
    let trainer = await Trainer.create(taskOptions(task, data, run));
    let stops = 0;
    for (const wanted of [1, 3, 2, 1000]) {
      const controller = new AbortController();
      let seen = 0;
      let reason = '';
      for await (const event of trainer.fit({ signal: controller.signal })) {
        if (++seen === wanted) controller.abort();
        if (event.type === 'end') reason = event.reason;
      }
      trainer.dispose();
      if (reason !== 'aborted') break;
      stops++;
      trainer = await Trainer.resume(run);
    }
    expect(stops).toBe(3);
    for (const name of ['last', 'best'])
      expect((await modelBytes(run, name)).equals(await modelBytes(straight, name)), name).toBe(true);
    expect((await metricsOf(run)).map(timeless)).toEqual((await metricsOf(straight)).map(timeless));
    expect(timeless(resultOf(run))).toEqual(timeless(resultOf(straight)));
  });

  it('refuses data of another task, and options that have no effect on it', async () => {
    const run = fresh();
    const other = task === 'regression' ? 'classification' : 'regression';
    const options = taskOptions(task, data, run);
    await expect(Trainer.create({ ...taskOptions(other, data, run) })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(`expected "${task}"`),
    });
    const lacking = task === 'language-model' ? 'encoderLayers' : 'decoderLayers';
    for (const [change, message] of [
      [{ model: { ...options.model, [lacking]: 2 } }, `train.model.${lacking}: expected none`],
      [{ validation: { metric: 'bleu' as const } }, 'train.validation.metric: expected '],
    ] as const)
      await expect(Trainer.create({ ...options, ...change })).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining(message),
      });
  });
});

it('a longer run learns what there is to learn', async () => {
  const data = await makeTaskData(fresh(), 'classification', { train: 300 });
  const run = fresh();
  const options = taskOptions('classification', data, run);
  const model = { ...options.model, pooling: 'mean' as const };
  await trainAll({ ...options, model, maxUpdates: 250, validation: { interval: 50 } });
  expect(resultOf(run).testScore.score).toBeGreaterThan(0.95);
  const rows = readFileSync(join(run, 'hypotheses', 'predictions.tsv'), 'utf8')
    .trimEnd()
    .split('\n');
  expect(rows[0]).toBe('line\texpected\tpredicted\tp(blue)\tp(green)\tp(red)\ttext');
  expect(rows.length).toBe(25);
  const cells = rows.slice(1).map((row) => row.split('\t'));
  const right = cells.filter(([, expected, predicted]) => expected === predicted).length;
  expect(right / 24).toBe(resultOf(run).scores[0].score);
  for (const each of cells) {
    const probabilities = each.slice(3, 6).map(Number);
    expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect(['blue', 'green', 'red'][probabilities.indexOf(Math.max(...probabilities))]).toBe(each[2]);
  }
}, 60_000);

it('a single pass is ordinary training: its α is 0, and other options of the KL term are refused', async () => {
  const data = await makeTaskData(fresh(), 'classification');
  const run = fresh();
  const options = taskOptions('classification', data, run);
  using trainer = await Trainer.create({ ...options, loss: { passes: 1 }, maxUpdates: 3 });
  expect(trainer.config.loss).toMatchObject({ passes: 1, alpha: 0 });
  await fitAll(trainer);
  await expect(Trainer.create({ ...options, loss: { passes: 1, alpha: 1 } })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
  });
});
