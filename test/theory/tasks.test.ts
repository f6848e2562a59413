// Every task whose passes have distributions, against all samples kept in float64; the others are refused.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeRows } from '../../lib/benchmark/decode.js';
import { theoryCommand } from '../../lib/cli/theory.js';
import type { DropoutMomentsOptions, KlDirection } from '../../lib/options/index.js';
import { dropoutMomentsSchema, parseConfig } from '../../lib/options/index.js';
import { openSubject } from '../../lib/theory/subject.js';
import { dropoutMoments } from '../../lib/theory/theory.js';
import { naiveEstimate, type Vectors } from '../support/naive_gradients.js';
import { runCommand } from '../support/run_command.js';
import { makeTaskData, type TinyTask, taskOptions, tinyTasks } from '../tasks/tiny_tasks.js';
import { trainAll, workplace } from '../training/tiny_run.js';

let place: string;
let remove: () => Promise<void>;
const data = {} as Record<TinyTask, string>;
const run = (task: TinyTask) => join(place, `run-${task}`);
beforeAll(async () => {
  ({ path: place, remove } = await workplace());
  for (const task of tinyTasks) {
    data[task] = await makeTaskData(join(place, task), task);
    const options = taskOptions(task, data[task], run(task));
    const loss = task === 'classification' ? { classWeights: 'balanced' as const, alpha: 2 } : {};
    await trainAll({ ...options, loss: { ...options.loss, ...loss }, maxUpdates: 10 });
  }
});

afterAll(() => remove());

const small = { batches: 2, maxTokens: 96, pairs: 5, threads: 1, precision: 'float64' } as const;
const ofRun = (task: TinyTask, more: Partial<DropoutMomentsOptions> = {}): DropoutMomentsOptions => ({
  run: { directory: run(task) },
  ...small,
  ...more,
});
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const directions = ['uni', 'uni-reverse', 'bi'] as const;

/** The figures from a gradient of its own for each direction, every sample kept. */
async function direct(options: DropoutMomentsOptions) {
  const config = parseConfig(dropoutMomentsSchema, options, 'theory');
  const { model, batches, loss } = await openSubject(config);
  const divergence = { uni: 0, 'uni-reverse': 0, bi: 0 };
  const kept: { kl: Vectors[]; loss: Vectors[] } = { kl: [], loss: [] };
  let positions = 0;
  for (const [b, batch] of batches.entries()) {
    const own: { kl: Vectors; loss: Vectors } = { kl: [], loss: [] };
    for (let i = 0; i < config.pairs; i++) {
      const update = b * config.pairs + i + 1;
      const pass = async (direction: KlDirection, alpha: number) => {
        const found = await model.lossAndGradients(
          batch,
          { ...loss, direction, alpha },
          { training: true, update },
        );
        const flat = [...found.gradients.values()].flatMap((values) => Array.from(values));
        return { ...found, values: Float64Array.from(flat, (value) => value / found.tokens) };
      };
      const plain = await pass('bi', 0);
      const [uni, uniReverse, bi] = [
        await pass('uni', loss.alpha),
        await pass('uni-reverse', loss.alpha),
        await pass('bi', loss.alpha),
      ];
      if (i === 0) positions += plain.tokens;
      for (const [k, { kl }] of [uni, uniReverse, bi].entries()) divergence[directions[k]!] += kl;
      const alone = ({ values }: typeof plain) =>
        values.map((value, k) => (value - plain.values[k]!) / loss.alpha);
      own.loss.push({ uni: uni.values, uniReverse: uniReverse.values, bi: bi.values });
      own.kl.push({ uni: alone(uni), uniReverse: alone(uniReverse), bi: alone(bi) });
    }
    kept.kl.push(own.kl);
    kept.loss.push(own.loss);
  }
  model.dispose();
  const mean = (direction: KlDirection) => divergence[direction] / config.pairs / positions;
  return { kept, positions, mean, loss, batches };
}

describe.each<[string, () => DropoutMomentsOptions]>([
  ['a language model', () => ofRun('language-model')],
  ['a classifier with weights of its classes', () => ofRun('classification')],
  ['a classifier whose KL term is summed', () => ofRun('classification', { loss: { klReduction: 'sum' } })],
])('theory of %s', (_, optionsOf) => {
  it('comes to the figures of all samples kept', async () => {
    const options = optionsOf();
    const result = await dropoutMoments(options);
    const truth = await direct(options);
    expect(sum(result.conditions.batches.map(({ tokens }) => tokens))).toBe(truth.positions);
    expect(result.divergence.uni.mean).toBeCloseTo(truth.mean('uni'), 12);
    expect(result.divergence.uniReverse.mean).toBeCloseTo(truth.mean('uni-reverse'), 12);
    expect(result.divergence.bi.mean).toBeCloseTo(truth.mean('bi'), 12);
    expect(result.divergence.uni.mean).toBeGreaterThan(0);
    expect(result.divergence.uni.mean).not.toBe(result.divergence.uniReverse.mean);
    for (const objective of ['kl', 'loss'] as const) {
      const expected = naiveEstimate(truth.kept[objective]);
      const all = result.gradients[objective].at(-1)!;
      const near = (actual: number | null, value: number) =>
        expect(Math.abs(actual! - value)).toBeLessThan(1e-8 * Math.abs(value));
      for (const direction of ['uni', 'uniReverse', 'bi'] as const) {
        near(all[direction].variance, expected[direction].variance);
        near(all[direction].meanSquaredNorm, expected[direction].meanSquaredNorm);
      }
      near(all.varianceRatio.ratio, expected.uni.variance / expected.bi.variance);
      near(all.expectedRatio.ratio, 1 + expected.halfVariance / expected.bi.variance);
      near(all.cosine, expected.cosine);
    }
  });
});

describe('theory of a task', () => {
  it("takes the run's loss, network and blocks", async () => {
    const text = await dropoutMoments(ofRun('language-model'));
    expect(text.conditions).toMatchObject({ task: 'language-model', loss: { alpha: 1 } });
    expect(text.gradients.kl.map(({ group }) => group)).toEqual([
      ...['embeddings', 'decoder self-attention', 'decoder ffn', 'layer norms', 'all'],
    ]);
    // 141 tokens in blocks of 16, the last of which has 13; of 96 tokens a batch has at most six.
    expect(sum(text.conditions.batches.map(({ tokens }) => tokens))).toBe(141);
    expect(text.conditions.batches.map(({ pairs }) => pairs).sort()).toEqual([3, 6]);
    const shorter = await dropoutMoments(ofRun('language-model', { tokensPerSample: 12 }));
    expect(sum(shorter.conditions.batches.map(({ tokens }) => tokens))).toBe(141);
    expect(shorter.conditions.batches.map(({ pairs }) => pairs).sort()).toEqual([4, 8]);
    const classes = await dropoutMoments(ofRun('classification'));
    expect(classes.gradients.kl.map(({ group }) => group)).toContain('head');
    for (const { pairs, tokens } of classes.conditions.batches) expect(tokens).toBe(pairs);
    // n / (C · examples of the class), of the training data, whichever split the batches are from.
    const labels = readFileSync(join(data.classification, 'train.label'), 'utf8').trimEnd().split('\n');
    const weights = ['blue', 'green', 'red'].map(
      (label) => labels.length / (3 * labels.filter((each) => each === label).length),
    );
    expect(classes.conditions.loss).toMatchObject({ alpha: 2, passes: 2, classWeights: weights });
    const train = await dropoutMoments(ofRun('classification', { split: 'train' }));
    expect(train.conditions.loss.classWeights).toEqual(weights);
  });

  it('initializes a network for prepared data', async () => {
    const { model } = taskOptions('classification', '', '');
    const fresh = { model: { ...model, encoderLayers: 1 }, data: data.classification, ...small };
    const result = await dropoutMoments(fresh);
    expect(result.conditions).toMatchObject({
      task: 'classification',
      model: { architecture: 'encoder', output: 'classes', outputs: 3 },
      update: 0,
    });
    // The dropout of a head is enough for two passes that differ.
    const ofHead = { ...fresh, model: { ...fresh.model, dropout: 0, headDropout: 0.3 } };
    expect((await dropoutMoments(ofHead)).divergence.uni.mean).toBeGreaterThan(0);
    const still = { ...fresh, model: { ...fresh.model, dropout: 0, headDropout: 0 } };
    await expect(dropoutMoments(still)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('is refused for regression, whose difference has no direction', async () => {
    await expect(dropoutMoments(ofRun('regression'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /distributions \(translation, .*got regression, .*A sweep over loss\.alpha/,
      ),
    });
    const { model } = taskOptions('regression', '', '');
    const fresh = { model, data: data.regression, ...small };
    await expect(dropoutMoments(fresh)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it("refuses data that are not the run's kind, and what is too long", async () => {
    const refused = (options: DropoutMomentsOptions, code: string, message: RegExp) =>
      expect(dropoutMoments(options)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    await refused(
      ofRun('classification', { data: data['language-model'] }),
      'CHECKPOINT_MISMATCH',
      /expected data of classification, .*got data of language-model/,
    );
    const other = await makeTaskData(join(place, 'other'), 'classification');
    const labels = join(other, 'labels.txt');
    writeFileSync(labels, readFileSync(labels, 'utf8').replace('red', 'pink'));
    await refused(
      ofRun('classification', { data: other, verify: false }),
      'CHECKPOINT_MISMATCH',
      /other\/data\/labels\.txt: expected the same file/,
    );
    await refused(
      ofRun('language-model', { tokensPerSample: 97 }),
      'INVALID_CONFIG',
      /theory\.tokensPerSample: expected at most 64 \(model\.maxPositions\), got 97/,
    );
    await refused(
      ofRun('classification', { maxTokens: 3 }),
      'INVALID_ARGUMENT',
      /valid\.text:\d+: expected at most 3 tokens .*\(theory\.maxTokens\).*theory\.overlong/,
    );
    const begun = join(place, 'begun');
    const options = taskOptions('classification', data.classification, begun);
    await trainAll({ ...options, init: run('classification'), maxUpdates: 2 });
    await refused(
      { run: { directory: begun, checkpoint: 'initial' }, ...small },
      'INVALID_ARGUMENT',
      /began with the parameters of .*run-classification \(init\), got "initial"/,
    );
    await refused(ofRun('classification', { batches: 99 }), 'INVALID_ARGUMENT', /at most the \d+ batches/);
  });

  it('has no part in what the benchmark of beam search takes', async () => {
    const context = { options: { run: run('classification') } } as Parameters<typeof decodeRows>[0];
    await expect(decodeRows(context)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /expected a run of translation for decode.*got one of classification.*step/,
      ),
    });
  });

  it('prints its tables', async () => {
    const small = ['--batches', '1', '--max-tokens', '96', '--pairs', '5', '--threads', '1'];
    const { output, thrown } = await runCommand(theoryCommand(), [
      ...['--run', run('language-model'), '--tokens-per-sample', '8', ...small],
    ]);
    expect(thrown).toBeNull();
    expect(output).toMatch(/^decoder self-attention\s/m);
    expect(output).not.toContain('encoder ffn ');
    const preset = ['--preset', 'classifier-bert', '--set', 'model.embedDim=16', '--set', 'model.heads=2'];
    const sizes = ['--set', 'model.ffnDim=16', '--set', 'model.encoderLayers=1'];
    const fresh = await runCommand(theoryCommand(), [
      ...['--data', data.classification, ...preset, ...sizes, ...small, '--json'],
    ]);
    expect(fresh.thrown).toBeNull();
    expect(JSON.parse(fresh.output).conditions).toMatchObject({
      task: 'classification',
      loss: { klReduction: 'sum', alpha: 1, passReduction: 'mean', passes: 2 },
    });
    const values = await runCommand(theoryCommand(), ['--run', run('regression'), ...small]);
    expect(values.thrown).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
