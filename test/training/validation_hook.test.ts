import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainCommand } from '../../lib/cli/train.js';
import type { Transformer } from '../../lib/model/transformer.js';
import type { TrainOptions } from '../../lib/options/index.js';
import { curveCharts } from '../../lib/report/charts/curve_charts.js';
import { readRuns } from '../../lib/report/runs.js';
import { sweep } from '../../lib/sweep/sweep.js';
import type { TrainEvent } from '../../lib/training/train_events.js';
import { type FitOptions, Trainer } from '../../lib/training/trainer.js';
import { runCommand } from '../support/run_command.js';
import { makeReversalData, metricsOf, modelBytes, tinyOptions, trainAll, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'), { train: 60, valid: 8, test: 8 });
});
afterAll(() => place.remove());

/** Validations at the updates 4, 8, 12 and, at the end, 14. */
function options(
  run: string,
  metric: NonNullable<TrainOptions['validation']>['metric'] = 'loss',
): TrainOptions {
  const tiny = tinyOptions(at('data'), at(run));
  return { ...tiny, maxUpdates: 14, logInterval: 5, validation: { ...tiny.validation, interval: 4, metric } };
}
const chosen = { name: 'shape', mode: 'max' } as const;

type Hook = NonNullable<FitOptions['validate']>;
/** The best is that of update 8 by the largest, of 12 by the smallest. */
const values: Record<number, number> = { 4: 2, 8: 5, 12: -1, 14: 4 };
const shape: Hook = async (_, update) => ({ shape: values[update]!, other: update });

async function fitWith(trainer: Trainer, fitting: FitOptions): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of trainer.fit(fitting)) events.push(event);
  return events;
}
async function train(config: TrainOptions, fitting: FitOptions): Promise<TrainEvent[]> {
  await using trainer = await Trainer.create(config);
  return await fitWith(trainer, fitting);
}
async function resume(run: string, fitting: FitOptions): Promise<TrainEvent[]> {
  await using trainer = await Trainer.resume(at(run));
  return await fitWith(trainer, fitting);
}
const validations = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === 'validation' ? [event] : []));
const bestOf = (events: readonly TrainEvent[]) =>
  validations(events)
    .filter(({ best }) => best)
    .map(({ update }) => update);
const stateOf = async (run: string, name: string) =>
  JSON.parse(await readFile(join(at(run), 'checkpoints', name, 'state.json'), 'utf8')).state;

describe('a hook at each validation', () => {
  it('puts its metrics into the event, metrics.jsonl, the report', async () => {
    const events = await train(options('told'), { validate: shape });
    expect(validations(events).map(({ update, metrics }) => [update, metrics])).toEqual(
      [4, 8, 12, 14].map((update) => [update, { shape: values[update], other: update }]),
    );
    const lines = (await metricsOf(at('told'))).filter(({ type }) => type === 'validation');
    expect(lines.map(({ metrics }) => metrics)).toEqual(validations(events).map(({ metrics }) => metrics));
    const [run] = await readRuns([at('told')]);
    expect(
      run?.curve.flatMap(({ update, metrics }) => (metrics ? [[update, metrics['shape']]] : [])),
    ).toEqual(Object.entries(values).map(([update, value]) => [Number(update), value]));
    const titles = curveCharts([run!]).map(({ title }) => title);
    expect(titles.slice(-2)).toEqual(['Validation shape', 'Validation other']);
  });

  it('changes no bit of the run, and nothing is reported without one', async () => {
    const events = await trainAll(options('without'));
    expect(validations(events).every((event) => !('metrics' in event))).toBe(true);
    const measure: Hook = async (model) => {
      const batch = { source: [Int32Array.of(4, 5, 2)], target: [Int32Array.of(5, 4, 2)] };
      const [hypotheses] = await model.translate(batch.source, { beam: 2, maxLenB: 5 });
      const logits = await model.logits(batch);
      const loss = { direction: 'bi', alpha: 5 } as const;
      const first = await model.lossAndGradients(batch, loss);
      const again = await model.lossAndGradients(batch, loss);
      // Dropout is off: both passes are the same, at each call.
      expect([first.kl, again.loss]).toEqual([0, first.loss]);
      return { score: hypotheses![0]!.score, logits: logits.length };
    };
    const measured = await train(options('measured'), { validate: measure });
    expect(validations(measured)[0]?.metrics?.['logits']).toBe(3 * 16);
    for (const name of ['last', 'best'])
      expect((await modelBytes(at('measured'), name)).equals(await modelBytes(at('without'), name))).toBe(
        true,
      );
  });

  it.each([
    ['max', [4, 8], 8, 5],
    ['min', [4, 12], 12, -1],
  ] as const)('picks the best checkpoint (%s)', async (mode, best, update, value) => {
    const run = `best-${mode}`;
    const events = await train(options(run, { name: 'shape', mode }), { validate: shape });
    expect(bestOf(events)).toEqual(best);
    // Another metric than BLEU needs no beam search.
    expect(validations(events).map(({ bleu }) => bleu)).toEqual([null, null, null, null]);
    expect((await stateOf(run, 'best')).best).toMatchObject({ update, metric: value });
    expect(events.at(-1)).toMatchObject({
      result: { bestUpdate: update, validMetric: { name: 'shape', mode, value } },
    });
  });

  it('counts for patience, by the earlier of two equal ones', async () => {
    const config = options('patience', chosen);
    config.validation = { ...config.validation, patience: 2 };
    const events = await train(config, { validate: () => ({ shape: 1 }) });
    expect(bestOf(events)).toEqual([4]);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'patience', update: 12 });
  });

  it('is needed on resume where its metric picks the best, and then goes the same way', async () => {
    const whole = await train(options('whole', chosen), { validate: shape });
    const controller = new AbortController();
    {
      await using trainer = await Trainer.create(options('halves', chosen));
      for await (const event of trainer.fit({ validate: shape, signal: controller.signal }))
        if (event.type === 'checkpoint' && event.update === 8) controller.abort();
    }
    await cp(at('halves'), at('unhooked'), { recursive: true });
    await expect(resume('unhooked', {})).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/fit: validate: expected a function whose metric "shape".*got nothing/),
    });
    for (const run of ['halves', 'unhooked']) {
      const rest = await resume(run, { validate: shape });
      expect(validations(rest).map(({ update, best }) => [update, best])).toEqual([
        [12, false],
        [14, false],
      ]);
      expect(rest.at(-1)).toMatchObject({ type: 'end', reason: 'maxUpdates' });
      for (const name of ['last', 'best'])
        expect((await modelBytes(at(run), name)).equals(await modelBytes(at('whole'), name))).toBe(true);
      const untimed = ({ seconds, validationSeconds, tokensPerSecond, ...line }: Record<string, unknown>) =>
        line;
      expect((await metricsOf(at(run))).map(untimed)).toEqual((await metricsOf(at('whole'))).map(untimed));
    }
    expect(bestOf(whole)).toEqual([4, 8]);
  });

  it('that throws ends fit() with its own error, and the run continues from before that validation', async () => {
    const own = new RangeError('the hook fails');
    const failing: Hook = (model, update, work) => {
      if (update === 8) throw own;
      return shape(model, update, work);
    };
    const events: TrainEvent[] = [];
    const running = async (trainer: Trainer, validate: Hook) => {
      for await (const event of trainer.fit({ validate })) events.push(event);
    };
    {
      await using trainer = await Trainer.create(options('thrown', chosen));
      await expect(running(trainer, failing)).rejects.toBe(own);
      expect((await metricsOf(at('thrown'))).filter(({ type }) => type === 'validation')).toHaveLength(1);
      // With the same trainer, and again with the error of another.
      await expect(running(trainer, () => Promise.reject(own))).rejects.toBe(own);
    }
    expect(bestOf(events)).toEqual([4]);
    const rest = await resume('thrown', { validate: shape });
    expect(validations(rest).map(({ update }) => update)).toEqual([8, 12, 14]);
    expect(bestOf(rest)).toEqual([8]);
  });

  it('that throws a coded ABORTED of its own, without a signal, is no abort of the run', async () => {
    const own = Object.assign(new Error('another thing was aborted'), { code: 'ABORTED' });
    await expect(train(options('own'), { validate: () => Promise.reject(own) })).rejects.toBe(own);
  });

  it.each([
    ['at its end', async () => {}],
    ['by its signal', async (signal: AbortSignal) => signal.throwIfAborted()],
  ])('that is aborted %s leaves no trace', async (name, after) => {
    const run = `aborted ${name}`;
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    const slow: Hook = async (_, update, { signal }) => {
      seen = signal;
      if (update < 8) return shape(_, update, { signal });
      controller.abort();
      await sleep(20);
      await after(signal);
      return { shape: 100 };
    };
    const events = await train(options(run, chosen), { validate: slow, signal: controller.signal });
    expect(seen?.aborted).toBe(true);
    expect(validations(events).map(({ update }) => update)).toEqual([4]);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'aborted', update: 8 });
    expect((await stateOf(run, 'last')).best).toMatchObject({ update: 4, metric: 2 });
    expect(bestOf(await resume(run, { validate: shape }))).toEqual([8]);
  });

  it('is not called where the signal is aborted before', async () => {
    let calls = 0;
    const count: Hook = () => ({ calls: ++calls });
    const events = await train(options('before'), { validate: count, signal: AbortSignal.abort() });
    expect([events.at(-1)?.type, calls]).toEqual(['end', 0]);
  });

  it('cannot take the model away', async () => {
    const ways: ((model: Transformer) => unknown)[] = [
      (model) => model.dispose(),
      (model) => model[Symbol.dispose](),
      (model) => model[Symbol.asyncDispose](),
    ];
    await using trainer = await Trainer.create(options('kept'));
    for (const way of ways) {
      const validate: Hook = async (model) => {
        await way(model);
        return {};
      };
      await expect(fitWith(trainer, { validate })).rejects.toMatchObject({
        code: 'BUSY',
        message: expect.stringMatching(/Transformer: dispose\(\).*dispose of its trainer/),
      });
    }
    const meddling: Hook = async () => {
      await expect(trainer.step({ source: [], target: [] })).rejects.toMatchObject({ code: 'BUSY' });
      return {};
    };
    expect((await fitWith(trainer, { validate: meddling })).at(-1)).toMatchObject({ reason: 'maxUpdates' });
  });

  it('may see its trainer disposed of: DISPOSED, and the run resumes', async () => {
    const trainer = await Trainer.create(options('disposed'));
    const validate: Hook = () => {
      trainer.dispose();
      return { x: 1 };
    };
    await expect(fitWith(trainer, { validate })).rejects.toMatchObject({ code: 'DISPOSED' });
    expect((await resume('disposed', {})).at(-1)).toMatchObject({ reason: 'maxUpdates' });
  });
});

describe('what a hook returns', () => {
  const refused = async (returned: unknown, code: string, message: RegExp, metric?: typeof chosen) => {
    const run = `refused-${Math.random()}`;
    const validate = (() => returned) as Hook;
    await expect(train(options(run, metric), { validate })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(existsSync(join(at(run), 'metrics.jsonl'))).toBe(false);
  };

  it('is finite numbers, by name', async () => {
    await refused({ good: 1, bad: Number.NaN }, 'NON_FINITE', /validate: "bad": .*finite number, got NaN/);
    await refused({ bad: -Infinity }, 'NON_FINITE', /"bad"/);
    await refused({ bad: '1' }, 'INVALID_ARGUMENT', /"bad": expected a number, got "1"/);
    await refused({ bad: 1n }, 'INVALID_ARGUMENT', /"bad"/);
    await refused({ '': 1 }, 'INVALID_ARGUMENT', /"": expected another name/);
    for (const none of [undefined, null, 3, [1], Float32Array.of(1), 'loss'])
      await refused(none, 'INVALID_ARGUMENT', /validate: expected an object of numbers by name/);
  });

  it('has no name of a metric that is there', async () => {
    for (const name of ['bleu', 'loss', 'nll', 'update', 'type', 'validationSeconds'])
      await refused({ [name]: 1 }, 'INVALID_ARGUMENT', new RegExp(`"${name}": .*rdrop uses itself`));
  });

  it('holds the metric that picks the best', async () => {
    await refused({ form: 1 }, 'INVALID_ARGUMENT', /expected the metric "shape".* got form/, chosen);
    await refused({}, 'INVALID_ARGUMENT', /expected the metric "shape".* got none/, chosen);
  });

  it('may have any other name', async () => {
    const name = '__proto__';
    const validate: Hook = () => JSON.parse('{"__proto__": 3}');
    const [first] = validations(await train(options('proto', { name, mode: 'min' }), { validate }));
    expect(Object.entries(first?.metrics ?? {})).toEqual([[name, 3]]);
  });
});

describe('the option validation.metric', () => {
  it('refuses what names no metric', async () => {
    for (const metric of [
      'accuracy',
      { name: 'loss' },
      { name: '' },
      { name: 'x', mode: 'most' },
      { mode: 'max' },
    ])
      await expect(Trainer.create(options('no', metric as never))).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringMatching(
          /train\.validation\.metric(: expected 'bleu', 'loss' or \{name, mode|\.name: expected a name of your own)/,
        ),
      });
    expect(existsSync(at('no'))).toBe(false);
  });

  it('is refused where there can be no hook: fit() with another thing, a command, a sweep', async () => {
    const wrong = train(options('wrong'), { validate: 'shape' as never });
    await expect(wrong).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/expected a function, got "shape"/),
    });
    const { runDirectory, seed, ...shared } = options('-', chosen);
    await expect(sweep(shared, { directory: at('sweep') }).next()).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/validation\.metric: expected 'bleu' or 'loss'/),
    });
    expect(existsSync(at('sweep'))).toBe(false);
    const set = ['--set', 'validation.metric.name=shape'];
    const { thrown } = await runCommand(trainCommand(), [
      '--data',
      at('data'),
      '--run',
      at('command'),
      ...set,
    ]);
    expect(thrown).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(
        /validation\.metric: expected 'bleu' or 'loss', since a command has no hook/,
      ),
    });
    expect(existsSync(at('command'))).toBe(false);
  });
});
