// What ranks share out and agree on, with ranks in this process: no network, no second process.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Transformer } from '../../../lib/model/transformer.js';
import { parseConfig, trainSchema } from '../../../lib/options/index.js';
import { BatchSource } from '../../../lib/tasks/translation/batch_source.js';
import { loadRunData, type RunData } from '../../../lib/tasks/translation/run_data.js';
import { searchTest, validate } from '../../../lib/tasks/translation/validation.js';
import { freshState } from '../../../lib/training/checkpoint.js';
import { Agreement } from '../../../lib/training/distributed/agreement.js';
import { alone } from '../../../lib/training/distributed/ranks.js';
import { checkRanks } from '../../../lib/training/distributed/same_run.js';
import { shareParameters } from '../../../lib/training/distributed/share_parameters.js';
import { makeReversalData, tinyOptions } from '../tiny_run.js';
import { fakeRanks, onAll } from './fake_group.js';

let place: string;
let data: RunData;
const configOf = (bleu: 'raw' | 'fairseq') =>
  parseConfig(
    trainSchema,
    {
      ...tinyOptions(place, 'run'),
      batches: { maxTokens: 24 },
      validation: { interval: 10, metric: 'bleu', bleu, beam: { beam: 2, maxLenA: 0, maxLenB: 10 } },
    },
    'train',
  );
const models: Transformer[] = [];
const modelOf = async (seed: number) => {
  const { model } = configOf('raw');
  const { dictionaries } = data.pipeline;
  const made = await Transformer.create({ ...model, vocabSize: dictionaries.target.size }, { seed });
  models.push(made);
  return made;
};

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'rdrop-sharing-'));
  await makeReversalData(place, { train: 40, valid: 37, test: 23 });
  data = await loadRunData(configOf('raw'), {});
});
afterAll(async () => {
  for (const model of models) model.dispose();
  await rm(place, { recursive: true, force: true });
});

describe('batches of ranks', () => {
  const sentences = Array.from({ length: 70 }, (_, i) => new Int32Array(1 + (i % 9)).fill(5));
  const plan = { maxTokens: 20, multipleOf: 1, accumulate: 2, seed: 3 };
  const source = (rank: number, size: number, accumulate = 2) =>
    new BatchSource({ source: sentences, target: sentences }, { ...plan, accumulate }, { rank, size });

  it('are dealt out one by one, and together are those of one process that accumulates as many', () => {
    const one = source(0, 1, 6);
    const ranks = [0, 1, 2].map((rank) => source(rank, 3));
    expect(one.batchesPerUpdate).toBe(6);
    expect(ranks.map(({ batchesPerUpdate }) => batchesPerUpdate)).toEqual([6, 6, 6]);
    const last = Math.floor((one.batchesPerEpoch - 1) / 6) * 6;
    // So that the end of an epoch has an update with fewer batches than ranks.
    expect(one.batchesPerEpoch - last).toBeLessThan(6);
    for (const epoch of [1, 2]) {
      for (let first = 0; first < one.batchesPerEpoch; first = one.after(first)) {
        const shares = ranks.map((rank) => rank.at(epoch, first));
        const all = one.at(epoch, first);
        all.forEach((batch, m) => {
          expect(shares[m % 3]![Math.floor(m / 3)]).toEqual(batch);
        });
        expect(shares.flat().length).toBe(all.length);
        if (first === last) expect(shares[2]!.length).toBeLessThan(2);
      }
    }
    expect(one.after(last)).toBe(one.batchesPerEpoch);
  });

  it('go on from any batch of an epoch, whatever made an update before', () => {
    const two = [source(0, 2), source(1, 2)];
    expect([two[0]!.at(1, 3)[0], two[1]!.at(1, 3)[0]]).toEqual([
      source(0, 1, 1).at(1, 3)[0],
      source(0, 1, 1).at(1, 4)[0],
    ]);
  });
});

describe('a validation that ranks share', () => {
  for (const bleu of ['raw', 'fairseq'] as const) {
    for (const size of [2, 3]) {
      it(`has the numbers of one process to the bit: ${bleu} BLEU, ${size} ranks`, async () => {
        const config = configOf(bleu);
        const model = await modelOf(5);
        const calls = { evaluate: 0, translate: 0 };
        const counting = new Proxy(model, {
          get: (target, key) => {
            if (key === 'evaluate' || key === 'translate') calls[key]++;
            const value = Reflect.get(target, key, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
        const one = await validate(counting, data.pipeline, data.valid, { config });
        const once = { ...calls };
        const all = await onAll(fakeRanks(size), (ranks) =>
          validate(counting, data.pipeline, data.valid, { config, ranks }),
        );
        for (const found of all) expect(found).toEqual(one);
        // Nothing is computed twice.
        expect(calls).toEqual({ evaluate: 2 * once.evaluate, translate: 2 * once.translate });
        expect(once.evaluate).toBeGreaterThan(size);
      });
    }
  }

  it('finds the translations of one process', async () => {
    const config = configOf('raw');
    const model = await modelOf(6);
    const one = await searchTest(model, data.test!, { config });
    const all = await onAll(fakeRanks(3), (ranks) => searchTest(model, data.test!, { config, ranks }));
    for (const found of all) expect(found).toEqual(one);
  });

  it('is aborted on every rank by one', async () => {
    const config = configOf('raw');
    const model = await modelOf(7);
    const controller = new AbortController();
    controller.abort();
    const ended = fakeRanks(2).map((ranks) =>
      validate(model, data.pipeline, data.valid, {
        config,
        ranks,
        signal: ranks.first ? undefined : controller.signal,
      }),
    );
    for (const each of await Promise.allSettled(ended))
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } });
  });
});

describe('ranks', () => {
  it('have the parameters of the first', async () => {
    const own = [await modelOf(1), await modelOf(2)];
    const before = await own[0]!.parameters();
    expect(await own[1]!.parameters()).not.toEqual(before);
    await onAll(fakeRanks(2), (ranks) => shareParameters(ranks, own[ranks.rank]!));
    expect(await own[1]!.parameters()).toEqual(before);
    expect(await own[0]!.parameters()).toEqual(before);
  });

  it('agree on an abort, the time and whether events are taken', async () => {
    const config = { ...configOf('raw'), maxMinutes: 1 };
    const ended = new AbortController();
    ended.abort();
    const { signal } = new AbortController();
    const state = (seconds: number) => ({ ...freshState('x'), elapsedSeconds: seconds });
    const meet = (seconds: number[], signals: AbortSignal[], left: boolean[]) =>
      onAll(fakeRanks(2), async (ranks) => {
        const { rank } = ranks;
        const agreement = new Agreement(ranks, config, state(seconds[rank]!));
        await agreement.meet(agreement.said(signals[rank]!, left[rank]!));
        return [agreement.aborted(signals[rank]!), agreement.timeUp(), agreement.left];
      });
    const none = [false, false];
    const both = [signal, signal];
    expect(await meet([0, 0], both, none)).toEqual([
      [false, false, false],
      [false, false, false],
    ]);
    expect(await meet([0, 0], [signal, ended.signal], none)).toEqual([
      [true, false, false],
      [true, false, false],
    ]);
    // The clock of rank 0 counts.
    expect(await meet([60, 0], both, none)).toEqual([
      [false, true, false],
      [false, true, false],
    ]);
    expect(await meet([0, 60], both, none)).toEqual([
      [false, false, false],
      [false, false, false],
    ]);
    expect(await meet([0, 0], both, [true, false])).toEqual([
      [false, false, true],
      [false, false, true],
    ]);
    expect(await meet([0, 0], both, [false, true])).toEqual([
      [true, false, false],
      [true, false, false],
    ]);
  });

  it('take the result, or the abort, of what the first does; its error ends them', async () => {
    const found = await onAll(fakeRanks(2), (ranks) => ranks.fromFirst(() => ({ of: ranks.rank })));
    expect(found).toEqual([{ of: 0 }, { of: 0 }]);
    const refused = (code: string) => async () => {
      throw Object.assign(new Error('no'), { code });
    };
    const outcome = async (code: string) =>
      Promise.allSettled(
        fakeRanks(2).map((ranks) =>
          ranks.fromFirst(refused(code)).catch(async (error) => {
            throw await ranks.failed(error);
          }),
        ),
      );
    expect(await outcome('ABORTED')).toMatchObject([
      { reason: { code: 'ABORTED' } },
      { reason: { code: 'ABORTED' } },
    ]);
    expect(await outcome('DISK_FULL')).toMatchObject([
      { reason: { code: 'DISK_FULL' } },
      { reason: { code: 'RANK_FAILED', message: 'rank 0 failed: DISK_FULL: no' } },
    ]);
  });

  it('with other data end all, naming the rank and the file', async () => {
    const ended = await Promise.allSettled(
      fakeRanks(3).map((ranks) =>
        checkRanks(ranks, { 'train.de': 'a', 'train.en': ranks.rank === 2 ? 'b' : 'a' }),
      ),
    );
    for (const each of ended) {
      expect(each).toMatchObject({
        reason: {
          code: 'RANKS_DIFFER',
          message: expect.stringMatching(/^rank 2 has other data .*: train\.en$/),
        },
      });
    }
    await checkRanks(alone, {});
  });
});
