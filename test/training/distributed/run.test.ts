// Whole runs over two processes, from the data to the result.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../../lib/data/safetensors/safetensors.js';
import type { Transformer } from '../../../lib/model/transformer.js';
import type { TrainEvent } from '../../../lib/training/train_events.js';
import { Trainer } from '../../../lib/training/trainer.js';
import { fitAll, makeReversalData, metricsOf, modelBytes, trainAll, workplace } from '../tiny_run.js';
import { withoutLibrary } from './library.js';
import { accumulating, fitUntil, resumeWith, sharedOptions, timeless } from './run.js';

const because = withoutLibrary === null ? '' : ` (left out: ${withoutLibrary})`;
let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
const at = (name: string) => join(place.path, name);
const json = async (run: string, file: string) => JSON.parse(await readFile(join(run, file), 'utf8'));
const two = { processes: 2 };

beforeAll(async () => {
  place = await workplace();
  data = at('data');
  await makeReversalData(data, { train: 130, valid: 21, test: 19 });
});
afterAll(() => place.remove());

async function expectNear(run: string, other: string, relative: number): Promise<void> {
  const [a, b] = await Promise.all(
    [run, other].map((each) => readSafetensors(join(each, 'checkpoints/last/model.safetensors'))),
  );
  expect([...a!.tensors.keys()]).toEqual([...b!.tensors.keys()]);
  for (const [name, { data: numbers }] of a!.tensors) {
    // The same for every key: softmax takes it away again, its gradient is what rounding leaves, and Adam makes steps of that.
    if (name.endsWith('k_proj.bias')) continue;
    const others = b!.tensors.get(name)!.data as Float32Array;
    const largest = others.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    (numbers as Float32Array).forEach((x, i) => {
      if (Math.abs(x - others[i]!) > relative * largest) expect([name, i, x]).toEqual([name, i, others[i]]);
    });
  }
}

describe.skipIf(withoutLibrary !== null)(`two processes${because}`, () => {
  let events: TrainEvent[];

  it('train as one that accumulates two batches, to the scores of validation and test', async () => {
    const one = await trainAll(accumulating(sharedOptions(data, at('one')), 2));
    events = await trainAll({ ...sharedOptions(data, at('two')), distributed: two });
    expect(events.map(({ type, update }) => [type, update])).toEqual(
      one.map(({ type, update }) => [type, update]),
    );
    for (const [i, event] of one.entries()) {
      const other = timeless(events[i]!);
      for (const [key, value] of Object.entries(timeless(event))) {
        if (typeof value !== 'number') continue;
        if (['loss', 'nll', 'kl', 'crossEntropy', 'gradientNorm'].includes(key)) {
          expect(Math.abs((other[key] as number) - value)).toBeLessThanOrEqual(1e-5 * Math.abs(value));
        } else expect([key, other[key]]).toEqual([key, value]);
      }
    }
    await expectNear(at('two'), at('one'), 1e-5);
    const [a, b] = [await json(at('two'), 'result.json'), await json(at('one'), 'result.json')];
    expect(a).toMatchObject({ worldSize: 2, testBleu: b.testBleu, validBleu: b.validBleu, epochs: b.epochs });
    expect(b.worldSize).toBeUndefined();
    const test = (run: string) => readFile(join(run, 'hypotheses/test.en'), 'utf8');
    expect(await test(at('two'))).toBe(await test(at('one')));
    expect(await json(at('two'), 'environment.json')).toMatchObject({ worldSize: 2 });
    expect((await json(at('two'), 'config.json')).distributed).toMatchObject(two);
  }, 60_000);

  it('score a checkpoint exactly as one process does', async () => {
    // A validation at the same parameters: nothing is trained before it.
    const scores = async (run: string, processes: number) => {
      const found: TrainEvent[] = [];
      await using trainer = await resumeWith(run, { processes }, 21);
      for await (const event of trainer.fit({
        // After the validation of the same single update.
        validate: () => ({ mine: 1 }),
      }))
        found.push(event);
      return found.filter(({ type }) => type === 'validation').map(timeless);
    };
    // One batch of data: an update of two processes with one batch is that of one process.
    await makeReversalData(at('small'), { train: 6, valid: 21, test: 19 });
    const options = { ...sharedOptions(at('small'), ''), batches: { maxTokens: 4096 } };
    await trainAll({ ...options, runDirectory: at('small-one') });
    await trainAll({ ...options, runDirectory: at('small-two'), distributed: two });
    expect(await modelBytes(at('small-two'))).toEqual(await modelBytes(at('small-one')));
    const lines = async (run: string) => (await metricsOf(run)).map(timeless);
    expect(await lines(at('small-two'))).toEqual(await lines(at('small-one')));
    expect(await scores(at('small-two'), 2)).toEqual(await scores(at('small-one'), 1));
  }, 60_000);

  it('are events of rank 0 as of one process', () => {
    const [last] = events.slice(-1);
    expect(last).toMatchObject({ type: 'end', reason: 'maxUpdates', result: { worldSize: 2 } });
    expect(events.filter(({ type }) => type === 'checkpoint').length).toBe(2);
  });

  it('resumed, train as if they had not been interrupted', async () => {
    {
      await using trainer = await Trainer.create({ ...sharedOptions(data, at('again')), distributed: two });
      const stopped = await fitUntil(trainer, 5);
      expect(stopped.at(-1)).toMatchObject({ type: 'end', reason: 'aborted', result: null });
    }
    {
      // The run's own number of processes.
      await using trainer = await Trainer.resume(at('again'));
      await fitAll(trainer);
    }
    expect(await modelBytes(at('again'))).toEqual(await modelBytes(at('two')));
    expect(await json(at('again'), 'result.json')).toMatchObject({
      testBleu: (await json(at('two'), 'result.json')).testBleu,
    });
  }, 60_000);

  for (const [before, after] of [
    [2, 1],
    [1, 2],
  ] as const) {
    it(`continue a run of ${before} by ${after}, at the same batch`, async () => {
      const run = at(`${before}to${after}`);
      let batches: number;
      let update: number;
      {
        const options = { ...sharedOptions(data, run), distributed: { processes: before } };
        await using trainer = await Trainer.create(options);
        await fitUntil(trainer, 5);
        const { state } = await json(run, 'checkpoints/last/state.json');
        ({ batches, update } = state);
        expect(batches).toBe(before * state.update);
        expect(batches).toBeLessThan(trainer.batchesPerEpoch - after);
        expect(state.worldSize).toBe(before === 1 ? undefined : before);
      }
      await using trainer = await resumeWith(run, { processes: after }, update + 8);
      const events = await fitAll(trainer);
      expect(events[0]).toMatchObject({
        type: 'warning',
        code: 'WORLD_SIZE',
        message: expect.stringContaining(`at batch ${batches + 1} of epoch 1`),
      });
      expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'maxUpdates' });
      const { state } = await json(run, 'checkpoints/last/state.json');
      const done = state.batches + (state.epoch - 1) * trainer.batchesPerEpoch;
      // Every batch of the first epoch once, its last update perhaps with fewer.
      expect(done).toBeGreaterThan(batches);
      expect(state.worldSize).toBe(after === 1 ? undefined : after);
    }, 60_000);
  }

  it('may be left between two updates, and trained on', async () => {
    await using trainer = await Trainer.create({ ...sharedOptions(data, at('left')), distributed: two });
    for await (const event of trainer.fit()) if (event.type === 'train') break;
    expect(trainer.update).toBe(5);
    await fitAll(trainer);
    expect(await modelBytes(at('left'))).toEqual(await modelBytes(at('two')));
  }, 60_000);

  it('run a validation hook on rank 0 alone, whose metric picks the best on both', async () => {
    const values = [3, 1];
    const options = sharedOptions(data, at('hook'));
    await using trainer = await Trainer.create({
      ...options,
      validation: { ...options.validation, metric: { name: 'mine' } },
      distributed: two,
    });
    const found: TrainEvent[] = [];
    const validate = async (model: Transformer) => {
      expect((await model.translate([Int32Array.of(4, 5, 2)]))[0]!.length).toBe(1);
      return { mine: values.shift()! };
    };
    for await (const event of trainer.fit({ validate })) found.push(event);
    const validations = found.filter((event) => event.type === 'validation');
    expect(validations.map(({ metrics, best }) => [metrics, best])).toEqual([
      [{ mine: 3 }, true],
      [{ mine: 1 }, false],
    ]);
    expect(found.at(-1)).toMatchObject({ result: { bestUpdate: 10, validMetric: { value: 3 } } });
  }, 60_000);
});

it.skipIf(withoutLibrary !== null)(
  `step() and pauseAt are for trainers of one process${because}`,
  async () => {
    await using trainer = await Trainer.create({ ...sharedOptions(data, at('step')), distributed: two });
    const batch = { source: [Int32Array.of(4, 2)], target: [Int32Array.of(5, 2)] };
    await expect(trainer.step(batch)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(trainer.fit({ pauseAt: 1 }).next()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('several processes'),
    });
  },
  60_000,
);
