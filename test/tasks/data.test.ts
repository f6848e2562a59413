// What a prepared directory becomes: sequences, batches, weights, limits.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SentenceStore } from '../../lib/data/sentence_store.js';
import { resolveTrainOptions } from '../../lib/options/presets.js';
import { classLosses, probabilitiesOf } from '../../lib/tasks/classification/class_losses.js';
import { classification } from '../../lib/tasks/classification/task.js';
import { blocksOf, linesOf } from '../../lib/tasks/language_model/sequences.js';
import { languageModel } from '../../lib/tasks/language_model/task.js';
import { workplace } from '../training/tiny_run.js';
import { makeTaskData, type TinyTask, taskOptions } from './tiny_tasks.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
});
afterAll(() => place.remove());

const lists = (sequences: readonly Int32Array[]) => sequences.map((each) => [...each]);
const configOf = (task: TinyTask, data: string, change: object = {}) =>
  resolveTrainOptions({ ...taskOptions(task, data, at('run')), ...change }, 'train');

describe('a language model', () => {
  it('predicts each token of the stream once, from those one place before', () => {
    const store = new SentenceStore();
    for (const line of [
      [4, 5, 2],
      [6, 2],
      [7, 8, 2],
    ])
      store.push(Int32Array.from(line));
    const { source, target } = blocksOf(store, 3);
    expect(lists(target)).toEqual([
      [4, 5, 2],
      [6, 2, 7],
      [8, 2],
    ]);
    expect(lists(source)).toEqual([
      [2, 4, 5],
      [2, 6, 2],
      [7, 8],
    ]);
  });

  it('of lines predicts each from eos on', () => {
    const { source, target } = linesOf([Int32Array.of(4, 5, 2), Int32Array.of(2)]);
    expect(lists(source)).toEqual([[2, 4, 5], [2]]);
    expect(lists(target)).toEqual([[4, 5, 2], [2]]);
  });

  it('has blocks of tokensPerSample, and as many in a batch as maxSentences says', async () => {
    const data = await makeTaskData(at('stream'), 'language-model', { pieces: 'characters' });
    const config = configOf('language-model', data, {
      batches: { maxTokens: 4096, tokensPerSample: 16, maxSentences: 12 },
    });
    const { train, network } = await languageModel.open(config, {});
    expect(network).toMatchObject({ architecture: 'decoder' });
    const sizes: number[] = [];
    for (let first = 0; first < train.batchesPerEpoch; first = train.after(first))
      for (const { source, target } of train.at(1, first)) {
        expect(source.offsets).toEqual(target.offsets);
        sizes.push(source.offsets.length - 1);
      }
    expect(sizes.filter((size) => size !== 12).length).toBeLessThanOrEqual(1);
    await expect(
      languageModel.open(configOf('language-model', data, { batches: { tokensPerSample: 65 } }), {}),
    ).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('expected at most 64 (model.maxPositions), got 65'),
    });
  });

  it('of lines refuses, cuts or leaves out those that are too long, and counts them', async () => {
    const data = await makeTaskData(at('lines'), 'language-model', { mode: 'lines' });
    const open = (overlong?: 'truncate' | 'skip') => {
      const { model } = taskOptions('language-model', data, 'run');
      const change = { model: { ...model, maxPositions: 6 }, ...(overlong && { overlong }) };
      return languageModel.open(configOf('language-model', data, change), {});
    };
    await expect(open()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /train\.tokens:\d+: expected at most 6 tokens with eos \(model\.maxPositions\)/,
      ),
    });
    const lengthsOf = async (overlong: 'truncate' | 'skip') => {
      const { train, overlong: counted, warnings } = await open(overlong);
      const lengths: number[] = [];
      for (let first = 0; first < train.batchesPerEpoch; first = train.after(first))
        for (const { target } of train.at(1, first)) {
          target.offsets.slice(1).forEach((end, i) => {
            lengths.push(end - target.offsets[i]!);
            expect(target.tokens[end - 1]).toBe(2);
          });
        }
      expect(warnings.map(({ code }) => code)).toContain('OVERLONG');
      return { lengths, count: counted.train!.count };
    };
    const [cut, left] = [await lengthsOf('truncate'), await lengthsOf('skip')];
    expect(cut.lengths.length).toBe(120);
    expect(left.lengths.length).toBe(120 - left.count);
    expect(cut.count).toBe(left.count);
    expect(Math.max(...cut.lengths, ...left.lengths)).toBe(6);
  });
});

describe('classes', () => {
  it('are weighted as they are given, or by n / (C · examples)', async () => {
    const data = await makeTaskData(at('classes'), 'classification');
    const open = (classWeights: number[] | 'balanced') =>
      classification.open(configOf('classification', data, { loss: { classWeights } }), {});
    const { loss, train, classes } = await open('balanced');
    const counts = [0, 0, 0];
    for (let first = 0; first < train.batchesPerEpoch; first = train.after(first))
      for (const { target } of train.at(1, first)) for (const each of target.tokens) counts[each]!++;
    expect(classes).toBe(3);
    expect(loss.classWeights).toEqual(counts.map((count) => 120 / (3 * count)));
    expect((await open([1, 2, 3])).loss.classWeights).toEqual([1, 2, 3]);
    await expect(open([1, 2])).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('"balanced" or 3 numbers, one for each of blue, green, red, got 2'),
    });
  });

  it('have the losses of their logits', () => {
    // log-softmax of [1, 2, 4] is [-3.1698, -2.1698, -0.1698]; of [0, 0, 0] each is -ln 3.
    const logits = Float64Array.of(1, 2, 4, 0, 0, 0);
    const logs = [1, 2, 4].map((z) => z - Math.log(Math.exp(1) + Math.exp(2) + Math.exp(4)));
    const [first, second] = [-logs[1]!, Math.log(3)];
    const all = -(logs[0]! + logs[1]! + logs[2]!);
    const options = { direction: 'uni', alpha: 0 } as const;
    const bits = (sum: number) => sum / (2 * Math.LN2);
    const expected = Int32Array.of(1, 2);
    expect(classLosses(logits, expected, 3, options).nll).toBeCloseTo(bits(first + second), 12);
    const smoothed = classLosses(logits, expected, 3, {
      ...options,
      labelSmoothing: 0.3,
      classWeights: [9, 2, 1],
    });
    expect(smoothed.loss).toBeCloseTo(bits(2 * (0.7 * first + 0.1 * all) + second), 12);
    expect(smoothed.nll).toBeCloseTo(bits(first + second), 12);
    const fairseq = classLosses(logits, expected, 3, {
      ...options,
      labelSmoothing: 0.3,
      smoothing: 'fairseq',
    });
    expect(fairseq.loss).toBeCloseTo(bits(0.7 * first + 0.15 * (all - first) + second), 12);
    const huge = probabilitiesOf(Float64Array.of(1000, 0), 2);
    expect([...huge]).toEqual([1, 0]);
  });
});
