import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../lib/model/pack.js';
import { rdropLoss } from '../../lib/model/rdrop_loss.js';
import { Transformer } from '../../lib/model/transformer.js';
import type { DropoutMomentsOptions, LossOptions } from '../../lib/options/index.js';
import { dropoutMomentsSchema, parseConfig } from '../../lib/options/index.js';
import { openSubject } from '../../lib/theory/subject.js';
import { type DropoutMoments, drawSample, dropoutMoments } from '../../lib/theory/theory.js';
import { fixture, fixtureModel, floats, ragged, scalar } from '../support/fixtures/fairseq_fixtures.js';
import { naiveEstimate, type Vectors } from '../support/naive_gradients.js';
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

const model = { embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1, dropout: 0.3 };
const fresh = (more: Partial<DropoutMomentsOptions> = {}): DropoutMomentsOptions => ({
  model,
  data,
  batches: 2,
  maxTokens: 48,
  pairs: 6,
  threads: 1,
  precision: 'float64',
  ...more,
});
const flat = (gradients: ReadonlyMap<string, ArrayLike<number>>) =>
  Float64Array.from([...gradients.values()].flatMap((values) => Array.from(values)));
/** Largest difference relative to the largest value. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    size = Math.max(size, Math.abs(b[i]!));
  }
  expect(size).toBeGreaterThan(0);
  return difference / size;
}

describe('gradients under the same masks', () => {
  const smoothing = { labelSmoothing: 0.1, passReduction: 'sum' } as const;
  const passes = async (precision: 'float32' | 'float64') => {
    const subject = await openSubject(parseConfig(dropoutMomentsSchema, fresh({ precision }), 'theory'));
    const { model, batches } = subject;
    const batch = batches[0] as Batch;
    const grad = async (direction: LossOptions['direction'], alpha: number, update = 5) => {
      const options = { direction, alpha, ...smoothing };
      return await model.lossAndGradients(batch, options, { training: true, update });
    };
    return { ...subject, batch, grad };
  };

  it.each([
    ['float64', 1e-9],
    ['float32', 2e-5],
  ] as const)('that of bi is half the sum of both directions (%s)', async (precision, tolerance) => {
    const { model, grad } = await passes(precision);
    const [uni, reverse, bi] = [await grad('uni', 4), await grad('uni-reverse', 4), await grad('bi', 4)];
    const [u, r, b] = [uni, reverse, bi].map(({ gradients }) => flat(gradients)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const half = u.map((value, i) => (value + r[i]!) / 2);
    expect(apart(half, b)).toBeLessThan(tolerance);
    expect(Math.abs((uni.kl + reverse.kl) / 2 - bi.kl)).toBeLessThan(tolerance * bi.kl);
    // Not because the directions were the same, nor the masks.
    expect(apart(u, r)).toBeGreaterThan(1e-3);
    expect(apart(flat((await grad('bi', 4, 6)).gradients), b)).toBeGreaterThan(1e-2);
    model.dispose();
  });

  it.each([
    ['float64', 1e-9],
    ['float32', 2e-5],
  ] as const)(
    'the three measured give those of every direction and weight (%s)',
    async (precision, tolerance) => {
      const { model, batch, grad, loss } = await passes(precision);
      const { sample, divergences } = await drawSample(model, batch, { ...loss, ...smoothing }, 5);
      const plain = flat(sample.plain);
      const of = (measured: ReadonlyMap<string, ArrayLike<number>>) =>
        flat(measured).map((value, i) => (value - plain[i]!) / sample.weight);
      const [u, r] = [of(sample.uni), of(sample.reverse)];
      for (const alpha of [0.5, 7]) {
        const expected = {
          uni: plain.map((c, i) => c + alpha * u[i]!),
          'uni-reverse': plain.map((c, i) => c + alpha * r[i]!),
          bi: plain.map((c, i) => c + (alpha * (u[i]! + r[i]!)) / 2),
        };
        for (const direction of ['uni', 'uni-reverse', 'bi'] as const) {
          const { gradients } = await grad(direction, alpha);
          expect(apart(expected[direction], flat(gradients))).toBeLessThan(tolerance);
        }
      }
      expect(divergences[0]).toBeCloseTo((await grad('uni', 1)).kl, 6);
      expect(divergences[1]).toBeCloseTo((await grad('uni-reverse', 1)).kl, 6);
      expect(divergences[0]).not.toBe(divergences[1]);
      model.dispose();
    },
  );
});

describe('exchanging the passes', () => {
  it.each(['small', 'peaky'])(
    'turns uni into uni-reverse and leaves bi: recorded logits (%s)',
    async (name) => {
      const recorded = fixture('logits_case')!;
      const classes = recorded.get(`${name}/logits`)!.shape.at(-1)!;
      const logits = Float64Array.from(floats(recorded, `${name}/logits`));
      const targets = Int32Array.from(recorded.get(`${name}/target`)!.data as BigInt64Array, Number);
      const exchange = (values: ArrayLike<number>) => {
        const all = Array.from(values);
        return Float64Array.from([...all.slice(all.length / 2), ...all.slice(0, all.length / 2)]);
      };
      for (const [direction, key, exchanged] of [
        ['uni', 'uni_pq', 'uni_qp'],
        ['uni-reverse', 'uni_qp', 'uni_pq'],
        ['bi', 'bi', 'bi'],
      ] as const) {
        const call = (input: Float64Array, alpha: number) =>
          rdropLoss(input, classes, targets, { direction, alpha, labelSmoothing: 0.1, ignoreIndex: 1 });
        // The gradient of the KL term alone as the experiment takes it, from two weights.
        const ofKl = async (input: Float64Array) => {
          const [whole, plain] = [await call(input, 1024), await call(input, 0)];
          const gradient = whole.gradient.map((value, i) => (value - plain.gradient[i]!) / 1024);
          return { kl: whole.kl, gradient };
        };
        const given = await ofKl(logits);
        expect(
          apart(given.gradient, floats(recorded, `${name}/${key}/f64/grad_logits_kl_only`)),
        ).toBeLessThan(1e-9);
        const swapped = await ofKl(exchange(logits));
        const truth = floats(recorded, `${name}/${exchanged}/f64/grad_logits_kl_only`);
        expect(apart(exchange(swapped.gradient), truth)).toBeLessThan(1e-9);
        expect(swapped.kl / scalar(recorded, `${name}/${exchanged}/f64/kl_loss`)).toBeCloseTo(1, 9);
      }
    },
  );

  it("does so through a whole network: fairseq's weights, another source for the second pass", async () => {
    using network = await Transformer.create(fixtureModel, { seed: 1, precision: 'float64' });
    const batches = fixture('batch')!;
    const source = ragged(batches.get('b0/src_tokens')!);
    const other = source.map((sentence) => Int32Array.from([...sentence.slice(0, -1)].reverse().concat(2)));
    const target = ragged(batches.get('b0/target')!);
    const pass = (direction: LossOptions['direction'], first: Int32Array[], second: Int32Array[]) =>
      network.lossAndGradients(
        { source: first, target },
        { direction, alpha: 3, labelSmoothing: 0.1 },
        { secondSource: second },
      );
    const [uni, swapped, reverse] = [
      await pass('uni', source, other),
      await pass('uni-reverse', other, source),
      await pass('uni-reverse', source, other),
    ];
    expect(swapped.kl).toBeCloseTo(uni.kl, 10);
    expect(apart(flat(swapped.gradients), flat(uni.gradients))).toBeLessThan(1e-10);
    expect(Math.abs(reverse.kl - uni.kl)).toBeGreaterThan(1e-3 * uni.kl);
  });
});

describe('theory', () => {
  it('comes to the figures of all samples kept, from bi gradients of its own', async () => {
    const options = fresh({ loss: { alpha: 2 } });
    const result = await dropoutMoments(options);
    const config = parseConfig(dropoutMomentsSchema, options, 'theory');
    const { model, batches, loss } = await openSubject(config);
    const divergence = { uni: [] as number[][], 'uni-reverse': [] as number[][], bi: [] as number[][] };
    const kept: { kl: Vectors[]; loss: Vectors[] } = { kl: [], loss: [] };
    for (const [b, batch] of batches.entries()) {
      const own: Record<'kl' | 'loss', Vectors> = { kl: [], loss: [] };
      for (const values of Object.values(divergence)) values.push([]);
      for (let i = 0; i < config.pairs; i++) {
        const update = b * config.pairs + i + 1;
        const grad = async (direction: LossOptions['direction'], alpha: number) => {
          const found = await model.lossAndGradients(
            batch,
            { ...loss, direction, alpha },
            { training: true, update },
          );
          return { kl: found.kl, values: flat(found.gradients).map((value) => value / found.tokens) };
        };
        const plain = await grad('bi', 0);
        const whole = {
          uni: await grad('uni', 2),
          'uni-reverse': await grad('uni-reverse', 2),
          bi: await grad('bi', 2),
        };
        for (const name of ['uni', 'uni-reverse', 'bi'] as const) divergence[name][b]!.push(whole[name].kl);
        const alone = (values: Float64Array) => values.map((value, k) => (value - plain.values[k]!) / 2);
        own.loss.push({
          uni: whole.uni.values,
          uniReverse: whole['uni-reverse'].values,
          bi: whole.bi.values,
        });
        own.kl.push({
          uni: alone(whole.uni.values),
          uniReverse: alone(whole['uni-reverse'].values),
          bi: alone(whole.bi.values),
        });
      }
      kept.kl.push(own.kl);
      kept.loss.push(own.loss);
    }
    model.dispose();
    const tokens = batches.flatMap(({ target }) => target).reduce((sum, { length }) => sum + length, 0);
    expect(result.conditions.batches.map((batch) => batch.tokens).reduce((a, b) => a + b)).toBe(tokens);
    const overall = (values: number[][]) => values.flat().reduce((a, b) => a + b, 0) / config.pairs / tokens;
    expect(result.divergence.uni.mean).toBeCloseTo(overall(divergence.uni), 12);
    expect(result.divergence.uniReverse.mean).toBeCloseTo(overall(divergence['uni-reverse']), 12);
    expect(result.divergence.bi.mean).toBeCloseTo(overall(divergence.bi), 12);
    for (const objective of ['kl', 'loss'] as const) {
      const truth = naiveEstimate(kept[objective]);
      const all = result.gradients[objective].at(-1)!;
      expect(all.group).toBe('all');
      expect(all.parameters).toBe(kept[objective][0]![0]!.uni.length);
      const near = (actual: number | null, expected: number) =>
        expect(Math.abs(actual! - expected)).toBeLessThan(1e-8 * Math.abs(expected));
      for (const direction of ['uni', 'uniReverse', 'bi'] as const) {
        near(all[direction].variance, truth[direction].variance);
        near(all[direction].meanSquaredNorm, truth[direction].meanSquaredNorm);
      }
      near(all.varianceRatio.ratio, truth.uni.variance / truth.bi.variance);
      near(all.expectedRatio.ratio, 1 + truth.halfVariance / truth.bi.variance);
      near(all.cosine, truth.cosine);
    }
  });

  it('finds both directions equal in expectation, different under each mask pair, and uni the noisier', async () => {
    const trained = { run: { directory: run }, batches: 2, maxTokens: 48, pairs: 150, threads: 1, seed: 11 };
    const { divergence, draws, gradients } = await dropoutMoments(trained);
    expect(divergence.difference.low).toBeLessThan(0);
    expect(divergence.difference.high).toBeGreaterThan(0);
    expect(divergence.difference.containsZero).toBe(true);
    expect(divergence.difference.randomizationP).toBeGreaterThan(0.05);
    expect(divergence.uni.mean).toBeGreaterThan(0);
    expect(divergence.bi.mean).toBeCloseTo((divergence.uni.mean + divergence.uniReverse.mean) / 2, 14);
    draws.uni.forEach((value, i) => {
      expect(value).not.toBe(draws.uniReverse[i]);
    });
    expect(new Set(draws.uni).size).toBe(150);
    for (const { uni, bi, varianceRatio, expectedRatio, cosine, group } of gradients.kl) {
      expect(expectedRatio.low, group).toBeGreaterThan(1);
      expect(varianceRatio.low, group).toBeLessThan(expectedRatio.ratio!);
      expect(varianceRatio.high, group).toBeGreaterThan(1);
      expect(cosine, group).toBeCloseTo(1, 1);
      expect(uni.signalToNoise!).toBeLessThan(1.05 * bi.signalToNoise!);
    }
    expect(gradients.kl.at(-1)!.varianceRatio.ratio).toBeGreaterThan(1);
  });

  it('sees what is no longer exchangeable: a shift of one direction moves p and the interval', async () => {
    // The estimators must be able to fail: the same draws, one side 3 % larger.
    const { draws } = await dropoutMoments(fresh({ pairs: 40 }));
    const { meanEstimate, signFlipP } = await import('../../lib/theory/intervals.js');
    const differences = draws.uni.map((value, i) => 1.03 * value - draws.uniReverse[i]!);
    const { low, high } = meanEstimate(differences, 0.95);
    expect(low > 0 || high < 0).toBe(true);
    expect(await signFlipP(differences, { samples: 2000, seed: 1 })).toBeLessThan(0.01);
  });

  it('refuses a model without dropout: both passes are one, and everything is zero', async () => {
    const still = fresh({ model: { ...model, dropout: 0 } });
    await expect(dropoutMoments(still)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/expected a model with dropout .*got 0 for all three/),
    });
    const subject = await openSubject(parseConfig(dropoutMomentsSchema, still, 'theory'));
    const { sample, divergences } = await drawSample(subject.model, subject.batches[0]!, subject.loss, 1);
    for (const value of divergences) expect(Math.abs(value)).toBeLessThan(1e-12);
    const plain = flat(sample.plain);
    for (const gradients of [sample.uni, sample.reverse]) {
      // The weight of the KL term is 1,024, and nothing of it is left.
      expect(apart(flat(gradients), plain)).toBeLessThan(1e-11);
    }
    const again = await drawSample(subject.model, subject.batches[0]!, subject.loss, 2);
    expect(apart(flat(again.sample.plain), plain)).toBeLessThan(1e-14);
    subject.model.dispose();
    // Any of the three rates will do.
    const attention = fresh({ model: { ...model, dropout: 0, attentionDropout: 0.2 } });
    expect((await dropoutMoments(attention)).divergence.uni.mean).toBeGreaterThan(0);
  });

  it('is the same for the same seed and other for another; α moves the whole loss alone', async () => {
    const figures = ({ draws, gradients }: DropoutMoments) => ({ draws, gradients });
    const first = await dropoutMoments(fresh());
    expect(figures(await dropoutMoments(fresh()))).toEqual(figures(first));
    expect((await dropoutMoments(fresh({ seed: 2 }))).draws).not.toEqual(first.draws);
    const other = await dropoutMoments(fresh({ loss: { alpha: 1 } }));
    expect(other.gradients.kl).toEqual(first.gradients.kl);
    expect(other.gradients.loss).not.toEqual(first.gradients.loss);
    const mean = await dropoutMoments(fresh({ loss: { passReduction: 'mean', labelSmoothing: 0 } }));
    expect(mean.gradients.loss.at(-1)!.bi.variance).not.toBe(first.gradients.loss.at(-1)!.bi.variance);
    const wide = await dropoutMoments(fresh({ level: 0.5 }));
    const width = ({ divergence: { uni } }: DropoutMoments) => uni.high - uni.low;
    expect(width(wide)).toBeLessThan(width(first) / 2);
  });

  it("takes a run's checkpoint, its data and its loss, or its parameters before training", async () => {
    const options = { batches: 1, maxTokens: 64, pairs: 4, threads: 1 };
    const best = await dropoutMoments({ run: { directory: run }, ...options });
    expect(best.conditions).toMatchObject({
      loss: { alpha: 5, labelSmoothing: 0.1, passReduction: 'sum' },
      modelSeed: 3,
      model: { embedDim: 16, vocabSize: 16 },
    });
    expect(best.conditions.update).toBeGreaterThan(0);
    expect(Object.keys(best.conditions.data)).toContain('valid.de');
    const last = await dropoutMoments({ run: { directory: run, checkpoint: 'last' }, ...options });
    expect(last.conditions.update).toBe(30);
    const initial = await dropoutMoments({
      run: { directory: run, checkpoint: 'initial' },
      ...options,
      seed: 3,
    });
    expect(initial.conditions.update).toBe(0);
    // A fresh model of the run's configuration and seed is the run before its first update.
    const { vocabSize: _v, sourceVocabSize: _s, architecture: _a, ...trained } = initial.conditions.model;
    const { output: _o, outputs: _n, ...config } = trained;
    const same = await dropoutMoments({ model: config, data, ...options, seed: 3 });
    expect(same.draws).toEqual(initial.draws);
    expect(same.draws).not.toEqual(last.draws);
    // The masks follow the experiment's seed, the parameters the run's.
    const masks = await dropoutMoments({
      run: { directory: run, checkpoint: 'initial' },
      ...options,
      seed: 4,
    });
    expect(masks.draws).not.toEqual(initial.draws);
    const double = await dropoutMoments({ run: { directory: run }, ...options, precision: 'float64' });
    expect(double.divergence.uni.mean).toBeCloseTo(best.divergence.uni.mean, 5);
    expect(double.divergence.uni.mean).not.toBe(best.divergence.uni.mean);
  });

  it('leaves the event loop free, reports progress and stops when it is told to', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const onProgress = ({ done, total }: { done: number; total: number }) => {
      expect(total).toBe(200_000);
      seen.push(done);
      if (done === 20) controller.abort();
    };
    const work = dropoutMoments(fresh({ pairs: 100_000 }), { signal: controller.signal, onProgress });
    await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
    clearInterval(timer);
    expect(seen).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect(ticks).toBeGreaterThan(3);
    await expect(dropoutMoments(fresh(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('refuses what it cannot do, with the reason', async () => {
    const refused = (options: DropoutMomentsOptions, code: string, message: RegExp) =>
      expect(dropoutMoments(options)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    await refused({ data }, 'INVALID_CONFIG', /either a run or a model/);
    await refused({ ...fresh(), run: { directory: run } }, 'INVALID_CONFIG', /either a run or a model/);
    await refused({ model }, 'INVALID_CONFIG', /theory\.data: expected a prepared directory/);
    await refused(fresh({ pairs: 3 }), 'INVALID_CONFIG', /theory\.pairs: .*got 3/);
    await refused(
      fresh({ batches: 99 }),
      'INVALID_ARGUMENT',
      /at most the \d+ batches of 48 tokens .*got 99/,
    );
    await refused(fresh({ maxTokens: 4 }), 'INVALID_ARGUMENT', /at most 4 tokens .*theory\.maxTokens/);
    await refused({ run: { directory: join(place.path, 'none') } }, 'FILE_NOT_FOUND', /config\.json/);
    const other = join(place.path, 'other');
    await makeReversalData(other);
    await writeFile(
      join(other, 'dict.txt'),
      (await readFile(join(data, 'dict.txt'), 'utf8')).replace('w3 ', 'x3 '),
    );
    await refused(
      { run: { directory: run }, data: other },
      'CHECKPOINT_MISMATCH',
      /other\/dict\.txt: expected the types/,
    );
  });
});
