import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../lib/data/safetensors/safetensors.js';
import { bleu } from '../../lib/evaluation/bleu.js';
import { Trainer } from '../../lib/training/trainer.js';
import {
  fitAll,
  makeReversalData,
  metricsOf,
  modelBytes,
  tinyOptions,
  trainAll,
  workplace,
} from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
beforeAll(async () => {
  place = await workplace();
  data = join(place.path, 'data');
  await makeReversalData(data);
});
afterAll(() => place.remove());
const at = (name: string) => join(place.path, name);
const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

describe('a run', () => {
  it('gives its events in order and leaves a whole run directory', async () => {
    const run = at('whole');
    const options = tinyOptions(data, run);
    const events = await trainAll({
      ...options,
      maxUpdates: 20,
      validation: { ...options.validation, metric: 'bleu' },
    });
    const told = events.map(({ type, update }) => `${type} ${update}`);
    const round = (update: number) => [`train ${update}`, `validation ${update}`, `checkpoint ${update}`];
    expect(told).toEqual([...round(10), ...round(20), 'end 20']);

    expect((await readdir(run)).sort()).toEqual(
      [
        'checkpoints',
        'config.json',
        'dict.txt',
        'environment.json',
        'hypotheses',
        'metrics.jsonl',
        'result.json',
      ].concat('text.json'),
    );
    for (const name of ['last', 'best']) {
      expect((await readdir(join(run, 'checkpoints', name))).sort()).toEqual([
        'model.safetensors',
        'optimizer.safetensors',
        'state.json',
      ]);
    }
    expect((await readdir(join(run, 'checkpoints'))).sort()).toEqual(['best', 'last']);
    const config = await json(join(run, 'config.json'));
    expect(config).toMatchObject({
      data,
      runDirectory: run,
      seed: 3,
      loss: { alpha: 5, labelSmoothing: 0.1 },
    });
    expect(config.optimizer).toMatchObject({ beta2: 0.98, weightDecay: 1e-4 });
    const environment = await json(join(run, 'environment.json'));
    expect(environment).toMatchObject({ node: process.version, threads: 1 });
    expect(environment.data['train.de']).toMatch(/^[0-9a-f]{64}$/);

    const metrics = await metricsOf(run);
    expect(metrics.map(({ type, update }) => `${type} ${update}`)).toEqual([
      'train 10',
      'validation 10',
      'train 20',
      'validation 20',
    ]);
    expect(Object.keys(metrics[0]!).sort()).toEqual(
      [
        'type',
        'update',
        'epoch',
        'loss',
        'nll',
        'kl',
        'crossEntropy',
        'tokens',
        'learningRate',
        'gradientNorm',
      ]
        .concat('skipped', 'seconds', 'tokensPerSecond')
        .sort(),
    );

    const end = events.at(-1)!;
    expect(end).toMatchObject({ type: 'end', reason: 'maxUpdates' });
    const result = await json(join(run, 'result.json'));
    expect(end.type === 'end' && end.result).toEqual(result);
    expect(result).toMatchObject({ seed: 3, direction: 'uni', alpha: 5, updates: 20, epochs: 2.5 });
    const hypotheses = (await readFile(join(run, 'hypotheses', 'test.en'), 'utf8')).split('\n').slice(0, -1);
    const references = (await readFile(join(data, 'raw', 'test.en'), 'utf8')).trimEnd().split('\n');
    const { score, signature } = bleu(hypotheses, references);
    expect(result.testBleu).toEqual({ score, signature });
    const valid = metrics.filter(({ type }) => type === 'validation').map((line) => line['bleu'] as number);
    expect(result.validBleu).toBe(Math.max(...valid));
  });

  it('measures in bits a token what a step measures in nats a batch', async () => {
    using trainer = await Trainer.create({
      ...tinyOptions(data, at('units')),
      model: { ...tinyOptions(data, '').model, dropout: 0 },
    });
    const batch = { source: [Int32Array.of(4, 5, 2)], target: [Int32Array.of(5, 4, 2)] };
    const loss = { direction: 'uni', alpha: 5, labelSmoothing: 0.1 } as const;
    const sums = await trainer.model.lossAndGradients(batch, loss);
    const step = await trainer.step(batch);
    expect(step).toMatchObject({ update: 1, tokens: 3, pairs: 1, sourceTokens: 3 });
    expect(step.loss).toBeCloseTo(sums.loss / 3 / Math.LN2, 5);
    expect(step.nll).toBeCloseTo(sums.nll / 3 / Math.LN2, 5);
    const norm = Math.hypot(...[...sums.gradients.values()].map((values) => Math.hypot(...values))) / 3;
    expect(step.gradientNorm).toBeCloseTo(norm, 4);
  });

  it('learns the reversal task', async () => {
    const options = tinyOptions(data, at('learns'));
    const events = await trainAll({
      ...options,
      model: { ...options.model, embedDim: 32, ffnDim: 64, dropout: 0 },
      loss: { alpha: 0 },
      maxUpdates: 400,
      validation: { interval: 200, metric: 'bleu' },
    });
    const losses = events.flatMap((event) => (event.type === 'validation' ? [event.nll] : []));
    expect(losses.at(-1)).toBeLessThan(1.5);
    const end = events.at(-1)!;
    expect(end.type === 'end' && end.result?.testBleu?.score).toBeGreaterThan(5);
  });

  it('is bit-identical for the same seed, and another for another', async () => {
    for (const [name, seed] of [
      ['s1', 3],
      ['s2', 3],
      ['s3', 4],
    ] as const) {
      await trainAll({ ...tinyOptions(data, at(name)), seed });
    }
    expect((await modelBytes(at('s1'))).equals(await modelBytes(at('s2')))).toBe(true);
    expect((await modelBytes(at('s1'))).equals(await modelBytes(at('s3')))).toBe(false);
  });

  it('ends at whichever limit comes first', async () => {
    const reasonOf = async (name: string, changes: object) => {
      const events = await trainAll({ ...tinyOptions(data, at(name)), ...changes });
      const end = events.at(-1)!;
      return end.type === 'end' ? [end.reason, end.update] : [];
    };
    expect(await reasonOf('l1', { maxUpdates: 3, maxEpochs: 9 })).toEqual(['maxUpdates', 3]);
    expect(await reasonOf('l2', { maxUpdates: 0, maxEpochs: 2 })).toEqual(['maxEpochs', 16]);
    expect((await reasonOf('l3', { maxUpdates: 0, maxMinutes: 0.003 }))[0]).toBe('maxMinutes');
    // A learning rate of next to nothing: the second validation is no better than the first.
    const still = {
      maxUpdates: 0,
      optimizer: { schedule: 'constant', learningRate: 1e-30, weightDecay: 0 },
      validation: { interval: 2, metric: 'loss', patience: 2 },
    };
    expect(await reasonOf('l4', still)).toEqual(['patience', 6]);
  });

  it('keeps the best and the last checkpoint apart, and tests the best', async () => {
    const options = tinyOptions(data, at('diverges'));
    const events = await trainAll({
      ...options,
      optimizer: { schedule: 'constant', learningRate: 1 },
      validation: { ...options.validation, interval: 1 },
      maxUpdates: 12,
    });
    const valid = events.flatMap((event) => (event.type === 'validation' ? [event] : []));
    const best = valid.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(best.update).toBeLessThan(12);
    const end = events.at(-1)!;
    expect(end.type === 'end' && end.result?.bestUpdate).toBe(best.update);
    const stateOf = async (name: string) =>
      (await json(join(at('diverges'), 'checkpoints', name, 'state.json'))).state;
    expect((await stateOf('best')).update).toBe(best.update);
    expect((await stateOf('last')).update).toBe(12);
    // The trainer goes on with the last parameters, not with those that were tested.
    using trainer = await Trainer.resume(at('diverges'), { maxUpdates: 13 });
    await fitAll(trainer);
    const kept = (await readSafetensors(join(at('diverges'), 'checkpoints/last/model.safetensors'))).tensors;
    expect(await trainer.model.parameters()).toEqual(
      new Map([...kept].sort(byOrder(await trainer.model.parameters()))),
    );
  });
});

const byOrder = (wanted: Map<string, unknown>) => {
  const names = [...wanted.keys()];
  return ([a]: [string, unknown], [b]: [string, unknown]) => names.indexOf(a) - names.indexOf(b);
};

describe('misuse of a Trainer', () => {
  const batch = { source: [Int32Array.of(4, 2)], target: [Int32Array.of(4, 2)] };
  const calls: Record<string, (trainer: Trainer) => Promise<unknown>> = {
    step: (trainer) => trainer.step(batch),
    fit: (trainer) => trainer.fit().next(),
    checkpoint: (trainer) => trainer.checkpoint(),
  };
  let count = 0;
  const ready = () => Trainer.create({ ...tinyOptions(data, at(`misuse${count++}`)), maxUpdates: 2 });

  it('is exhaustive', () => {
    const own = Object.entries(Object.getOwnPropertyDescriptors(Trainer.prototype));
    const names = own.filter(([, { value }]) => typeof value === 'function').map(([name]) => name);
    expect(names.sort()).toEqual([...Object.keys(calls), 'constructor', 'dispose'].sort());
  });

  it.each(Object.entries(calls))('%s in every state', async (name, call) => {
    const trainer = await ready();
    await call(trainer);
    // A generator that was left early has ended.
    for (const [state, other] of Object.entries(calls)) {
      const fresh = await ready();
      const underWay = other(fresh);
      await expect(call(fresh), `${name} during ${state}`).rejects.toMatchObject({ code: 'BUSY' });
      await underWay;
      fresh.dispose();
    }
    trainer.dispose();
    trainer.dispose();
    await expect(call(trainer)).rejects.toMatchObject({ code: 'DISPOSED' });
    for (const foreign of [{}, null, undefined]) {
      const method = Trainer.prototype[name as 'step'];
      const answer = method.call(foreign as never, batch) as unknown as { next?: () => Promise<unknown> };
      await expect(answer.next?.() ?? answer).rejects.toBeInstanceOf(TypeError);
    }
  });

  it('a step under way ends when the trainer is disposed', async () => {
    const trainer = await ready();
    const step = trainer.step(batch);
    trainer.dispose();
    expect((await step).update).toBe(1);
    await expect(trainer.step(batch)).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('fit can be left and taken up again', async () => {
    using trainer = await Trainer.create(tinyOptions(data, at('left')));
    for await (const event of trainer.fit()) {
      if (event.update === 10) break;
    }
    await expect(fitAll(trainer)).resolves.toSatisfy((events: unknown[]) => events.length > 0);
    await trainAll(tinyOptions(data, at('straight')));
    expect((await modelBytes(at('left'))).equals(await modelBytes(at('straight')))).toBe(true);
  });

  it('a step that failed leaves the trainer as it was', async () => {
    using trainer = await ready();
    const before = await trainer.model.parameters();
    const bad = { source: [Int32Array.of(99, 2)], target: [Int32Array.of(4, 2)] };
    await expect(trainer.step(bad)).rejects.toMatchObject({ code: 'TOKEN_OUT_OF_RANGE' });
    await expect(trainer.step([])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(trainer.update).toBe(0);
    expect(await trainer.model.parameters()).toEqual(before);
    expect((await trainer.step([batch, batch])).update).toBe(1);
  });
});
